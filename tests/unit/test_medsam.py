"""MedSAM through transformers, prompted with the truth's box; with random weights of a tiny SAM."""

import json
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import safetensors.torch
import torch
from _tiny_run import write_study
from numpy.typing import NDArray
from torch import Tensor

from segrepro.errors import UserError
from segrepro.inference import medsam
from segrepro.inference.score import score
from segrepro.protocol.stages import ScoreStage

SIDE = 32
needs_transformers = pytest.mark.skipif(
    find_spec("transformers") is None,
    reason="transformers is not installed: pip install 'segrepro[medsam]'",
)


def mask(rows: int, columns: int, *, on: tuple[slice, slice]) -> NDArray[np.bool_]:
    found = np.zeros((rows, columns), dtype=np.bool_)
    found[on] = True
    return found


class SeesBoxes:
    """In SAM's place: what is inside of a box is its object, in pixels a quarter as fine."""

    def __init__(self) -> None:
        self.images: list[Tensor] = []
        self.boxes: list[Tensor] = []

    def get_image_embeddings(self, pixel_values: Tensor) -> Tensor:
        self.images.append(pixel_values)
        return pixel_values

    def __call__(
        self, *, image_embeddings: Tensor, input_boxes: Tensor, multimask_output: bool
    ) -> medsam.Masks:
        assert not multimask_output
        self.boxes.append(input_boxes)
        places = 4 * torch.arange(image_embeddings.shape[-1] // 4) + 2
        logits = []
        for left, top, right, bottom in input_boxes[0]:
            rows, columns = [
                (low <= places) & (places <= high) for low, high in ((top, bottom), (left, right))
            ]
            logits.append(20.0 * (rows[:, None] & columns) - 10)
        return SimpleNamespace(pred_masks=torch.stack(logits)[None, :, None])


def test_a_box_is_the_first_and_last_column_and_row_of_a_mask() -> None:
    found = mask(10, 10, on=(slice(2, 5), slice(3, 9)))
    assert medsam.box_of(found) == (3, 2, 8, 4)


def test_a_single_pixel_is_its_own_box_and_an_empty_mask_has_none() -> None:
    assert medsam.box_of(mask(4, 4, on=(slice(1, 2), slice(3, 4)))) == (3, 1, 3, 1)
    assert medsam.box_of(np.zeros((4, 4), dtype=np.bool_)) is None


def test_sam_sees_a_square_of_three_equal_channels_from_0_to_1() -> None:
    torch.manual_seed(0)
    image = torch.randint(50, 200, (1, 12, 20), dtype=torch.uint8)
    seen = medsam.as_sam_sees(image, side=SIDE)
    assert seen.shape == (1, 3, SIDE, SIDE)
    assert (seen.min(), seen.max()) == (0, 1)
    assert torch.equal(seen[:, 0], seen[:, 1])
    assert torch.equal(seen[:, 0], seen[:, 2])


def test_colours_keep_one_common_range() -> None:
    image = torch.zeros(3, SIDE, SIDE)
    image[0] = 100
    image[1] = 50
    assert medsam.as_sam_sees(image, side=SIDE)[0, :, 0, 0].tolist() == [1, 0.5, 0]


def test_resizing_does_not_overshoot_the_brightest_and_darkest_pixel() -> None:
    image = torch.zeros(1, 8, 8)
    image[:, :, 4:] = 1
    # Beside the edge, cubic interpolation would leave what is flat; far from it nothing changes.
    ends = medsam.as_sam_sees(image, side=SIDE)[0, 0, 0, [0, -1]].tolist()
    assert ends == pytest.approx([0, 1], abs=1e-5)


def test_a_flat_image_is_zero_everywhere() -> None:
    assert not medsam.as_sam_sees(torch.full((1, 8, 8), 7.0), side=SIDE).any()


def test_boxes_are_scaled_to_the_image_that_sam_sees_along_each_axis() -> None:
    sam = SeesBoxes()
    medsam.masks(sam, torch.rand(1, 16, 64), [(4, 2, 40, 8)], side=SIDE)
    # Half as many columns and twice as many rows.
    assert sam.boxes[0].tolist() == [[[2, 4, 20, 16]]]


def test_a_class_without_truth_is_not_prompted_and_empty_and_the_others_keep_their_places() -> None:
    sam = SeesBoxes()
    boxes = [None, (0, 0, 15, 31), None, (16, 0, 31, 31)]
    found = medsam.masks(sam, torch.rand(1, SIDE, SIDE), boxes, side=SIDE)
    assert sam.boxes[0].shape == (1, 2, 4)
    assert [bool(each.any()) for each in found] == [False, True, False, True]
    assert found[1][:, :14].all()
    assert not found[1][:, 18:].any()
    assert found[3][:, 18:].all()


def test_without_any_truth_sam_is_not_asked() -> None:
    sam = SeesBoxes()
    assert not medsam.masks(sam, torch.rand(3, 8, 8), [None, None], side=SIDE).any()
    assert sam.images == []


@pytest.mark.parametrize(("logit", "found"), [(0.1, True), (-0.1, False)])
def test_a_probability_above_one_half_counts(logit: float, found: bool) -> None:
    class Unsure(SeesBoxes):
        def __call__(self, **_: object) -> medsam.Masks:
            return SimpleNamespace(pred_masks=torch.full((1, 1, 1, 8, 8), logit))

    seen = medsam.masks(Unsure(), torch.rand(1, 16, 16), [(0, 0, 15, 15)], side=SIDE)
    assert seen.all() == seen.any() == found


def test_masks_have_the_size_of_the_image() -> None:
    found = medsam.masks(SeesBoxes(), torch.rand(1, 24, 40), [(0, 0, 39, 23)], side=SIDE)
    assert found.shape == (1, 24, 40)
    assert found.all()


def test_that_transformers_is_missing_is_said_with_the_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match="transformers, which is not installed") as caught:
        medsam.load(tmp_path, device=torch.device("cpu"))
    assert caught.value.cure == "Install it with: pip install 'segrepro[medsam]'"


