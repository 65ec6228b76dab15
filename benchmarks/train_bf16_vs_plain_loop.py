"""Images per second of our training loop in bf16, against the loop that a tutorial teaches.

As `train_vs_plain_loop`, but for the precision of ours: the other one computes in fp32.
"""

from benchmarks._plain_loop import train_plainly
from benchmarks._result import Result
from benchmarks._training import compare

BAR = 2.7
TOLERANCE = 0.01
"""bf16 has 8 bits of mantissa."""


def measure(device: str = "cpu") -> Result:
    """Return how many times as fast our loop is."""
    return compare(
        "train_bf16_vs_plain_loop",
        train_plainly,
        device=device,
        bar=BAR,
        tolerance=TOLERANCE,
        precision="bf16",
    )
