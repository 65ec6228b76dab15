"""Look at a volume as radiologists do, and find the way back; pure functions of arrays.

Orientations are those of nibabel: ``LPS`` means that the axes point to the patient's left, back
(posterior) and head (superior).
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Plane = Literal["axial", "coronal", "sagittal"]

SHOWN: dict[Plane, str] = {"axial": "SPL", "coronal": "PIL", "sagittal": "LIP"}
"""Where slices, rows and columns run to: axial slices upwards, the front on top, right on left."""

_OPPOSITE = dict(zip("LRPASI", "RLAPIS", strict=True))


def to_plane(volume: NDArray[Any], orientation: str, plane: Plane) -> NDArray[Any]:
    """Return a view of a volume as slices, rows and columns of a plane.

    Parameters
    ----------
    volume
        Shape (I, J, K).
    orientation
        Where its axes point to, such as ``"LPS"``.
    plane
        The plane to show.
    """
    axes, flipped = _turn(orientation, plane)
    return np.flip(volume.transpose(axes), flipped)


def from_plane(slices: NDArray[Any], orientation: str, plane: Plane) -> NDArray[Any]:
    """Return the view of a volume that `to_plane` showed as `slices`."""
    axes, flipped = _turn(orientation, plane)
    return np.flip(slices, flipped).transpose(np.argsort(axes))


def file_index(position: int, slices: int, orientation: str, plane: Plane) -> int:
    """Return the index, along its axis in the file, of a slice shown at a position of `slices`."""
    _, flipped = _turn(orientation, plane)
    return slices - 1 - position if 0 in flipped else position


def shown_spacing(
    spacing_mm: tuple[float, ...], orientation: str, plane: Plane
) -> tuple[float, float, float]:
    """Return the steps between slices, rows and columns of a plane, in mm."""
    axes, _ = _turn(orientation, plane)
    first, second, third = (spacing_mm[axis] for axis in axes)
    return first, second, third


def _turn(orientation: str, plane: Plane) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the order of the axes of a volume, and which of the turned ones run backwards."""
    axes, flipped = [], []
    for place, wanted in enumerate(SHOWN[plane]):
        if wanted in orientation:
            axes.append(orientation.index(wanted))
        else:
            axes.append(orientation.index(_OPPOSITE[wanted]))
            flipped.append(place)
    return tuple(axes), tuple(flipped)