def test_the_predictor_is_named_after_its_prompt() -> None:
    assert medsam.PREDICTOR == "medsam_prompted_with_truth_box"


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """Write a checkpoint of a tiny SAM with random weights."""
    import transformers  # noqa: PLC0415 - not installed by default

    small = {"hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2, "mlp_dim": 16}
    grid = {"image_size": SIDE, "patch_size": 16}
    config = transformers.SamConfig(
        vision_config={
            **small,
            **grid,
            "output_channels": 8,
            "window_size": 2,
            "global_attn_indexes": [1],
            "num_pos_feats": 4,
        },
        prompt_encoder_config={**grid, "hidden_size": 8, "mask_input_channels": 4},
        mask_decoder_config={**small, "attention_downsample_rate": 1, "iou_head_hidden_dim": 8},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        sam = transformers.SamModel(config)
        for parameter in sam.parameters():
            # As it starts, all logits are nearly zero.
            torch.nn.init.normal_(parameter, std=0.5)
    folder = tmp_path / "checkpoint"
    sam.save_pretrained(folder)
    return folder


def predicted(folder: Path, checkpoint: Path, **changes: object) -> dict[str, NDArray[np.generic]]:
    arguments = {
        "run": "fold0",
        "classes": ("square",),
        "slices": folder / "slices",
        "split": folder / "split.csv",
        "checkpoint": checkpoint,
        "out": folder / "out/predictions.npz",
        "device": "cpu",
        "threads": 1,
        **changes,
    }
    medsam.predict(**arguments)
    with np.load(folder / "out/predictions.npz", allow_pickle=False) as file:
        return dict(file)


@needs_transformers
def test_predictions_are_marked_as_prompted(tiny: Path, tmp_path: Path) -> None:
    write_study(tmp_path)
    arrays = predicted(tmp_path, tiny)
    assert arrays.keys() == {"slice_ids", "classes", medsam.PREDICTOR}
    assert arrays["slice_ids"].tolist() == ["e", "f"]
    assert arrays[medsam.PREDICTOR].shape == (2, 1, 16, 16)
    assert arrays[medsam.PREDICTOR].dtype == np.bool_
    stamp = json.loads((tmp_path / "out/prompted.json").read_text())
    assert stamp["note"] == medsam.NOTE
    assert len(stamp["checkpoint_sha256"]) == 64


@needs_transformers
def test_the_same_checkpoint_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    write_study(tmp_path)
    written = []
    for _ in range(2):
        predicted(tmp_path, tiny)
        written.append((tmp_path / "out/predictions.npz").read_bytes())
    assert written[0] == written[1]


@needs_transformers
def test_the_prediction_depends_on_the_box(tiny: Path) -> None:
    _, (sam, side) = medsam.load(tiny, device=torch.device("cpu"))
    torch.manual_seed(0)
    image = torch.rand(1, SIDE, SIDE)
    embeddings = sam.get_image_embeddings(medsam.as_sam_sees(image, side=side))
    logits = [
        sam(
            image_embeddings=embeddings,
            input_boxes=torch.tensor([[box]]),
            multimask_output=False,
        ).pred_masks
        for box in ([0.0, 0.0, 8.0, 8.0], [16.0, 16.0, 31.0, 31.0])
    ]
    assert side == SIDE
    assert not torch.allclose(*logits)


@needs_transformers
def test_scores_carry_the_predictors_name(tiny: Path, tmp_path: Path) -> None:
    import pandas as pd  # noqa: PLC0415 - as above

    write_study(tmp_path)
    predicted(tmp_path, tiny)
    score(
        ScoreStage(classes=("square",), metrics=("dice",), when_both_empty=1.0),
        predictions=tmp_path / "out/predictions.npz",
        slices=tmp_path / "slices",
        out=tmp_path / "scores.parquet",
    )
    predictors = set(pd.read_parquet(tmp_path / "scores.parquet")["predictor"])
    assert predictors == {medsam.PREDICTOR, "constant"}


@needs_transformers
def test_a_file_of_the_published_size_is_read_without_a_configuration(
    monkeypatch: pytest.MonkeyPatch, tiny: Path
) -> None:
    import transformers  # noqa: PLC0415 - as above

    config = transformers.SamConfig.from_pretrained(tiny)
    monkeypatch.setattr(transformers, "SamConfig", lambda: config)
    weights, (_, side) = medsam.load(tiny / "model.safetensors", device=torch.device("cpu"))
    assert (weights.name, side) == ("model.safetensors", SIDE)


def without_a_weight(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights.pop(min(weights))
    safetensors.torch.save_file(weights, folder / "model.safetensors")


def with_an_unknown_weight(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    safetensors.torch.save_file(weights | {"x": torch.ones(1)}, folder / "model.safetensors")


def with_a_weight_of_another_shape(folder: Path) -> None:
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    weights[min(weights)] = torch.ones(1, 2, 3)
    safetensors.torch.save_file(weights, folder / "model.safetensors")


def truncated(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:100])


def of_pickled_weights(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def without_a_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()


def with_half_a_configuration(folder: Path) -> None:
    (folder / "config.json").write_text('{"vision_config": {"hidden_')


def with_a_number_that_is_none(folder: Path) -> None:
    (folder / "config.json").write_text('{"vision_config": {"hidden_size": "wide"}}')


@needs_transformers
@pytest.mark.parametrize(
    "spoil",
    [
        without_a_weight,
        with_an_unknown_weight,
        with_a_weight_of_another_shape,
        truncated,
        of_pickled_weights,
        without_a_configuration,
        with_half_a_configuration,
        with_a_number_that_is_none,
    ],
)
def test_a_spoilt_checkpoint_is_refused_and_nothing_is_written(
    spoil: Callable[[Path], None], tiny: Path, tmp_path: Path
) -> None:
    write_study(tmp_path)
    spoil(tiny)
    with pytest.raises(UserError, match="is no checkpoint of MedSAM") as caught:
        predicted(tmp_path, tiny)
    assert "\n" not in caught.value.fact
    assert not (tmp_path / "out").exists()


def test_images_of_two_channels_are_refused(tmp_path: Path) -> None:
    write_study(tmp_path)
    images = tmp_path / "slices/images.npy"
    np.save(images, np.load(images).repeat(2, axis=1))
    with pytest.raises(UserError, match="images of 2 channels"):
        predicted(tmp_path, tmp_path)


def test_volumes_are_refused(tmp_path: Path) -> None:
    write_study(tmp_path)
    images = tmp_path / "slices/images.npy"
    np.save(images, np.load(images)[:, :, None])
    with pytest.raises(UserError, match="holds volumes"):
        predicted(tmp_path, tmp_path)


def test_a_run_without_test_slices_is_refused(tmp_path: Path) -> None:
    write_study(tmp_path, without="ef")
    with pytest.raises(UserError, match="fold0 has no test slices"):
        predicted(tmp_path, tmp_path)
