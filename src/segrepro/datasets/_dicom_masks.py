"""Masks that people made of a DICOM series, in the forms in which viewers save them.

Each form says in its own way which slice it belongs to; none is guessed from the order of files.
Results have the axes of the series: columns, rows, slices.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from scipy import ndimage

from segrepro.datasets._contours import Points, filled
from segrepro.datasets._dicom import UnfitError, opened, stored_pixels
from segrepro.datasets._dicom_series import Series
from segrepro.datasets._nifti import decode_volume
from segrepro.datasets._volumes import labels_of
from segrepro.errors import UserError

Mask = NDArray[np.bool_]
TOLERANCE_MM = 0.01
COLOUR_STEP = 40
"""Grey values between channels, or between pixels of one line, that make another colour."""
CURE = "Export the mask again from the series it was drawn on, or correct its row in masks.csv."


@dataclass(frozen=True)
class MaskFile:
    """One row of ``masks.csv``."""

    kind: str
    path: Path
    row: int
    """For messages: file names may hold people's names."""
    slice_number: int | None = None
    """Number of the slice's file, for forms that may not say which slice they belong to."""
    segment: int | None = None

    def __str__(self) -> str:
        return f"the {self.kind} mask in row {self.row} of masks.csv"


def read_mask(file: MaskFile, series: Series) -> Mask:
    """Return a mask on the grid of its series.

    Raises
    ------
    UserError
        If it belongs to another series, has another grid, or can be read in more than one way.
    """
    if file.kind == "nifti":
        return _nifti(file, series)
    mask = np.zeros(series.shape, dtype=np.bool_, order="F")
    for path in _files(file):
        with opened(path, str(file)) as dataset:
            for index, plane in KINDS[file.kind](dataset, file, series):
                mask[..., index] |= plane.T
    return mask


def _files(file: MaskFile) -> list[Path]:
    """Return the file, or all files of the folder that the row names."""
    if not file.path.is_dir():
        return [file.path]
    paths = sorted(path for path in file.path.glob("[!.]*") if path.is_file())
    if not paths:
        raise UserError(f"{file} is an empty folder.", CURE)
    return paths


Planes = Iterator[tuple[int, Mask]]
"""Index of a slice and what is marked on it, shape (rows, columns)."""


