"""Images per second of the whole training loop, against the same step on one resident batch.

U-Net 32 to 512 at 256x256, batch 4, fp32. The reference is the bare arithmetic: one batch that
stays in memory, no order, no gathering, no bookkeeping; with the same threads, memory format and
allocator, and in a process of its own as the loop.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks._result import REPETITIONS, Result, median_ratio
from benchmarks._training import (
    BATCH,
    EPOCHS,
    IMAGES,
    device_name,
    stage_of,
    threads,
    train_ours,
    write_data,
)

BAR = 0.95
TIMES = 3
"""As many epochs as other benchmarks have, for a bar this close to 1."""


def measure(device: str = "cpu") -> Result:
    """Return the share of the bare step's speed that the loop reaches."""
    epochs = TIMES * EPOCHS[device]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        write_data(folder, images=IMAGES)
        train_ours(folder, stage_of(epochs=1), device)
        loop, bare = [], []
        for _ in range(REPETITIONS):
            seconds = train_ours(folder, stage_of(epochs=epochs), device).seconds
            loop.append(seconds / (epochs * IMAGES))
            bare.append(_bare_seconds_per_image(device, steps=epochs * IMAGES // BATCH))
    return Result(
        name="train_vs_resident_step",
        ratio=median_ratio(bare, loop),
        bar=BAR,
        at_least=True,
        detail={
            "loop_images_per_second": [1 / seconds for seconds in loop],
            "resident_images_per_second": [1 / seconds for seconds in bare],
            "repetitions": REPETITIONS,
            "device": device_name(device),
            "threads": threads(),
        },
    )


def _bare_seconds_per_image(device: str, *, steps: int) -> float:
    command = [sys.executable, "-m", "benchmarks._resident_step", device, str(steps)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
