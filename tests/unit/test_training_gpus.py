"""What only GPUs can show; without one these tests are skipped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from _no_gpu import no_gpu, one_gpu
from _tiny_run import train_stage, train_tiny, write_study

from segrepro.training import batches

EVERYTHING = ("model.safetensors", "last.safetensors", "history.csv")


def outputs(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in EVERYTHING]


@no_gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_the_same_run_twice_ends_in_the_same_bytes(tmp_path: Path, precision: str) -> None:
    write_study(tmp_path)
    stage = train_stage(precision=precision, augmentation={"rotation_degrees": 20, "noise": 0.1})
    one, two = (train_tiny(tmp_path, stage, out=out, device="cuda") for out in ("one", "two"))
    assert outputs(one) == outputs(two)


@no_gpu
def test_slices_that_do_not_fit_give_the_same_bytes_as_those_that_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(tmp_path)
    resident = train_tiny(tmp_path, out="resident", device="cuda")
    monkeypatch.setattr(batches, "RESIDENT_SHARE", 0.0)
    fetched = train_tiny(tmp_path, out="fetched", device="cuda")
    assert outputs(resident) == outputs(fetched)


@no_gpu
def test_recomputed_activations_end_in_the_same_bytes_there_too(tmp_path: Path) -> None:
    write_study(tmp_path)
    kept = train_tiny(tmp_path, out="kept", device="cuda")
    recomputed = train_tiny(tmp_path, out="again", device="cuda", activation_checkpointing=True)
    assert outputs(kept) == outputs(recomputed)


@one_gpu
def test_two_gpus_follow_one(tmp_path: Path) -> None:
    write_study(tmp_path)
    stage = train_stage(epochs=10, optimiser={"name": "sgd", "learning_rate": 0.01})
    found = []
    for devices in (1, 2):
        out = train_tiny(tmp_path, stage, out=f"on{devices}", device="cuda", devices=devices)
        found.append(np.genfromtxt(out / "history.csv", delimiter=",", names=True)["train_loss"])
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)
    assert torch.cuda.device_count() >= 2
