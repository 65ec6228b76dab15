"""Every word of a recipe, on a run of a second."""

import csv
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from _tiny_run import predict_stage, train_stage, train_tiny, write_study
from torch import Tensor, nn

from segrepro import losses, models
from segrepro.errors import UserError
from segrepro.inference.predict import predict
from segrepro.protocol.recipe import AdamW
from segrepro.training import batches as batches_module
from segrepro.training._optimisers import optimiser_for
from segrepro.training.train import train

UNET = {"name": "unet", "options": {"widths": (4, 8)}}


def trained(folder: Path, *, out: str = "out", **recipe: object) -> dict[str, np.ndarray]:
    if not (folder / "slices").exists():
        write_study(folder)
    stage = train_stage(**{"network": UNET, **recipe})
    train_tiny(folder, stage, out=out)
    return safetensors.numpy.load_file(folder / out / "last.safetensors")


def history(folder: Path, out: str = "out") -> list[dict[str, str]]:
    with (folder / out / "history.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.parametrize(
    "optimiser",
    [
        {"name": "adam", "learning_rate": 0.01},
        {"name": "adamw", "learning_rate": 0.01},
        {"name": "rmsprop", "learning_rate": 0.01},
        {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True},
    ],
    ids=lambda optimiser: str(optimiser["name"]),
)
def test_every_optimiser_learns(tmp_path: Path, optimiser: dict[str, object]) -> None:
    trained(tmp_path, optimiser=optimiser, epochs=8)
    rows = history(tmp_path)
    assert float(rows[-1]["train_loss"]) < float(rows[0]["train_loss"])


def test_the_decay_of_adamw_shrinks_weights_that_have_no_gradient() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)
    optimiser = optimiser_for(AdamW(learning_rate=0.1, weight_decay=0.5), layer)
    (0 * layer(torch.ones(1, 1))).sum().backward()
    optimiser.step()
    assert layer.weight.item() == pytest.approx(1 - 0.1 * 0.5)


def test_the_history_tells_the_learning_rate_of_a_schedule(tmp_path: Path) -> None:
    # Five images in batches of three: two steps an epoch, four in all; the last ones are 1 and 3.
    trained(tmp_path, schedule={"name": "poly", "power": 1})
    rates = [float(row["learning_rate"]) for row in history(tmp_path)]
    assert rates == pytest.approx([1e-3 * 3 / 4, 1e-3 * 1 / 4])


def test_a_run_that_stops_early_says_so(tmp_path: Path) -> None:
    trained(
        tmp_path,
        epochs=9,
        checkpoint="best_validation",
        early_stopping={"patience": 1, "min_delta": 100},
    )
    stamp = json.loads((tmp_path / "out" / "train.json").read_text())
    # The first epoch is better than none; the second is not better by 100.
    assert (stamp["epochs"], stamp["stopped_early"], stamp["steps"]) == (2, True, 4)


def test_stopping_by_validation_cases_needs_some(tmp_path: Path) -> None:
    write_study(tmp_path, without="d")
    stage = train_stage(checkpoint="last", early_stopping={"patience": 1})
    with pytest.raises(UserError, match="early_stopping goes by validation cases"):
        train_tiny(tmp_path, stage)


def test_parts_of_a_batch_add_up_to_the_batch(tmp_path: Path) -> None:
    # A U-Net has no normalisation, so that a batch is the sum of its images.
    whole = trained(tmp_path, out="whole", optimiser={"name": "sgd"})
    parts = trained(tmp_path, out="parts", optimiser={"name": "sgd"}, accumulate=2)
    for name, weights in whole.items():
        np.testing.assert_allclose(parts[name], weights, atol=1e-6)


def test_a_softmax_has_the_background_as_an_output_and_is_predicted(tmp_path: Path) -> None:
    def cross_entropy(_name: str, _options: dict[str, Any]) -> losses.Loss:
        def loss(logits: Tensor, targets: Tensor, /) -> Tensor:
            assert logits.shape[1] == 2
            assert targets.sum(dim=1).unique().tolist() == [1.0]
            return nn.functional.cross_entropy(logits.float(), targets)

        return loss

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(losses, "build", cross_entropy)
        adam = {"name": "adam", "learning_rate": 0.02}
        trained(tmp_path, outputs="softmax", epochs=20, optimiser=adam)
    predict(
        predict_stage(network=UNET, outputs="softmax"),
        slices=tmp_path / "slices",
        split=tmp_path / "split.csv",
        weights=tmp_path / "out" / "model.safetensors",
        last=tmp_path / "out" / "last.safetensors",
        out=tmp_path / "predictions.npz",
        device="cpu",
        threads=1,
    )
    found = np.load(tmp_path / "predictions.npz")["best_on_reported_fold"]
    masks = np.load(tmp_path / "slices" / "masks.npy")[[4, 5]] == 1
    assert found.shape == (2, 1, 16, 16)
    assert (found[:, 0] == masks).mean() > 0.95


