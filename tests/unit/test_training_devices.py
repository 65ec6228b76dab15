"""One run in two processes on the CPU."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from _tiny_run import train_stage

from segrepro.errors import UserError
from segrepro.protocol.stages import TrainStage
from segrepro.training.train import train

IMAGES, EPOCHS = 16, 10
UNET = {"name": "unet", "options": {"widths": (4, 8)}}
NORMALISED = {"name": "multiresunet", "options": {"widths": (4, 8)}}
"""With batch normalisation, PyTorch's and Keras's without gamma."""
SGD = {"name": "sgd", "learning_rate": 0.01}
"""For steps in proportion to gradients: Adam's first ones go by their signs."""


def write_slices(folder: Path) -> None:
    """Write 16 images to train on and one to be watched on."""
    folder.mkdir(parents=True, exist_ok=True)
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


def run(
    folder: Path,
    stage: TrainStage,
    *,
    devices: int,
    recomputed: bool = False,
    steps: int | None = 1,
) -> Path:
    if not (folder / "images.npy").exists():
        write_slices(folder)
    out = folder / f"on{devices}{'again' * recomputed}"
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
        checkpoint_steps=steps,
        activation_checkpointing=recomputed,
    )
    return out


def stage(**recipe: object) -> TrainStage:
    words = {"epochs": EPOCHS, "batch_size": 8, "checkpoint": "best_validation"}
    return train_stage(**{"network": UNET, **words, **recipe})


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


def test_batch_normalisation_sees_the_images_of_all_processes(tmp_path: Path) -> None:
    # A batch of nine leaves five images here and four there.
    recipe = stage(network=NORMALISED, optimiser=SGD, batch_size=9)
    one, two = (run(tmp_path, recipe, devices=devices) for devices in (1, 2))
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)
    alone, together = (safetensors.torch.load_file(out / "last.safetensors") for out in (one, two))
    assert alone.keys() == together.keys()
    for name, tensor in alone.items():
        torch.testing.assert_close(together[name], tensor, rtol=1e-3, atol=1e-4)


def test_recomputed_activations_end_in_the_same_bytes_in_two_processes(tmp_path: Path) -> None:
    # Normalisation over both then speaks across processes while gradients do.
    recipe = stage(network=NORMALISED, epochs=2)
    kept, again = (run(tmp_path, recipe, devices=2, recomputed=switch) for switch in (False, True))
    assert outputs(kept) == outputs(again)


def test_an_image_is_varied_alike_whichever_process_holds_it(tmp_path: Path) -> None:
    varied = stage(
        optimiser=SGD, accumulate=2, augmentation={"flip_rows": 0.5, "noise": 0.1, "shift": 0.2}
    )
    one, two = (run(tmp_path, varied, devices=devices) for devices in (1, 2))
    np.testing.assert_allclose(losses(two), losses(one), atol=1e-5)


PROGRAM = """
import sys
from pathlib import Path
from test_training_devices import run
from segrepro.protocol.stages import TrainStage

if __name__ == "__main__":
    stage = TrainStage.model_validate_json(sys.argv[2])
    run(Path(sys.argv[1]), stage, devices=2, steps=int(sys.argv[3]) or None)
"""


@pytest.mark.parametrize(
    ("batch_size", "steps", "state"),
    [
        pytest.param(2, 1, "000001-00000003", id="a state after every step"),
        # By the clock, of which the first process is asked every sixteen steps.
        pytest.param(1, 0, "000001-00000016", id="a state as often as may be"),
    ],
)
def test_two_processes_killed_within_an_epoch_end_in_the_same_bytes(
    tmp_path: Path, batch_size: int, steps: int, state: str
) -> None:
    # Its dropout draws, in each process for itself; its loss adds up in each.
    network = {"name": "rdiunet", "options": {"widths": (4, 8)}}
    recipe = stage(network=network, batch_size=batch_size, epochs=2)
    expected = outputs(run(tmp_path / "uninterrupted", recipe, devices=2))
    killed = tmp_path / "killed"
    write_slices(killed)
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, str(program), str(killed), recipe.canonical_json(), str(steps)]
    here = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    # A session of its own, so that all of its processes can be killed at once.
    process = subprocess.Popen(command, env=here, start_new_session=True)
    while process.poll() is None and not list(killed.glob(f"on2/state/*/{state}.*")):
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "on2" / "train.json").exists()
    assert outputs(run(killed, recipe, devices=2)) == expected
    assert json.loads((killed / "on2" / "train.json").read_text())["resumed_times"] == 1


def outputs(out: Path) -> list[bytes]:
    return [(out / name).read_bytes() for name in ("last.safetensors", "history.csv")]


def test_a_mistake_in_a_process_is_told_as_one(tmp_path: Path) -> None:
    hot = stage(optimiser={"name": "sgd", "learning_rate": 1e30})
    with pytest.raises(UserError, match="infinite or no number"):
        run(tmp_path, hot, devices=2)
    assert not (tmp_path / "on2" / "train.json").exists()
