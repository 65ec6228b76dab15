"""How much faster a training step is if the process keeps the memory that tensors free.

U-Net 32 to 512 at 256x256, batch 4, fp32, on all cores; each form in processes of its own, by
turns. What it costs is in the detail: the most memory that a process held. The bar is what we hold
ourselves to, so that a new version of the C library or of PyTorch that undoes it is seen.
"""

import subprocess
import sys
from statistics import median

from benchmarks._result import REPETITIONS, Result, median_ratio
from benchmarks._training import threads

BAR = 1.15
STEPS = 6
PROGRAM = f"""
import sys
from benchmarks._resident_step import seconds_per_image
from benchmarks._training import threads
from segrepro.training._allocator import keep_freed_memory
from segrepro.training._machine import peak_host_bytes, reproducible

if sys.argv[1] == "kept":
    assert keep_freed_memory()
with reproducible(threads=threads()):
    print(seconds_per_image("cpu", steps={STEPS}), peak_host_bytes())
"""


def measure() -> Result:
    """Return the time of a step with the system's defaults, in steps as our command takes them."""
    default, kept = [], []
    for _ in range(REPETITIONS):
        default.append(_run("default"))
        kept.append(_run("kept"))
    return Result(
        name="kept_memory",
        ratio=median_ratio([each[0] for each in default], [each[0] for each in kept]),
        bar=BAR,
        at_least=True,
        detail={
            "default_images_per_second": [1 / each[0] for each in default],
            "kept_images_per_second": [1 / each[0] for each in kept],
            "default_peak_bytes": median(each[1] for each in default),
            "kept_peak_bytes": median(each[1] for each in kept),
            "repetitions": REPETITIONS,
            "device": "cpu",
            "threads": threads(),
        },
    )


def _run(form: str) -> tuple[float, float]:
    command = [sys.executable, "-c", PROGRAM, form]
    seconds, peak = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()
    return float(seconds), float(peak)
