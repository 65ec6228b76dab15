"""Resize planes, volumes and label maps; pure functions of arrays.

Areas are exact: side i of a source pixel spans ``[i * n, (i + 1) * n)`` and side j of a target
pixel ``[j * m, (j + 1) * m)`` when m pixels become n, so that all overlaps are whole numbers.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name that all its documentation uses
from numpy.typing import NDArray
from PIL import Image

ImageResize = Literal["area", "linear", "cubic", "nearest"]
MaskResize = Literal["area", "nearest"]

_FILTERS = {"linear": Image.Resampling.BILINEAR, "cubic": Image.Resampling.BICUBIC}


def resize_image(plane: NDArray[Any], size: Sequence[int], how: ImageResize) -> NDArray[Any]:
    """Return a plane or a volume of the wanted size in the type it came in.

    Parameters
    ----------
    plane
        Shape (H, W) or (D, H, W), an integer or floating type.
    size
        Rows and columns to return, in pixels; or slices, rows and columns.
    how
        ``area``: the mean over the area (or the space) that a new pixel covers, exactly.
        ``linear``, ``cubic``: of planes Pillow's filters, which widen when they shrink an image
        (no aliasing); of volumes ITK's linear and cubic B-spline interpolation, which do not.
        ``nearest``: the pixel under the new centre.

    Returns
    -------
    NDArray
        Integers are rounded half up and kept within their range.
    """
    if plane.shape == tuple(size):
        return plane.copy()
    if how == "nearest":
        return _nearest(plane, size)
    if how == "area":
        sums, area = _area_sums(plane, size)
        return as_type(sums / area, plane.dtype)
    if plane.ndim == 3:
        return as_type(_resampled(plane, size, how), plane.dtype)
    image = Image.fromarray(np.asarray(plane, dtype=np.float32))
    resized = image.resize((size[1], size[0]), _FILTERS[how])
    return as_type(np.asarray(resized), plane.dtype)


def resize_mask(
    labels: NDArray[np.uint8], size: Sequence[int], how: MaskResize, *, threshold: float = 0.5
) -> NDArray[np.uint8]:
    """Return a label map of the wanted size; no label is ever blended into another.

    Parameters
    ----------
    labels
        Shape (H, W) or (D, H, W); 0 is background.
    size
        Rows and columns to return, in pixels; or slices, rows and columns.
    how
        ``area``: the class that covers most of a new pixel's area, if that is at least
        `threshold`; the smaller label if two cover as much; background otherwise. ``nearest``:
        the label under the new centre.
    threshold
        Share of the area, above 0 to 1.
    """
    if labels.shape == tuple(size):
        return labels.copy()
    if how == "nearest":
        return _nearest(labels, size)
    resized = np.zeros(size, dtype=np.uint8)
    most = np.zeros(size)
    for label in np.unique(labels[labels > 0]):
        covered, area = _area_sums(labels == label, size)
        wins = (covered >= threshold * area) & (covered > most)
        resized[wins] = label
        most[wins] = covered[wins]
    return resized


def as_type(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return numbers in another type; for integers rounded half up, kept within their range."""
    if values.dtype == dtype or not np.issubdtype(dtype, np.integer):
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    # Not np.rint: it rounds 0.5 down and 1.5 up.
    return np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(dtype)


def _nearest(plane: NDArray[Any], size: Sequence[int]) -> NDArray[Any]:
    places = (
        (2 * np.arange(new) + 1) * old // (2 * new)
        for new, old in zip(size, plane.shape, strict=True)
    )
    return plane[np.ix_(*places)]


def _area_sums(plane: NDArray[Any], size: Sequence[int]) -> tuple[NDArray[np.float64], int]:
    """Return sums over the area of each new pixel, and that area, in the same small units."""
    # Whole numbers far below 2**53: float64 sums them without rounding, in any order.
    sums = plane.astype(np.float64)
    for new, old in zip(size, plane.shape, strict=True):
        # The first axis becomes the last; once each had its turn, the order is as before.
        sums = np.tensordot(sums, _overlaps(old, new), axes=(0, 1))
    return sums, math.prod(plane.shape)


def _overlaps(old: int, new: int) -> NDArray[np.float64]:
    """Return how much of each old pixel lies in each new one, shape (new, old)."""
    old_edges, new_edges = np.arange(old + 1) * new, np.arange(new + 1) * old
    left = np.maximum(new_edges[:-1, np.newaxis], old_edges[np.newaxis, :-1])
    right = np.minimum(new_edges[1:, np.newaxis], old_edges[np.newaxis, 1:])
    lengths: NDArray[np.float64] = np.maximum(right - left, 0).astype(np.float64)
    return lengths


def _resampled(volume: NDArray[Any], size: Sequence[int], how: ImageResize) -> NDArray[np.float64]:
    image = sitk.GetImageFromArray(volume.astype(np.float64))
    steps = [old / new for new, old in zip(size, volume.shape, strict=True)]
    filter_ = sitk.ResampleImageFilter()
    # ITK names axes the other way round, and its origin is the centre of the first voxel.
    filter_.SetSize([int(side) for side in reversed(size)])
    filter_.SetOutputSpacing(steps[::-1])
    filter_.SetOutputOrigin([(step - 1) / 2 for step in reversed(steps)])
    filter_.SetInterpolator(sitk.sitkLinear if how == "linear" else sitk.sitkBSpline)
    # The outermost new centres may lie beyond the outermost old ones, when a volume grows.
    filter_.SetUseNearestNeighborExtrapolator(True)
    resampled: NDArray[np.float64] = sitk.GetArrayFromImage(filter_.Execute(image))
    return resampled
