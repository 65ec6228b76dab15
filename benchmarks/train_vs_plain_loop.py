"""Images per second of our training loop, against the loop that a tutorial teaches.

Both train U-Net 32 to 512 at 256x256, batch 4, fp32, from the same weights in the same order, to
the same losses. The other one reads png files with two workers of a DataLoader and leaves the
memory format as it is.
"""

from benchmarks._plain_loop import train_plainly
from benchmarks._result import Result
from benchmarks._training import compare

BAR = 1.35
TOLERANCE = 0.001
"""The order of sums differs with the memory format, and Adam's first steps go by signs."""


def measure(device: str = "cpu") -> Result:
    """Return how many times as fast our loop is."""
    return compare(
        "train_vs_plain_loop", train_plainly, device=device, bar=BAR, tolerance=TOLERANCE
    )
