"""One run in two processes on the CPU."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _tiny_run import train_stage

from segrepro.errors import UserError
from segrepro.protocol.stages import TrainStage
from segrepro.training.train import train

IMAGES, EPOCHS = 16, 10
UNET = {"name": "unet", "options": {"widths": (4, 8)}}
"""Without batch normalisation, which would see each process's images for themselves."""


def write_slices(folder: Path) -> None:
    """Write 16 images to train on and one to be watched on."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (IMAGES + 1, 1, 16, 16), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", (images[:, 0] > 100).astype(np.uint8))
    names = [f"s{number:02d}" for number in range(IMAGES + 1)]
    table = {"slice_id": names, "case_id": names, "group_id": names, "pixels_square": 1}
    pd.DataFrame(table).to_parquet(folder / "slices.parquet", index=False)
    parts = ["train"] * IMAGES + ["validation"]
    rows = [f"fold0,{name},{name},{part}" for name, part in zip(names, parts, strict=True)]
    (folder / "split.csv").write_text("\n".join(["run,case_id,group_id,part", *rows]) + "\n")


def run(folder: Path, stage: TrainStage, *, devices: int) -> Path:
    if not (folder / "images.npy").exists():
        write_slices(folder)
    out = folder / f"on{devices}"
    train(
        stage,
        slices=folder,
        split=folder / "split.csv",
        out=out,
        state=out / "state",
        device="cpu",
        threads=devices,
        devices=devices,
        checkpoint_seconds=0.0,
    )
    return out


def stage(**recipe: object) -> TrainStage:
    words = {"epochs": EPOCHS, "batch_size": 8, "checkpoint": "best_validation"}
    return train_stage(network=UNET, **{**words, **recipe})


def losses(out: Path) -> list[list[float]]:
    with (out / "history.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [[float(row["train_loss"]), float(row["selection_loss"])] for row in rows]


def test_two_processes_follow_one_over_twenty_steps(tmp_path: Path) -> None:
    one, two = (run(tmp_path, stage(), devices=devices) for devices in (1, 2))
    stamp = json.loads((two / "train.json").read_text())
    assert (stamp["devices"], stamp["steps"]) == (2, 20)
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)
    assert losses(one)[-1][0] < losses(one)[0][0]
    assert not (two / "state").exists()


def test_batches_that_two_processes_cannot_share_evenly_count_the_same(tmp_path: Path) -> None:
    # Sixteen images in batches of seven: seven, seven and two; then in three parts of a batch.
    uneven = stage(epochs=3, batch_size=7, accumulate=3)
    one, two = (run(tmp_path, uneven, devices=devices) for devices in (1, 2))
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)


def test_a_mistake_in_a_process_is_told_as_one(tmp_path: Path) -> None:
    hot = stage(optimiser={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(UserError, match="infinite or no number"):
        run(tmp_path, hot, devices=2)
    assert not (tmp_path / "on2" / "train.json").exists()
