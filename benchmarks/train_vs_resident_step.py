"""Images per second of the whole training loop, against the same step on one resident batch.

U-Net 32 to 512 at 256x256, batch 4, fp32. The reference is the bare arithmetic: one batch that
stays in memory, no order, no gathering, no bookkeeping.
"""

import os
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch

from benchmarks._result import REPETITIONS, Result, median_ratio
from segrepro import losses, models
from segrepro.protocol.data import Normalisation
from segrepro.protocol.recipe import LossProtocol, Recipe
from segrepro.protocol.stages import Network, TrainStage
from segrepro.training.train import train

BAR = 0.95
SIDE, BATCH, IMAGES = 256, 4, 16


def measure() -> Result:
    """Return the share of the bare step's speed that the loop reaches."""
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_slices(folder)
        _loop_seconds_per_image(folder, epochs=1, threads=threads)
        loop, bare = [], []
        for _ in range(REPETITIONS):
            loop.append(_loop_seconds_per_image(folder, epochs=3, threads=threads))
            bare.append(_bare_seconds_per_image())
    return Result(
        name="train_vs_resident_step",
        ratio=median_ratio(bare, loop),
        bar=BAR,
        at_least=True,
        detail={
            "loop_images_per_second": [1 / seconds for seconds in loop],
            "resident_images_per_second": [1 / seconds for seconds in bare],
            "repetitions": REPETITIONS,
            "device": "cpu",
            "threads": threads,
        },
    )


def _write_slices(folder: Path) -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (IMAGES, 1, SIDE, SIDE), dtype=np.uint8)
    masks = generator.integers(0, 2, (IMAGES, SIDE, SIDE), dtype=np.uint8)
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", masks)
    names = [f"s{index}" for index in range(IMAGES)]
    columns = {"slice_id": names, "case_id": names, "group_id": names, "pixels_object": 1}
    pd.DataFrame(columns).to_parquet(folder / "slices.parquet")
    rows = [f"fold0,{name},{name},train" for name in names]
    (folder / "split.csv").write_text("\n".join(["run,case_id,group_id,part", *rows]) + "\n")


def _loop_seconds_per_image(folder: Path, *, epochs: int, threads: int) -> float:
    """Return the whole loop's time, without the start of the program: from its own stamp."""
    stage = TrainStage(
        run="fold0",
        network=Network(name="unet"),
        classes=("object",),
        normalisation=Normalisation(),
        recipe=Recipe(
            epochs=epochs,
            batch_size=BATCH,
            loss=LossProtocol(name="binary_cross_entropy"),
            checkpoint="last",
        ),
        when_both_empty=1.0,
    )
    out = folder / "run"
    train(
        stage,
        slices=folder,
        split=folder / "split.csv",
        out=out,
        state=out / "state",
        device="cpu",
        threads=threads,
    )
    facts = pd.read_json(out / "train.json", typ="series")
    return float(facts["seconds_total"]) / (epochs * IMAGES)


def _bare_seconds_per_image() -> float:
    network = models.build("unet", channels=1, classes=1)
    network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    loss = losses.build("binary_cross_entropy", {})
    inputs = torch.rand(BATCH, 1, SIDE, SIDE).to(memory_format=torch.channels_last)
    wanted = (torch.rand(BATCH, 1, SIDE, SIDE) > 0.5).float()

    def step() -> None:
        optimiser.zero_grad()
        loss(network(inputs), wanted).backward()
        optimiser.step()

    step()
    steps = 3 * IMAGES // BATCH
    began = perf_counter()
    for _ in range(steps):
        step()
    return (perf_counter() - began) / (steps * BATCH)
