"""Overlap of two masks, pixel by pixel; no file, no epsilon.

A ratio without a denominator has no value of its own. The convention here, for every metric but
`accuracy`: neither mask holds a pixel, `when_both_empty`; one does and the other does not, 0,
since the prediction then misses all of the object or invents all of it.
"""

import numpy as np

from segrepro.metrics._types import Mask, Metric


def jaccard(prediction: Mask, reference: Mask, *, when_both_empty: float) -> float:
    """Return the size of the intersection over that of the union (MultiResUNet, equation 4).

    Parameters
    ----------
    prediction, reference
        Boolean, of one shape, with any number of axes.
    when_both_empty
        The value if neither mask holds a pixel.

    Returns
    -------
    float
        1 is perfect; 0 if the masks share no pixel.

    Raises
    ------
    ValueError
        If a mask is not boolean, the shapes differ, or there are no pixels at all.
    """
    _check(prediction, reference)
    union = _size(prediction | reference)
    return _size(prediction & reference) / union if union else when_both_empty


def dice(prediction: Mask, reference: Mask, *, when_both_empty: float) -> float:
    """Return twice the intersection over the summed sizes; for the rest see `jaccard`."""
    _check(prediction, reference)
    total = _size(prediction) + _size(reference)
    return 2 * _size(prediction & reference) / total if total else when_both_empty


def precision(prediction: Mask, reference: Mask, *, when_both_empty: float) -> float:
    """Return the share of the prediction that is right; for the rest see `jaccard`.

    An empty prediction of a reference that is not empty has precision 0.
    """
    _check(prediction, reference)
    return _share(prediction & reference, prediction, reference, when_both_empty)


def recall(prediction: Mask, reference: Mask, *, when_both_empty: float) -> float:
    """Return the share of the reference that was found; for the rest see `jaccard`.

    Also known as sensitivity. A prediction that is not empty, of an empty reference, has recall 0.
    """
    _check(prediction, reference)
    return _share(prediction & reference, reference, prediction, when_both_empty)


def specificity(prediction: Mask, reference: Mask, *, when_both_empty: float) -> float:
    """Return the share of the background that was left alone: the recall of the background.

    So `when_both_empty` is for two masks that cover everything, as neither has background.
    """
    _check(prediction, reference)
    return recall(~prediction, ~reference, when_both_empty=when_both_empty)


def accuracy(
    prediction: Mask,
    reference: Mask,
    *,
    when_both_empty: float,  # noqa: ARG001 - of the interface; accuracy is always defined
) -> float:
    """Return the share of all pixels, background too, on which the masks agree."""
    _check(prediction, reference)
    return _size(prediction == reference) / reference.size


METRICS: dict[str, Metric] = {
    "jaccard": jaccard,
    "dice": dice,
    "precision": precision,
    "recall": recall,
    "specificity": specificity,
    "accuracy": accuracy,
}


def _share(common: Mask, whole: Mask, other: Mask, when_both_empty: float) -> float:
    if size := _size(whole):
        return _size(common) / size
    return 0.0 if other.any() else when_both_empty


def _size(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _check(prediction: Mask, reference: Mask) -> None:
    for name, mask in (("prediction", prediction), ("reference", reference)):
        # A mask of 0 and 255 would count each pixel 255 times in some libraries.
        if mask.dtype != np.bool_:
            raise ValueError(f"the {name} is {mask.dtype}, not bool")
    if prediction.shape != reference.shape:
        raise ValueError(f"shapes differ: {prediction.shape} and {reference.shape}")
    if reference.size == 0:
        raise ValueError("the masks have no pixels")