def _segmentation(dataset: Dataset, file: MaskFile, series: Series) -> Planes:
    """Yield the frames of a DICOM SEG (PS3.3, A.51), each on the slice that it refers to."""
    numbers = [int(item.SegmentNumber) for item in dataset.SegmentSequence]
    if file.segment is None and len(numbers) > 1:
        raise UnfitError(
            f"has {len(numbers)} segments: say in a column `segment` which number is the tumour"
        )
    wanted = numbers[0] if file.segment is None else file.segment
    if wanted not in numbers:
        raise UnfitError(f"has no segment {wanted}")
    _check_axes(dataset, series)
    frames = stored_pixels(dataset).reshape(-1, int(dataset.Rows), int(dataset.Columns))
    least = _least_inside(dataset)
    for frame, groups in zip(frames, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        shared = dataset.SharedFunctionalGroupsSequence[0]
        if _segment_of(groups, shared) == wanted:
            plane = _fitting(frame >= least, series)
            yield from ((index, plane) for index in _slices_of(_sources(groups, shared), series))


def _least_inside(dataset: Dataset) -> float:
    """Return the least stored value of a voxel that is inside: half of what is fully inside."""
    if dataset.SegmentationType == "BINARY":
        return 1
    if dataset.SegmentationType == "FRACTIONAL":
        return int(dataset.MaximumFractionalValue) / 2
    raise UnfitError("is neither a binary nor a fractional segmentation")


def _segment_of(groups: Dataset, shared: Dataset) -> int:
    item = _group("SegmentIdentificationSequence", groups, shared)
    if item is None:
        raise UnfitError("has a frame of no segment")
    return int(item.ReferencedSegmentNumber)


def _group(name: str, groups: Dataset, shared: Dataset) -> Dataset | None:
    # What all frames share stands once, elsewhere (PS3.3, C.7.6.16).
    sequence = groups.get(name) or shared.get(name)
    item: Dataset | None = sequence[0] if sequence else None
    return item


def _sources(groups: Dataset, shared: Dataset) -> list[str]:
    item = _group("DerivationImageSequence", groups, shared)
    return [] if item is None else _references(item.get("SourceImageSequence"))


def _references(sequence: Iterable[Dataset] | None) -> list[str]:
    return [str(item.ReferencedSOPInstanceUID) for item in sequence or ()]


def _check_axes(dataset: Dataset, series: Series) -> None:
    """Refuse frames whose rows and columns run elsewhere than those of the series."""
    place = series.slices[0].place
    expected = [*place.along_row, *place.along_column]
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for groups in dataset.PerFrameFunctionalGroupsSequence:
        item = _group("PlaneOrientationSequence", groups, shared)
        axes = None if item is None else [float(value) for value in item.ImageOrientationPatient]
        if axes is not None and not np.allclose(axes, expected, atol=1e-3):
            raise UnfitError("has frames that are turned or flipped against the series")


def _slices_of(uids: list[str], series: Series) -> list[int]:
    """Return the slices that something refers to; something else than the series is refused."""
    known = series.index_by_uid()
    if not uids:
        raise UnfitError("does not say which slice it belongs to")
    if not all(uid in known for uid in uids):
        raise UnfitError(f"refers to slices that {series.what} does not have")
    return [known[uid] for uid in uids]


def _fitting(plane: Mask, series: Series) -> Mask:
    if plane.shape != series.slices[0].shape:
        raise UnfitError(
            f"has {plane.shape[0]} x {plane.shape[1]} pixels, but the series "
            f"{series.slices[0].shape[0]} x {series.slices[0].shape[1]}"
        )
    return plane


def _own_slices(dataset: Dataset, file: MaskFile, series: Series) -> list[int]:
    """Return the slice that a picture belongs to: itself, what it refers to, or the row's."""
    known = series.index_by_uid()
    if str(dataset.SOPInstanceUID) in known:
        return [known[str(dataset.SOPInstanceUID)]]
    uids = _references(dataset.get("SourceImageSequence"))
    uids = uids or _references(dataset.get("ReferencedImageSequence"))
    if uids or file.slice_number is None:
        return _slices_of(uids, series)
    numbered = series.index_by_number()
    if file.slice_number not in numbered:
        raise UnfitError(f"belongs to slice {file.slice_number}, which {series.what} does not have")
    return [numbered[file.slice_number]]


def _overlay(dataset: Dataset, file: MaskFile, series: Series) -> Planes:
    """Yield the plane of group 60xx (PS3.3, C.9.2): one bit a pixel, lowest bit first."""
    groups = [group for group in range(0x6000, 0x6020, 2) if (group, 0x3000) in dataset]
    if len(groups) != 1:
        raise UnfitError(f"has {len(groups)} overlays, not one")
    group = groups[0]
    rows, columns = int(dataset[group, 0x0010].value), int(dataset[group, 0x0011].value)
    frames = int(dataset[group, 0x0015].value) if (group, 0x0015) in dataset else 1
    if frames != 1 or int(dataset[group, 0x0100].value) != 1:
        raise UnfitError("has an overlay of several frames, or of more than one bit")
    content = np.frombuffer(dataset[group, 0x3000].value, np.uint8)
    if not 0 < rows * columns <= 8 * len(content):
        raise UnfitError("has an overlay that is cut off")
    bits = np.unpackbits(content, count=rows * columns, bitorder="little")
    # The first pixel of the picture is 1, 1.
    top, left = (int(value) - 1 for value in dataset[group, 0x0050].value)
    plane = np.zeros(series.slices[0].shape, dtype=np.bool_)
    marked = np.argwhere(bits.reshape(rows, columns)) + np.array([top, left])
    seen = ((marked >= 0) & (marked < plane.shape)).all(axis=1)
    plane[tuple(marked[seen].T)] = True
    yield from ((index, plane) for index in _own_slices(dataset, file, series))


def _presentation_state(dataset: Dataset, _file: MaskFile, series: Series) -> Planes:
    """Yield the closed lines of a presentation state (PS3.3, C.10.5), filled."""
    everywhere = [
        uid
        for item in dataset.ReferencedSeriesSequence
        for uid in _references(item.ReferencedImageSequence)
    ]
    for annotation in dataset.GraphicAnnotationSequence:
        uids = _references(annotation.get("ReferencedImageSequence")) or everywhere
        indices = _slices_of(uids, series)
        for graphic in annotation.get("GraphicObjectSequence") or ():
            plane = filled(_outline(graphic, dataset), series.slices[0].shape)
            yield from ((index, plane) for index in indices)


def _outline(graphic: Dataset, dataset: Dataset) -> Points:
    """Return a closed line in pixels, (0, 0) being the centre of the first pixel."""
    points = np.array([float(value) for value in graphic.GraphicData]).reshape(-1, 2)
    closed = np.array_equal(points[0], points[-1]) or graphic.get("GraphicFilled") == "Y"
    if graphic.GraphicType != "POLYLINE" or not closed or len(points) < 3:
        raise UnfitError("has a drawing that is no closed line")
    units = graphic.GraphicAnnotationUnits
    if units == "DISPLAY":
        points = _on_image(points, dataset)
    elif units != "PIXEL":
        raise UnfitError("has a drawing in units that are not known")
    # In PIXEL units (0, 0) is the outer corner of the first pixel, (1, 1) its inner one.
    return points - 0.5


def _on_image(points: Points, dataset: Dataset) -> Points:
    """Return fractions of the displayed area in pixels from the picture's outer corner."""
    areas: Sequence[Dataset] = dataset.get("DisplayedAreaSelectionSequence") or []
    if len(areas) != 1:
        raise UnfitError("has lines relative to a display, but not one displayed area")
    # Inclusive, and the first pixel is 1, 1.
    left, top = (int(value) - 1 for value in areas[0].DisplayedAreaTopLeftHandCorner)
    right, bottom = (int(value) for value in areas[0].DisplayedAreaBottomRightHandCorner)
    if right <= left or bottom <= top:
        raise UnfitError("shows the picture turned or flipped")
    size: Points = np.array([right - left, bottom - top], dtype=np.float64)
    return np.asarray(points * size + np.array([left, top]))


def _secondary_capture(dataset: Dataset, file: MaskFile, series: Series) -> Planes:
    """Yield a picture of two values, of which 0 is outside."""
    pixels = stored_pixels(dataset)
    if int(dataset.SamplesPerPixel) == 3:
        if not (pixels == pixels[..., :1]).all():
            raise UnfitError("has colours; its kind may be burned-in")
        pixels = pixels[..., 0]
    values = np.unique(pixels)
    if len(values) > 2 or values[0] != 0 or pixels.ndim != 2:
        raise UnfitError(f"is no picture of two values, one of them 0: it has {len(values)}")
    plane = _fitting(pixels != 0, series)
    yield from ((index, plane) for index in _own_slices(dataset, file, series))


def _burned_in(dataset: Dataset, file: MaskFile, series: Series) -> Planes:
    """Yield the inside of a closed coloured line in a copy of the picture."""
    pixels = stored_pixels(dataset)
    if int(dataset.SamplesPerPixel) != 3 or pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise UnfitError("is no picture of 8-bit colours")
    # Grey pixels have equal channels; nothing of the picture but the line is used.
    line = np.ptp(pixels, axis=2) > COLOUR_STEP
    if not line.any():
        raise UnfitError("has no coloured line")
    colours = pixels[line].astype(np.int16)
    if (np.abs(colours - np.median(colours, axis=0)) > COLOUR_STEP).any():
        raise UnfitError("has more than one colour: which is the tumour's?")
    # Diagonal steps do not leak: the outside spreads along rows and columns only.
    plane: Mask = ndimage.binary_fill_holes(line)
    if (plane == line).all():
        raise UnfitError("has a coloured line that is not closed")
    yield from ((index, _fitting(plane, series)) for index in _own_slices(dataset, file, series))


KINDS: dict[str, Callable[[Dataset, MaskFile, Series], Planes]] = {
    "seg": _segmentation,
    "overlay": _overlay,
    "gsps": _presentation_state,
    "mask-sc": _secondary_capture,
    "burned-in": _burned_in,
}


def _nifti(file: MaskFile, series: Series) -> Mask:
    """Return a NIfTI mask, its axes turned and flipped to those of the series by its affine."""
    name = Path(str(file))
    try:
        volume = decode_volume(file.path.read_bytes(), name)
    except OSError as error:
        raise UserError(f"cannot read {name}: {error.strerror}.", CURE) from error
    mask = labels_of(volume.values, {0: 0, 1: 1}, name) == 1
    between = np.linalg.inv(series.affine) @ volume.affine
    turns = io_orientation(between)
    turned: Mask = apply_orientation(mask, turns)
    affine = volume.affine @ inv_ornt_aff(turns, mask.shape)
    if turned.shape != series.shape or not np.allclose(affine, series.affine, atol=TOLERANCE_MM):
        raise UserError(f"{file} lies on another grid than {series.what}.", CURE)
    return turned
