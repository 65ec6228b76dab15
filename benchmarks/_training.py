"""A training set on disk, our loop, and what any other loop needs in order to learn the same.

U-Net 32 to 512, images of 256x256, batch 4, Adam, binary cross-entropy.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn
from torch.utils.data import Sampler

from benchmarks._result import REPETITIONS, Result, median_ratio
from segrepro import models
from segrepro.protocol.data import Normalisation
from segrepro.protocol.recipe import Adam, LossProtocol, Recipe
from segrepro.protocol.stages import Network, TrainStage
from segrepro.training._seeds import derive
from segrepro.training.batches import order_of

SIDE, BATCH, IMAGES = 256, 4, 24
EPOCHS = {"cpu": 1, "cuda": 40}
"""Of each run that is timed: a few seconds."""
SEED, RUN, NETWORK, LEARNING_RATE = 0, "fold0", "unet", 1e-4
STEPS = 5
"""The steps whose losses must agree, one by one."""
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Trained:
    """What a loop did."""

    seconds: float
    """Without the start of the program."""
    losses: list[float]
    """Mean training loss of each epoch."""


def write_data(folder: Path, *, images: int, validation: int = 0) -> None:
    """Write bright discs in noise, as a slice store with its split and as png files.

    The last `validation` images are kept for that; the png files are of the others.
    """
    generator = np.random.default_rng(0)
    noise = generator.integers(0, 120, (images, SIDE, SIDE), dtype=np.uint8)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    middles, radii = generator.integers(64, 192, (images, 2)), generator.integers(20, 60, images)
    masks = np.stack(
        [
            ((rows - row) ** 2 + (columns - column) ** 2 < radius**2).astype(np.uint8)
            for (row, column), radius in zip(middles, radii, strict=True)
        ]
    )
    pixels = noise + 100 * masks
    folder.mkdir()
    np.save(folder / "images.npy", pixels[:, None])
    np.save(folder / "masks.npy", masks)
    names = [f"s{number:03d}" for number in range(images)]
    table = {"slice_id": names, "case_id": names, "group_id": names, "pixels_object": 1}
    pd.DataFrame(table).to_parquet(folder / "slices.parquet")
    parts = ["train"] * (images - validation) + ["validation"] * validation
    rows_of_split = [f"{RUN},{name},{name},{part}" for name, part in zip(names, parts, strict=True)]
    (folder / "split.csv").write_text("\n".join(["run,case_id,group_id,part", *rows_of_split, ""]))
    for name, image, mask in list(zip(names, pixels, masks, strict=True))[: images - validation]:
        Image.fromarray(image).save(folder / f"{name}.image.png")
        Image.fromarray(255 * mask).save(folder / f"{name}.mask.png")


def stage_of(*, epochs: int, precision: Precision = "fp32", checkpoint: str = "last") -> TrainStage:
    """Return the protocol of the run."""
    recipe = {
        "epochs": epochs,
        "batch_size": BATCH,
        "optimiser": Adam(learning_rate=LEARNING_RATE),
        "loss": LossProtocol(name="binary_cross_entropy"),
        "checkpoint": checkpoint,
        "precision": precision,
        "seed": SEED,
    }
    return TrainStage(
        run=RUN,
        network=Network(name=NETWORK),
        classes=("object",),
        normalisation=Normalisation(),
        recipe=Recipe.model_validate(recipe),
        when_both_empty=1.0,
    )


def arguments(folder: Path, stage: TrainStage, device: str) -> list[str]:
    """Return what makes `segrepro` train with all cores, or on a GPU."""
    options = {
        "--protocol": stage.canonical_json(),
        "--slices": folder,
        "--split": folder / "split.csv",
        "--out": folder / "run",
        "--threads": threads(),
        "--gpus": int(device == "cuda"),
    }
    words = [str(word) for option in options.items() for word in option]
    return ["train", f"study/dataset/{NETWORK}/{RUN}", *words]


def train_ours(folder: Path, stage: TrainStage, device: str) -> Trained:
    """Train with our command; its time is that of its own stamp."""
    command = [sys.executable, "-m", "segrepro", *arguments(folder, stage, device)]
    subprocess.run(command, check=True)
    facts = pd.read_json(folder / "run" / "train.json", typ="series")
    history = pd.read_csv(folder / "run" / "history.csv")
    return Trained(float(facts["seconds_total"]), history["train_loss"].tolist())


def threads() -> int:
    """Return how many threads every loop has."""
    return os.cpu_count() or 1


def device_name(device: str) -> str:
    """Return what a result says of where it was measured."""
    return torch.cuda.get_device_name() if device == "cuda" else device


def fresh_network() -> nn.Module:
    """Return the network with the weights that our loop begins with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(SEED, RUN, "weights"))
        return models.build(NETWORK, channels=1, classes=1)