class TwoOutputs(nn.Module):
    """In training, the second output is three times the first."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        main = images * self.scale
        return (main, 3 * main) if self.training else main


def test_deep_supervision_adds_up_the_weighted_losses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mean(_name: str, _options: dict[str, Any]) -> losses.Loss:
        return lambda logits, _targets: logits.mean()

    monkeypatch.setattr(models, "build", lambda *_, **__: TwoOutputs())
    monkeypatch.setattr(losses, "build", mean)
    still = {"name": "sgd", "learning_rate": 1e-12}
    once = {"epochs": 1, "optimiser": still}
    trained(tmp_path, out="both", deep_supervision_weights=(1.0, 0.5), **once)
    trained(tmp_path, out="main", deep_supervision_weights=(1.0, 0.0), **once)
    both, main = (float(history(tmp_path, out)[0]["train_loss"]) for out in ("both", "main"))
    assert both == pytest.approx((1 + 0.5 * 3) * main)
    with pytest.raises(UserError, match="2 output"):
        trained(tmp_path, out="none", **once)


class Constant(nn.Module):
    """A network that died."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, images: Tensor) -> Tensor:
        return 0 * images + self.bias


def test_a_network_that_sees_the_same_everywhere_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "build", lambda *_, **__: Constant())
    with pytest.raises(UserError, match="output 0 of the network is the same everywhere"):
        trained(tmp_path)
    assert not (tmp_path / "out" / "train.json").exists()


@pytest.mark.parametrize(
    "trouble",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["gpu", "cpu"],
)
def test_too_little_memory_names_the_batch_and_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: RuntimeError
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise trouble

    monkeypatch.setattr("segrepro.training.train.fit", fail)
    with pytest.raises(UserError, match="unet on 3 images at a time") as caught:
        trained(tmp_path)
    assert "accumulate" in caught.value.cure
    assert "SEGREPRO_ACTIVATION_CHECKPOINTING=1" in caught.value.cure


def test_slices_that_are_not_on_the_device_come_in_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resident = trained(tmp_path, out="resident")
    monkeypatch.setattr(batches_module.Part, "is_resident", False)
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)
    fetched = trained(tmp_path, out="fetched")
    for name, weights in resident.items():
        np.testing.assert_array_equal(fetched[name], weights)


def test_a_trouble_while_slices_are_fetched_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Tensor) -> Tensor:
        raise OSError("the disk is gone")

    monkeypatch.setattr(batches_module.Part, "is_resident", False)
    monkeypatch.setattr(Tensor, "pin_memory", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        trained(tmp_path)


def test_no_byte_of_a_test_case_is_read(tmp_path: Path) -> None:
    clean, poisoned = tmp_path / "clean", tmp_path / "poisoned"
    write_study(clean)
    write_study(poisoned)
    images = np.load(poisoned / "slices" / "images.npy").astype(np.float32)
    np.save(clean / "slices" / "images.npy", images)
    images[[4, 5]] = np.nan
    np.save(poisoned / "slices" / "images.npy", images)
    one = trained(clean, checkpoint="best_validation")
    two = trained(poisoned, checkpoint="best_validation")
    for name, weights in one.items():
        np.testing.assert_array_equal(two[name], weights)


class FakeWriter:
    """Stands for TensorBoard's."""

    points: list[tuple[str, int]] = []  # noqa: RUF012 - the test's own

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def add_scalar(self, name: str, value: float, step: int) -> None:
        assert np.isfinite(value)
        self.points.append((name, step))

    def close(self) -> None:
        self.points.append(("closed", 0))


def train_with_tensorboard(folder: Path) -> None:
    write_study(folder)
    train(
        train_stage(network=UNET),
        slices=folder / "slices",
        split=folder / "split.csv",
        out=folder / "out",
        state=folder / "state",
        device="cpu",
        threads=1,
        tensorboard=folder / "events",
    )


def test_tensorboard_gets_a_point_per_epoch_and_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = ModuleType("torch.utils.tensorboard")
    fake.SummaryWriter = FakeWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    train_with_tensorboard(tmp_path)
    for name in ("loss/train", "loss/selection", "jaccard/selection", "learning_rate"):
        assert [step for point, step in FakeWriter.points if point == name] == [1, 2]
    assert FakeWriter.points[-1] == ("closed", 0)


def test_without_tensorboard_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UserError) as caught:
        train_with_tensorboard(tmp_path)
    assert "segrepro[tensorboard]" in caught.value.cure
