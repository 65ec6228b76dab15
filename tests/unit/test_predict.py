"""From weights and images to masks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from _tiny_run import UNUSED, predict_stage, train_stage, train_tiny, write_study
from numpy.typing import NDArray
from torch import nn

from segrepro.errors import UserError
from segrepro.inference.predict import masks, predict
from segrepro.protocol.data import Normalisation


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    write_study(folder)
    train_tiny(folder, train_stage(epochs=20, optimiser={"name": "adam", "learning_rate": 0.02}))
    return folder


def predicted(study: Path, out: Path, **changes: object) -> dict[str, NDArray[np.generic]]:
    weights = {"weights": study / "out" / "model.safetensors"}
    weights["last"] = study / "out" / "last.safetensors"
    weights |= {name: changes.pop(name) for name in list(weights) if name in changes}
    predict(
        predict_stage(**changes),
        slices=study / "slices",
        split=study / "split.csv",
        out=out,
        device="cpu",
        threads=1,
        **weights,
    )
    with np.load(out, allow_pickle=False) as file:
        return dict(file)


def test_each_test_slice_gets_a_mask_from_each_predictor(study: Path, tmp_path: Path) -> None:
    arrays = predicted(study, tmp_path / "p.npz")
    assert arrays.keys() == {"slice_ids", "classes", "best_on_reported_fold", "last"}
    assert arrays["slice_ids"].tolist() == ["e", "f"]
    assert arrays["classes"].tolist() == ["square"]
    assert arrays["last"].shape == (2, 1, 16, 16)
    assert arrays["last"].dtype == np.bool_


def test_a_recipe_that_reports_the_last_weights_has_one_predictor(
    study: Path, tmp_path: Path
) -> None:
    arrays = predicted(study, tmp_path / "p.npz", checkpoint="last")
    assert arrays.keys() == {"slice_ids", "classes", "last"}


def test_the_predictors_use_their_own_weights(study: Path, tmp_path: Path) -> None:
    usual = predicted(study, tmp_path / "usual.npz")
    both_last = predicted(study, tmp_path / "last.npz", weights=study / "out" / "last.safetensors")
    assert np.array_equal(both_last["best_on_reported_fold"], usual["last"])


def test_the_same_weights_give_the_same_bytes(study: Path, tmp_path: Path) -> None:
    for name in ("one.npz", "two.npz"):
        predicted(study, tmp_path / name)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_a_higher_threshold_never_adds_a_pixel(study: Path, tmp_path: Path) -> None:
    low, high = (
        predicted(study, tmp_path / "p.npz", threshold=threshold)["last"]
        for threshold in (0.3, 0.7)
    )
    assert low.sum() > high.sum()
    assert not (high & ~low).any()


def test_a_mask_is_where_the_probability_exceeds_the_threshold() -> None:
    # A kernel of 2 and a bias of -1 turn a normalised 0.5 into a logit of 0: exactly one half.
    network = nn.Conv2d(1, 1, 1)
    nn.init.constant_(network.weight, 2.0)
    nn.init.constant_(network.bias, -1.0)  # type: ignore[arg-type]
    images = np.array([[[[4, 5, 6]]]], dtype=np.uint8)
    found = masks(network, images, Normalisation(divide_by=10), threshold=0.5)
    assert found.tolist() == [[[[False, False, True]]]]


def test_images_are_predicted_alike_alone_and_among_others() -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(1, 2, 3, padding=1)
    images = np.random.default_rng(0).integers(0, 256, (9, 1, 8, 8), dtype=np.uint8)
    together = masks(network, images, Normalisation(), threshold=0.5)
    alone = [masks(network, image[None], Normalisation(), threshold=0.5) for image in images]
    assert np.array_equal(together, np.concatenate(alone))


def test_weights_of_another_network_are_refused(study: Path, tmp_path: Path) -> None:
    other = {"name": "unet", "options": {"widths": (2, 4)}}
    with pytest.raises(UserError, match=r"model.safetensors does not fit unet"):
        predicted(study, tmp_path / "p.npz", network=other)
    assert not (tmp_path / "p.npz").exists()


def test_weights_of_another_width_are_refused(study: Path, tmp_path: Path) -> None:
    wider = {"name": "multiresunet", "options": {"widths": (8, 16)}}
    with pytest.raises(UserError, match="has shape"):
        predicted(study, tmp_path / "p.npz", network=wider)


def test_damaged_weights_are_refused(study: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes((study / "out" / "model.safetensors").read_bytes()[:-5])
    with pytest.raises(UserError, match="is damaged"):
        predicted(study, tmp_path / "p.npz", weights=damaged)


def test_missing_weights_are_refused(study: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Train this run first"):
        predicted(study, tmp_path / "p.npz", weights=tmp_path / "nowhere.safetensors")


def test_a_run_without_test_slices_is_refused(study: Path, tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text(f"run,case_id,group_id,part\nfold0,{UNUSED},g,train\n")
    with pytest.raises(UserError, match="fold0 has no test slices"):
        predict(
            predict_stage(),
            slices=study / "slices",
            split=tmp_path / "split.csv",
            weights=study / "out" / "model.safetensors",
            last=study / "out" / "last.safetensors",
            out=tmp_path / "p.npz",
            device="cpu",
            threads=1,
        )
