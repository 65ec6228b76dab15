"""The quality by which a best epoch is chosen, from counts of pixels.

Not from `segrepro.metrics`, whose values these are: training would depend on every metric, and an
edited one would retrain every network (`docs/decisions/0006-reruns.md`).
"""

from collections.abc import Callable

from torch import Tensor

from segrepro import registry

Monitor = Callable[[int, int, int, float], float]
"""Of the pixels in both masks, in the first, in the second; and the value if both are empty."""


def jaccard(both: int, first: int, second: int, when_both_empty: float) -> float:
    """Return the size of the intersection over that of the union."""
    union = first + second - both
    return both / union if union else when_both_empty


def dice(both: int, first: int, second: int, when_both_empty: float) -> float:
    """Return twice the intersection over the summed sizes."""
    total = first + second
    return 2 * both / total if total else when_both_empty


MONITORS: dict[str, Monitor] = {"jaccard": jaccard, "dice": dice}


def monitor_named(name: str) -> Monitor:
    """Return a monitor by name, or say which there are."""
    registry.check_known(name, sorted(MONITORS), kind="monitor")
    return MONITORS[name]


def qualities(
    found_nkhw: Tensor, wanted_nkhw: Tensor, *, monitor: Monitor, when_both_empty: float
) -> list[float]:
    """Return the quality of each image and class.

    Parameters
    ----------
    found_nkhw, wanted_nkhw
        Boolean masks, on any device: only counts leave it.
    monitor
        One of `MONITORS`.
    when_both_empty
        The quality where neither mask holds a pixel.
    """
    both, found, wanted = (
        mask.flatten(2).sum(dim=2).flatten().tolist()
        for mask in (found_nkhw & wanted_nkhw, found_nkhw, wanted_nkhw)
    )
    counts = zip(both, found, wanted, strict=True)
    return [monitor(b, f, w, when_both_empty) for b, f, w in counts]