def png_files(folder: Path) -> list[tuple[Path, Path]]:
    """Return the image and mask files, in the order of the slice store."""
    images = sorted(folder.glob("*.image.png"))
    return [(path, path.with_name(path.name.replace(".image.", ".mask."))) for path in images]


class GivenOrder(Sampler[int]):
    """The order in which our loop shows the images, another one in each epoch."""

    def __init__(self, images: int) -> None:
        self.images = images
        self.epoch = 0

    def __len__(self) -> int:
        """Return the number of images."""
        return self.images

    def __iter__(self) -> Iterator[int]:
        """Yield the positions of one more epoch."""
        self.epoch += 1
        yield from order_of(self.images, seed=SEED, run=RUN, epoch=self.epoch).tolist()


def compare(
    name: str,
    train_theirs: Callable[[Path, int, str], Trained],
    *,
    device: str,
    bar: float,
    tolerance: float,
    precision: Precision = "fp32",
) -> Result:
    """Return how many times as fast as another loop ours is.

    Parameters
    ----------
    name
        Of the benchmark.
    train_theirs
        The other loop, of a folder, a number of epochs and a device.
    device
        ``cpu`` or ``cuda``.
    bar
        Least speed.
    tolerance
        How far, relatively, a loss of one may be from that of the other: at each of the first
        steps, and in the mean over each epoch that is timed.
    precision
        Of our loop; the other computes in fp32.
    """
    torch.set_num_threads(threads())
    epochs = EPOCHS[device]
    with tempfile.TemporaryDirectory() as place:
        single, many = Path(place) / "single", Path(place) / "many"
        write_data(single, images=BATCH)
        write_data(many, images=IMAGES)
        # An epoch of one batch: its mean loss is that of one step.
        steps = train_ours(single, stage_of(epochs=STEPS, precision=precision), device)
        their_steps = train_theirs(single, STEPS, device)
        apart = [_apart(steps, their_steps, tolerance)]
        ours, theirs = [], []
        for _ in range(REPETITIONS):
            ours.append(train_ours(many, stage_of(epochs=epochs, precision=precision), device))
            theirs.append(train_theirs(many, epochs, device))
            apart.append(_apart(ours[-1], theirs[-1], tolerance))
    return Result(
        name=name,
        ratio=median_ratio([one.seconds for one in theirs], [one.seconds for one in ours]),
        bar=bar,
        at_least=True,
        detail={
            "our_images_per_second": [epochs * IMAGES / one.seconds for one in ours],
            "their_images_per_second": [epochs * IMAGES / one.seconds for one in theirs],
            "our_losses_of_the_first_steps": steps.losses,
            "their_losses_of_the_first_steps": their_steps.losses,
            "losses_apart": max(apart),
            "losses_may_be_apart": tolerance,
            "precision": precision,
            "repetitions": REPETITIONS,
            "device": device_name(device),
            "threads": threads(),
        },
    )


def _apart(one: Trained, other: Trained, tolerance: float) -> float:
    """Return the largest relative difference of two curves; refuse one above the tolerance."""
    pairs = list(zip(one.losses, other.losses, strict=True))
    apart = max(abs(ours - theirs) / theirs for ours, theirs in pairs)
    if not apart <= tolerance:
        raise AssertionError(f"the loops do not learn the same: losses {pairs}")
    return apart
