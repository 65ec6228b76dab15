"""Which slices of a case are kept, and which part of each; pure functions of arrays."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segrepro.protocol.slicing import Crop, LesionCrop, Slicing


@dataclass(frozen=True)
class Box:
    """A part of a slice, in pixels of the slice as it is shown; it may reach beyond its edges."""

    row: int
    column: int
    rows: int
    columns: int


def kept_slices(labelled: NDArray[np.int64], slicing: Slicing, *, case_id: str) -> list[int]:
    """Return the positions of the slices to keep, ascending.

    Parameters
    ----------
    labelled
        Labelled pixels of each slice of a case, shape (D,).
    slicing
        Its words ``keep``, ``every``, ``per_case``, ``pick`` and ``seed``.
    case_id
        Random picks depend on the seed and on this, not on the other cases.
    """
    places = np.flatnonzero(labelled) if slicing.keep == "with_label" else np.arange(len(labelled))
    places = places[:: slicing.every]
    if slicing.per_case is not None and len(places) > slicing.per_case:
        if slicing.pick == "largest":
            # Stable: of equally large ones the lower.
            order = np.argsort(-labelled[places], kind="stable")
        else:
            # crc32: Python's hash() differs from run to run.
            seed = [slicing.seed, zlib.crc32(case_id.encode())]
            order = np.random.default_rng(seed).permutation(len(places))
        places = np.sort(places[order[: slicing.per_case]])
    return [int(place) for place in places]


def crop_box(mask: NDArray[np.uint8], crop: Crop | None) -> Box:
    """Return the part of a slice to keep.

    Parameters
    ----------
    mask
        Shape (H, W); for a lesion crop it holds a labelled pixel.
    crop
        The protocol's word; ``None`` keeps all.
    """
    if crop is None:
        return Box(0, 0, *mask.shape)
    if not isinstance(crop, LesionCrop):
        first, last = crop.rows, crop.columns
        return Box(first[0], last[0], first[1] - first[0], last[1] - last[0])
    rows_with, columns_with = np.nonzero(mask)
    top, bottom = int(rows_with.min()), int(rows_with.max()) + 1
    left, right = int(columns_with.min()), int(columns_with.max()) + 1
    if crop.size is None:
        margin = crop.margin
        return Box(
            top - margin, left - margin, bottom - top + 2 * margin, right - left + 2 * margin
        )
    rows, columns = crop.size
    return Box((top + bottom - rows) // 2, (left + right - columns) // 2, rows, columns)


def cut(plane: NDArray[np.generic], box: Box) -> NDArray[np.generic]:
    """Return a part of a plane, with 0 where it reaches beyond the edges."""
    part = np.zeros((box.rows, box.columns), dtype=plane.dtype)
    target, source = _overlap(plane.shape, box)
    part[target] = plane[source]
    return part


def paste(part: NDArray[np.generic], box: Box, shape: tuple[int, int]) -> NDArray[np.generic]:
    """Return a plane of 0 that holds `part` where `cut` took it from."""
    plane = np.zeros(shape, dtype=part.dtype)
    target, source = _overlap(shape, box)
    plane[source] = part[target]
    return plane


def _overlap(shape: tuple[int, ...], box: Box) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where a box and a plane meet: within the box, and within the plane."""
    rows = _meet(box.row, box.rows, shape[0])
    columns = _meet(box.column, box.columns, shape[1])
    return (rows[0], columns[0]), (rows[1], columns[1])


def _meet(start: int, length: int, side: int) -> tuple[slice, slice]:
    low, high = max(start, 0), max(min(start + length, side), start, 0)
    return slice(low - start, high - start), slice(low, high)
