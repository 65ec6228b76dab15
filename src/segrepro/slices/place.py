"""Where a slice came from, and the way back to the grid that the publisher ships."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segrepro.slices.arrays import resize_mask
from segrepro.slices.choose import Box, paste
from segrepro.slices.planes import Plane, file_index, from_plane


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a slice, a picture or a whole volume lies in its case; columns of the slice table."""

    index: int
    """Of the slice along its axis in the file, from 0; 0 for pictures and whole volumes."""
    plane: str
    """``axial``, ``coronal`` or ``sagittal``; empty for a picture."""
    orientation: str
    """Where the axes of the file point to, such as ``LPS``; empty for a picture."""
    native_slices: int
    """Slices of the case in this plane; 1 for a picture."""
    native_rows: int
    native_columns: int
    crop_row: int
    """First row of the part that was cut out, in pixels of the native slice as it is shown."""
    crop_column: int
    crop_rows: int
    crop_columns: int
    pad: int
    """Pixels of 0 on each side of the stored slice."""

    @property
    def box(self) -> Box:
        """The part that was cut out."""
        return Box(self.crop_row, self.crop_column, self.crop_rows, self.crop_columns)

    def record(self) -> dict[str, int | str]:
        """Return the columns of the slice table."""
        return asdict(self)


def places(table: pd.DataFrame) -> list[Place]:
    """Return where each row of a slice table came from."""
    names = [field.name for field in fields(Place)]
    rows = table[names].to_dict(orient="records")
    return [Place(**cast("dict[str, Any]", row)) for row in rows]


def to_native_slice(labels: NDArray[np.uint8], place: Place) -> NDArray[np.uint8]:
    """Return a prediction on the pixels of the native slice as it is shown; 0 outside the crop.

    Parameters
    ----------
    labels
        Shape (h, w): labels, or 0 and 1, at the size of the slice store.
    place
        Of the slice.
    """
    pad = place.pad
    inner = labels[pad : labels.shape[0] - pad, pad : labels.shape[1] - pad]
    part = resize_mask(inner, (place.crop_rows, place.crop_columns), "nearest")
    shape = (place.native_rows, place.native_columns)
    return cast("NDArray[np.uint8]", paste(part, place.box, shape))


def to_native_case(predicted: Iterable[tuple[NDArray[np.uint8], Place]]) -> NDArray[np.uint8]:
    """Return the predictions of one case on its native grid: an array like its mask.

    Slices that were not kept hold 0.

    Parameters
    ----------
    predicted
        Labels, shape (h, w) or (d, h, w), with their places; all of one case, at least one.
    """
    pairs = list(predicted)
    first = pairs[0][1]
    shape = (first.native_slices, first.native_rows, first.native_columns)
    if pairs[0][0].ndim == 3:
        shown = resize_mask(pairs[0][0], shape, "nearest")
        return from_plane(shown, first.orientation, cast("Plane", first.plane))
    if not first.plane:
        return to_native_slice(*pairs[0])
    plane = cast("Plane", first.plane)
    shown = np.zeros(shape, dtype=np.uint8)
    for labels, place in pairs:
        # The way from file to screen and back is the same one.
        position = file_index(place.index, place.native_slices, place.orientation, plane)
        shown[position] = to_native_slice(labels, place)
    return from_plane(shown, first.orientation, plane)
