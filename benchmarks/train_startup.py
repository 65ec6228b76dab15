"""Seconds from the command to the first step of the optimiser, less those of `import torch`.

As a share of the 2.5 seconds that are allowed. The command is `segrepro train` of U-Net 32 to 512
at 256x256, batch 4, fp32, in a process of its own; the clock stops when the optimiser is asked to
step, so the first forward and backward pass count.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks._result import REPETITIONS, Result
from benchmarks._training import BATCH, arguments, device_name, stage_of, threads, write_data

ALLOWED_S = 2.5

# Both programs print the machine's monotonic clock, which all processes share.
IMPORT = "import time, torch; print(time.monotonic())"
TRAIN = """
import os, sys, time
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook

moments = []

def note_first_forward(*_):
    if not moments:
        moments.append(time.monotonic())

def stop_at_first_step(*_):
    print(moments[0], time.monotonic(), flush=True)
    os._exit(0)

register_module_forward_pre_hook(note_first_forward)
register_optimizer_step_pre_hook(stop_at_first_step)

from segrepro.cli import main
main()
"""


def measure(device: str = "cpu") -> Result:
    """Return the share of the allowed seconds that the start takes."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        write_data(folder, images=BATCH)
        # The first of each fills the page cache.
        runs = [
            (_moments(IMPORT), _moments(TRAIN, *arguments(folder, stage_of(epochs=1), device)))
            for _ in range(1 + REPETITIONS)
        ]
    imports = [one[0] for one, _ in runs[1:]]
    forwards, steps = zip(*(many for _, many in runs[1:]), strict=True)
    more = [step - plain for step, plain in zip(steps, imports, strict=True)]
    return Result(
        name="train_startup",
        ratio=median(more) / ALLOWED_S,
        bar=1.0,
        at_least=False,
        detail={
            "seconds_to_the_first_step": steps,
            "seconds_to_the_first_forward_pass": forwards,
            "seconds_of_import_torch": imports,
            "seconds_more": more,
            "seconds_allowed": ALLOWED_S,
            "repetitions": REPETITIONS,
            "device": device_name(device),
            "threads": threads(),
        },
    )


def _moments(program: str, *arguments: str) -> list[float]:
    """Return the seconds from the start of a program to each moment that it prints."""
    began = time.monotonic()
    command = [sys.executable, "-c", program, *arguments]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return [float(word) - began for word in run.stdout.split()]
