"""A run small enough to train in a second: nine images of 16x16 pixels, a network of two levels.

Run as a program, it trains that run and kills itself, without any clean-up, at the n-th time that
a file is about to be on disk: `python _tiny_run.py FOLDER N DEVICE`.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from segrepro.protocol.stages import PredictStage, TrainStage

PARTS = dict.fromkeys("abc", "train") | {"d": "validation", "e": "test", "f": "test"}
PARTS |= dict.fromkeys("hi", "train")
UNUSED = "g"
RECIPE = {
    "epochs": 2,
    "batch_size": 3,
    "loss": {"name": "binary_cross_entropy"},
    "checkpoint": "best_on_reported_fold",
}
# Not a U-Net: normalisation has statistics that a restart must bring back too.
NETWORK = {"name": "multiresunet", "options": {"widths": (4, 8)}}


def write_study(folder: Path, *, without: str = "", garbage_in: str = "") -> None:
    """Write `folder/slices` and `folder/split.csv`: a bright square in each image, its mask.

    The cases named in `without` are in no part; those named in `garbage_in` hold noise.
    """
    rng = np.random.default_rng(0)
    cases = [*PARTS, UNUSED]
    images = rng.integers(0, 60, (len(cases), 1, 16, 16), dtype=np.uint8)
    masks = np.zeros((len(cases), 16, 16), dtype=np.uint8)
    for number in range(len(cases)):
        masks[number, number : number + 8, 4:12] = 1
    images[:, 0][masks == 1] += 150
    for case in garbage_in:
        number = cases.index(case)
        images[number] = np.random.default_rng(1).integers(0, 256, (1, 16, 16), dtype=np.uint8)
        masks[number] = 255
    slices = folder / "slices"
    slices.mkdir(parents=True)
    np.save(slices / "images.npy", images)
    np.save(slices / "masks.npy", masks)
    pd.DataFrame(
        {
            "slice_id": cases,
            "case_id": cases,
            "group_id": cases,
            "index": 0,
            "native_rows": 16,
            "native_columns": 16,
            "row_spacing_mm": 1.0,
            "column_spacing_mm": 1.0,
            "pixels_square": (masks == 1).sum(axis=(1, 2)),
        }
    ).to_parquet(slices / "slices.parquet", index=False)
    rows = [f"fold0,{c},{c},{part}" for c, part in PARTS.items() if c not in without]
    (folder / "split.csv").write_text("\n".join(["run,case_id,group_id,part", *rows]) + "\n")


def train_stage(**recipe: object) -> TrainStage:
    """Return the protocol of the run, with these changes of its recipe, or of the network."""
    network = recipe.pop("network", NETWORK)
    return TrainStage.model_validate(
        {
            "run": "fold0",
            "network": network,
            "classes": ("square",),
            "normalisation": {},
            "recipe": {**RECIPE, **recipe},
            "when_both_empty": 1.0,
        }
    )


def predict_stage(**changes: object) -> PredictStage:
    """Return the protocol of its predictions, with these changes."""
    stage = {
        "run": "fold0",
        "network": NETWORK,
        "classes": ("square",),
        "normalisation": {},
        "checkpoint": "best_on_reported_fold",
        "threshold": 0.5,
    }
    return PredictStage.model_validate({**stage, **changes})


def train_tiny(
    folder: Path,
    stage: TrainStage | None = None,
    *,
    out: str = "out",
    device: str = "cpu",
    **options: object,
) -> Path:
    """Train in `folder`, where `write_study` wrote, with a state after every step."""
    # Not at the top: the program must be able to patch the system before torch is there.
    from segrepro.training.train import train  # noqa: PLC0415 - see above

    train(
        stage or train_stage(),
        slices=folder / "slices",
        split=folder / "split.csv",
        out=folder / out,
        state=folder / "state",
        device=device,
        threads=1,
        **{"checkpoint_seconds": 0.0, **options},
    )
    return folder / out


def die_at_sync(number: int) -> None:
    """Let the process be killed as it asks for the n-th time that something be synced to disk."""
    sync, calls = os.fsync, 0

    def counting_sync(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = counting_sync


if __name__ == "__main__":
    die_at_sync(int(sys.argv[2]))
    train_tiny(Path(sys.argv[1]), device=sys.argv[3])
