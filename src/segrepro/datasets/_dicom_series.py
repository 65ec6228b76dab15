"""A DICOM series as one volume, whatever order its files are in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from segrepro.datasets._dicom import (
    CURE,
    Place,
    grey_pixels,
    opened,
    pixel_spacing_mm,
    place_of,
    rescaled,
    shown,
)
from segrepro.errors import UserError

NUMBER = re.compile(r"(\d+)\.dcm", re.IGNORECASE)


@dataclass(frozen=True)
class Slice:
    """What is needed of a file's header."""

    path: Path
    uid: str = field(repr=False)
    """SOP Instance UID; it stays in this process."""
    place: Place
    spacing_mm: tuple[float, float]
    """From row to row, and from column to column."""
    shape: tuple[int, int]
    """Rows, columns."""


@dataclass(frozen=True)
class Series:
    """Slices sorted along their normal."""

    what: str
    """For messages: whose series it is."""
    slices: tuple[Slice, ...]
    affine: NDArray[np.float64]
    """Shape (4, 4): (column, row, slice) indices to millimetres in RAS+."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Columns, rows, slices: axes as in the volume."""
        rows, columns = self.slices[0].shape
        return columns, rows, len(self.slices)

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """From voxel to voxel along each axis."""
        steps = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(steps[0]), float(steps[1]), float(steps[2])

    def index_by_uid(self) -> dict[str, int]:
        """Return the place of each slice along the third axis."""
        return {piece.uid: index for index, piece in enumerate(self.slices)}

    def index_by_number(self) -> dict[int, int]:
        """Return the place of each slice by the number in its file's name.

        ``1-7.dcm``, ``1-07.dcm`` and ``1-007.dcm`` are all number 7: how many zeros stand before
        it differs between the publisher's table and what his retriever writes.
        """
        return {
            int(name[1]): index
            for index, piece in enumerate(self.slices)
            if (name := NUMBER.search(piece.path.name))
        }


def read_series(folder: Path, *, uid: str, what: str) -> Series:
    """Return the slices of a folder in space, their pixels unread.

    Parameters
    ----------
    folder
        Holds the files of one series, in any order and under any names.
    uid
        Series Instance UID that every file must have.
    what
        For messages.

    Raises
    ------
    UserError
        If a file is broken or of another series, or the slices make no even stack.
    """
    paths = sorted(folder.glob("[!.]*.dcm"))
    if not paths:
        raise UserError(f"{what}: its folder holds no *.dcm files.", CURE)
    slices = [_slice(path, uid, what) for path in paths]
    first = slices[0]
    for piece in slices:
        if not _is_alike(piece, first):
            raise UserError(
                f"{shown(piece.path, what)} has another size, spacing or orientation than "
                f"{shown(first.path, what)}.",
                CURE,
            )
    normal = np.cross(first.place.along_row, first.place.along_column)
    # Not by name: file numbers run from the feet to the head or the other way.
    ordered = sorted(slices, key=lambda piece: float(normal @ np.array(piece.place.position_mm)))
    return Series(what, tuple(ordered), _affine(ordered, normal, what))


def _slice(path: Path, uid: str, what: str) -> Slice:
    with opened(path, shown(path, what), pixels=False) as dataset:
        if str(dataset.SeriesInstanceUID) != uid:
            raise UserError(f"{shown(path, what)} belongs to another series.", CURE)
        return slice_of(dataset, path, what)


def slice_of(dataset: Dataset, path: Path, what: str) -> Slice:
    """Return what is needed of a header; use it within `segrepro.datasets._dicom.opened`."""
    spacing_mm = pixel_spacing_mm(dataset, "PixelSpacing")
    if spacing_mm is None:
        raise UserError(f"{shown(path, what)} says nothing of its spacing.", CURE)
    return Slice(
        path=path,
        uid=str(dataset.SOPInstanceUID),
        place=place_of(dataset),
        spacing_mm=spacing_mm,
        shape=(int(dataset.Rows), int(dataset.Columns)),
    )


def _is_alike(piece: Slice, first: Slice) -> bool:
    axes = [*piece.place.along_row, *piece.place.along_column]
    return (
        piece.shape == first.shape
        and np.allclose(piece.spacing_mm, first.spacing_mm, rtol=1e-4)
        and np.allclose(axes, [*first.place.along_row, *first.place.along_column], atol=1e-4)
    )


def _affine(slices: Sequence[Slice], normal: NDArray[np.float64], what: str) -> NDArray[np.float64]:
    if len(slices) < 2:
        raise UserError(f"{what} has one slice only: no volume.", CURE)
    positions = np.array([piece.place.position_mm for piece in slices])
    steps_mm = np.diff(positions @ normal)
    step_mm = float(np.median(steps_mm))
    if step_mm <= 0 or not np.allclose(steps_mm, step_mm, rtol=0.02, atol=0.01):
        raise UserError(
            f"{what}: its {len(slices)} slices lie {steps_mm.min():.3g} to {steps_mm.max():.3g} mm "
            "apart: some are missing, or there twice.",
            CURE,
        )
    rows_mm, columns_mm = slices[0].spacing_mm
    lps = np.eye(4)
    # A column index grows along a row.
    lps[:3, 0] = np.array(slices[0].place.along_row) * columns_mm
    lps[:3, 1] = np.array(slices[0].place.along_column) * rows_mm
    lps[:3, 2] = (positions[-1] - positions[0]) / (len(slices) - 1)
    lps[:3, 3] = positions[0]
    # DICOM's axes point to left, back and head, those of an affine to right, front and head.
    return np.asarray(np.diag([-1.0, -1.0, 1.0, 1.0]) @ lps)


def read_values(series: Series) -> NDArray[Any]:
    """Return the values in their modality's unit, shape (columns, rows, slices).

    Returns
    -------
    NDArray
        int16 if that holds every slice, else float32; larger is brighter.

    Raises
    ------
    UserError
        If a file is broken or not grey.
    """
    values = np.empty(series.shape, np.int16, order="F")
    for index, piece in enumerate(series.slices):
        what = shown(piece.path, series.what)
        with opened(piece.path, what) as dataset:
            plane = rescaled(grey_pixels(dataset), dataset)
        if plane.shape != piece.shape:
            raise UserError(f"{what} changed while it was read.", CURE)
        if plane.dtype == np.float32 and values.dtype != np.float32:
            values = values.astype(np.float32, order="F")
        values[..., index] = plane.T
    return values
