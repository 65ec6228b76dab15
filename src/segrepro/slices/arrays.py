"""Resize planes and label maps; pure functions of arrays.

Areas are exact: side i of a source pixel spans ``[i * n, (i + 1) * n)`` and side j of a target
pixel ``[j * m, (j + 1) * m)`` when m pixels become n, so that all overlaps are whole numbers.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ImageResize = Literal["area", "linear", "cubic", "nearest"]
MaskResize = Literal["area_majority", "nearest"]

_FILTERS = {
    "linear": Image.Resampling.BILINEAR,
    "cubic": Image.Resampling.BICUBIC,
    "nearest": Image.Resampling.NEAREST,
}


def resize_image(plane: NDArray[Any], size: tuple[int, int], how: ImageResize) -> NDArray[Any]:
    """Return a plane of the wanted size in the type it came in.

    Parameters
    ----------
    plane
        Shape (H, W), an integer or floating type.
    size
        Rows and columns to return, in pixels.
    how
        ``area``: the mean over the area that a new pixel covers, exactly. ``linear``, ``cubic``:
        Pillow's filters, which widen when they shrink an image (no aliasing). ``nearest``: the
        pixel under the new centre.

    Returns
    -------
    NDArray
        Integers are rounded half up and kept within their range.
    """
    if plane.shape == size:
        return plane.copy()
    if how == "nearest":
        return _nearest(plane, size)
    if how == "area":
        sums, area = _area_sums(plane, size)
        return _as_type(sums / area, plane.dtype)
    image = Image.fromarray(np.asarray(plane, dtype=np.float32))
    resized = image.resize((size[1], size[0]), _FILTERS[how])
    return _as_type(np.asarray(resized), plane.dtype)


def resize_mask(
    labels: NDArray[np.uint8], size: tuple[int, int], how: MaskResize
) -> NDArray[np.uint8]:
    """Return a label map of the wanted size; no label is ever blended into another.

    Parameters
    ----------
    labels
        Shape (H, W); 0 is background.
    size
        Rows and columns to return, in pixels.
    how
        ``area_majority``: the class that covers at least half of a new pixel's area, the smaller
        label if two cover half each, background if none does. ``nearest``: the label under the
        new centre.
    """
    if labels.shape == size:
        return labels.copy()
    if how == "nearest":
        return _nearest(labels, size)
    resized = np.zeros(size, dtype=np.uint8)
    for label in reversed(np.unique(labels[labels > 0])):
        covered, area = _area_sums(labels == label, size)
        resized[2 * covered >= area] = label
    return resized


def _nearest(plane: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    rows, columns = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, plane.shape, strict=True)
    )
    return plane[np.ix_(rows, columns)]


def _area_sums(plane: NDArray[Any], size: tuple[int, int]) -> tuple[NDArray[np.float64], int]:
    """Return sums over the area of each new pixel, and that area, in the same small units."""
    rows, columns = (_overlaps(old, new) for new, old in zip(size, plane.shape, strict=True))
    # Whole numbers far below 2**53: float64 sums them without rounding, in any order.
    sums = rows @ plane.astype(np.float64) @ columns.T
    return sums, plane.shape[0] * plane.shape[1]


def _overlaps(old: int, new: int) -> NDArray[np.float64]:
    """Return how much of each old pixel lies in each new one, shape (new, old)."""
    old_edges, new_edges = np.arange(old + 1) * new, np.arange(new + 1) * old
    left = np.maximum(new_edges[:-1, np.newaxis], old_edges[np.newaxis, :-1])
    right = np.minimum(new_edges[1:, np.newaxis], old_edges[np.newaxis, 1:])
    lengths: NDArray[np.float64] = np.maximum(right - left, 0).astype(np.float64)
    return lengths


def _as_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    # Not np.rint: it rounds 0.5 down and 1.5 up.
    return np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(dtype)
