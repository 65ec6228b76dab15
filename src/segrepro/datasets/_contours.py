"""Outlines drawn on a picture, as masks.

A point is (x, y) in pixels: x runs along a row, and (0, 0) is the centre of the first pixel.
"""

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def filled(points: Points, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the inside of a closed outline.

    Parameters
    ----------
    points
        Shape (N, 2), N at least 1, finite; the last is joined to the first. Where the outline
        crosses itself, the even-odd rule holds.
    shape
        Rows and columns of the picture; what lies outside it is cut off.

    Returns
    -------
    NDArray
        Shape (H, W). A pixel is inside if its centre is; of centres on the outline, those on its
        upper and left sides are. An outline too small for any centre marks the pixels that its
        points lie in, as do outlines of one and of two points.
    """
    inside = np.zeros(shape, dtype=np.bool_)
    if len(points) > 2:
        inside = _even_odd(points, shape)
    if not inside.any():
        columns, rows = np.floor(points + 0.5).astype(np.int64).T
        height, width = shape
        seen = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        inside[rows[seen], columns[seen]] = True
    return inside


def area(points: Points) -> float:
    """Return the area within a closed outline, in pixels (the shoelace formula)."""
    x, y = points.T
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def _even_odd(points: Points, shape: tuple[int, int]) -> NDArray[np.bool_]:
    height, width = shape
    (x0, y0), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    # Rows whose centres lie on an edge: from the upper end (included) to the lower one.
    first = np.clip(np.ceil(np.minimum(y0, y1)), 0, height).astype(np.int64)
    last = np.clip(np.ceil(np.maximum(y0, y1)), 0, height).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(points)), counts)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    rows = np.arange(len(edge)) - starts + first[edge]
    slope = (x1 - x0)[edge] / (y1 - y0)[edge]  # level edges meet no row
    crossing = x0[edge] + (rows - y0[edge]) * slope
    columns = np.clip(np.ceil(crossing), 0, width).astype(np.int64)
    # Each crossing turns inside into outside for all pixels to its right.
    turns = np.zeros((height, width + 1), dtype=np.int64)
    np.add.at(turns, (rows, columns), 1)
    inside: NDArray[np.bool_] = np.cumsum(turns, axis=1)[:, :width] % 2 == 1
    return inside
