"""Turn the numbers of volumes into the types that a case has, and hold their grids together.

Shapes: (I, J, K) axes in file order, C channels. Work goes plane by plane along K, along which a
NIfTI volume lies whole in memory, so that nothing but the result is as large as the volume.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._nifti import CURE, Volume
from segrepro.errors import UserError

TOLERANCE_MM = 1e-3
_NO_LABEL = 255


def check_one_grid(volumes: Mapping[Path, Volume]) -> None:
    """Refuse volumes of a case that do not share shape and affine.

    Raises
    ------
    UserError
        It names the first file and the one that differs from it.
    """
    (first_path, first), *others = volumes.items()
    for path, volume in others:
        if volume.values.shape != first.values.shape:
            raise UserError(
                f"{path} has shape {volume.values.shape}, but {first_path} has "
                f"{first.values.shape}.",
                CURE,
            )
        if not np.allclose(volume.affine, first.affine, rtol=0, atol=TOLERANCE_MM):
            raise UserError(
                f"{path} and {first_path} lie in different places: their affines differ by "
                f"up to {np.abs(volume.affine - first.affine).max():.3g} mm.",
                CURE,
            )


def stacked(volumes: Mapping[Path, Volume]) -> NDArray[Any]:
    """Return the volumes as channels, shape (C, I, J, K), in the narrowest type that holds all."""
    channels = [compact(volume.values, path) for path, volume in volumes.items()]
    if len(channels) == 1:
        return channels[0][np.newaxis]
    dtype = np.result_type(*channels)
    # 32-bit whole numbers beside floats would make it float64, which no case has.
    dtype = np.dtype(np.float32) if dtype == np.float64 else dtype
    rows, columns, planes = channels[0].shape
    # Each channel keeps the memory order of its file: copies and writing are then one long run.
    stack = np.empty((len(channels), planes, columns, rows), dtype).transpose(0, 3, 2, 1)
    for target, channel in zip(stack, channels, strict=True):
        target[...] = channel
    return stack


def compact(values: NDArray[Any], path: Path) -> NDArray[Any]:
    """Return a volume in a type of at most 32 bits.

    Parameters
    ----------
    values
        Shape (I, J, K). Types of up to 32 bits stay; wider ones become int16 if that loses
        nothing, else float32.
    path
        For the message.

    Raises
    ------
    UserError
        If a value is not a finite number.
    """
    if values.dtype.itemsize > 4:
        whole = _as_int16(values)
        values = values.astype(np.float32) if whole is None else whole
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UserError(f"{path} holds values that are no finite numbers.", CURE)
    return values


def _as_int16(values: NDArray[Any]) -> NDArray[np.int16] | None:
    narrow = np.empty(values.shape, np.int16, order="F")
    for plane in range(values.shape[-1]):
        with np.errstate(invalid="ignore"):  # what does not fit differs below
            narrow[..., plane] = values[..., plane]
        if not np.array_equal(narrow[..., plane], values[..., plane]):
            return None
    return narrow


def labels_of(values: NDArray[Any], labels: Mapping[int, int], path: Path) -> NDArray[np.uint8]:
    """Return the mask of a label volume.

    Parameters
    ----------
    values
        Shape (I, J, K), whole numbers in any type; a float may be off by 0.01.
    labels
        Label of the card for each stored value that may occur, 0 for 0 included.
    path
        For the message.

    Raises
    ------
    UserError
        If another value occurs; it lists the first few.
    """
    table = np.full(256, _NO_LABEL, np.uint8)
    for stored, label in labels.items():
        table[stored] = label
    mask = np.empty(values.shape, np.uint8, order="F")
    for plane in range(values.shape[-1]):
        found = values[..., plane]
        mask[..., plane] = table[_codes(found)]
        if (wrong := mask[..., plane] == _NO_LABEL).any():
            shown = ", ".join(f"{value:g}" for value in np.unique(found[wrong])[:5])
            raise UserError(
                f"{path} holds the value {shown}, not only {_listed(sorted(labels))}.", CURE
            )
    return mask


def _codes(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return whole numbers from 0 to 254, and 255 for everything else."""
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind in "iu" and values.min() >= 0 and values.max() < _NO_LABEL:
        return values.astype(np.uint8)  # nearly always so, and faster than what follows
    whole = np.rint(values) if values.dtype.kind == "f" else values
    fits = (whole >= 0) & (whole < _NO_LABEL)
    if values.dtype.kind == "f":
        fits &= np.abs(values - whole) <= 0.01
    return np.where(fits, whole, _NO_LABEL).astype(np.uint8)


def _listed(values: Sequence[int]) -> str:
    return f"{', '.join(str(value) for value in values[:-1])} and {values[-1]}"
