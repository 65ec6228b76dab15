"""What the best epoch is chosen by: overlap from pixel counts, on the device.

Not `segrepro.metrics`, though a test holds that both agree: the masks need not leave the device,
and an edited metric scores again what was trained but retrains nothing (docs/decisions/0006).
"""

from collections.abc import Callable

from torch import Tensor

Monitor = Callable[[Tensor, Tensor, float], Tensor]


def jaccard(found: Tensor, wanted: Tensor, when_both_empty: float) -> Tensor:
    """Return intersection over union of each image and class.

    Parameters
    ----------
    found, wanted
        Boolean, shape (N, K, H, W) or (N, K, D, H, W).
    when_both_empty
        The value where neither mask holds a pixel.

    Returns
    -------
    Tensor
        Shape (N, K), float64.
    """
    return _share(_count(found & wanted), _count(found | wanted), when_both_empty)


def dice(found: Tensor, wanted: Tensor, when_both_empty: float) -> Tensor:
    """Return twice the intersection over the summed sizes; for the rest see `jaccard`."""
    both = _count(found) + _count(wanted)
    return _share(2 * _count(found & wanted), both, when_both_empty)


MONITORS: dict[str, Monitor] = {"jaccard": jaccard, "dice": dice}


def _count(mask: Tensor) -> Tensor:
    return mask.flatten(2).sum(dim=2)


def _share(part_nk: Tensor, whole_nk: Tensor, when_both_empty: float) -> Tensor:
    share = part_nk.double() / whole_nk.clamp(min=1).double()
    return share.where(whole_nk > 0, when_both_empty)
