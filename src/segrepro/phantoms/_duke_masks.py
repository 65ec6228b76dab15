"""Tumour masks in the forms in which viewers export them, for the phantom of Duke's breast MRI.

Planes have shape (rows, columns); each belongs to a slice file of the series.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    GrayscaleSoftcopyPresentationStateStorage,
    MRImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)
from scipy import ndimage

from segrepro.phantoms._dicom import new_image, new_uid, write_dicom
from segrepro.phantoms._volumes import write_nifti

Plane = NDArray[np.bool_]


@dataclass(frozen=True)
class Drawn:
    """A tumour on the slices of a series."""

    uids: tuple[UID, ...]
    """Of all slices, from the feet to the head."""
    inside: NDArray[np.bool_]
    """Shape (columns, rows, slices)."""
    grey: NDArray[np.int16]
    affine: NDArray[np.float64]
    """To millimetres in RAS+."""

    def planes(self) -> list[tuple[int, Plane]]:
        """Return index and plane of each slice that the tumour meets, from the head to the feet."""
        marked = np.flatnonzero(self.inside.any(axis=(0, 1)))
        return [(int(index), self.inside[..., index].T) for index in marked[::-1]]


def _reference(uid: UID) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = MRImageStorage, uid
    return item


def _segmentation(folder: Path, drawn: Drawn, rng: np.random.Generator) -> str:
    """Write a DICOM SEG whose frames run against the order of the slices."""
    planes = drawn.planes()
    stack = np.stack([plane for _, plane in planes])
    uid = new_uid(rng)
    blank = np.zeros(stack.shape[1:], np.uint8)
    dataset = new_image(blank, sop_class=SegmentationStorage, uid=uid, bits=8)
    dataset.Modality, dataset.SegmentationType = "SEG", "BINARY"
    dataset.BitsAllocated = dataset.BitsStored = 1
    dataset.HighBit, dataset.NumberOfFrames = 0, len(planes)
    bits = np.packbits(stack.ravel(), bitorder="little").tobytes()
    dataset.PixelData = bits + bytes(len(bits) % 2)
    segment = Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "Tumour"
    dataset.SegmentSequence = Sequence([segment])
    axes = Dataset()
    axes.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared = Dataset()
    shared.PlaneOrientationSequence = Sequence([axes])
    dataset.SharedFunctionalGroupsSequence = Sequence([shared])
    frames = [_frame(drawn.uids[index]) for index, _ in planes]
    dataset.PerFrameFunctionalGroupsSequence = Sequence(frames)
    write_dicom(folder / "segmentation.dcm", dataset)
    return "segmentation.dcm"


def _frame(uid: UID) -> Dataset:
    derivation, identification, frame = Dataset(), Dataset(), Dataset()
    derivation.SourceImageSequence = Sequence([_reference(uid)])
    identification.ReferencedSegmentNumber = 1
    frame.DerivationImageSequence = Sequence([derivation])
    frame.SegmentIdentificationSequence = Sequence([identification])
    return frame


def _overlays(folder: Path, drawn: Drawn, _rng: np.random.Generator) -> str:
    """Write copies of the slices with the tumour's box as an overlay plane."""
    for index, plane in drawn.planes():
        grey = drawn.grey[..., index].T
        dataset = new_image(
            np.ascontiguousarray(grey), sop_class=MRImageStorage, uid=drawn.uids[index], bits=16
        )
        rows, columns = (np.flatnonzero(plane.any(axis=axis)) for axis in (1, 0))
        part = plane[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        bits = np.packbits(part.ravel(), bitorder="little").tobytes()
        dataset.add_new((0x6000, 0x0010), "US", part.shape[0])
        dataset.add_new((0x6000, 0x0011), "US", part.shape[1])
        dataset.add_new((0x6000, 0x0040), "CS", "R")
        dataset.add_new((0x6000, 0x0050), "SS", [int(rows[0]) + 1, int(columns[0]) + 1])
        dataset.add_new((0x6000, 0x0100), "US", 1)
        dataset.add_new((0x6000, 0x0102), "US", 0)
        dataset.add_new((0x6000, 0x3000), "OW", bits + bytes(len(bits) % 2))
        write_dicom(folder / "overlays" / f"{index}.dcm", dataset)
    return "overlays"


def _presentation_state(folder: Path, drawn: Drawn, rng: np.random.Generator) -> str:
    """Write one presentation state with a closed line for each run of pixels in each row."""
    dataset = new_image(
        np.zeros((1, 1), np.uint8),
        sop_class=GrayscaleSoftcopyPresentationStateStorage,
        uid=new_uid(rng),
        bits=8,
    )
    for name in ("PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit"):
        delattr(dataset, name)
    dataset.Modality = "PR"
    planes = drawn.planes()
    series = Dataset()
    series.ReferencedImageSequence = Sequence([_reference(drawn.uids[i]) for i, _ in planes])
    dataset.ReferencedSeriesSequence = Sequence([series])
    annotations = []
    for index, plane in planes:
        annotation = Dataset()
        annotation.ReferencedImageSequence = Sequence([_reference(drawn.uids[index])])
        annotation.GraphicObjectSequence = Sequence([_line(*run) for run in _runs(plane)])
        annotations.append(annotation)
    dataset.GraphicAnnotationSequence = Sequence(annotations)
    write_dicom(folder / "presentation.dcm", dataset)
    return "presentation.dcm"


def _runs(plane: Plane) -> list[tuple[int, int, int]]:
    """Return row, first column and the column after the last of each run of pixels."""
    padded = np.pad(plane, ((0, 0), (1, 1))).astype(np.int8)
    turns = np.argwhere(np.diff(padded, axis=1))
    return [
        (int(row), int(start), int(end))
        for (row, start), (_, end) in zip(turns[::2], turns[1::2], strict=True)
    ]


def _line(row: int, start: int, end: int) -> Dataset:
    # From corner to corner of pixels: (0, 0) is the outer corner of the first one.
    corners = ((start, row), (end, row), (end, row + 1), (start, row + 1), (start, row))
    graphic = Dataset()
    graphic.GraphicAnnotationUnits, graphic.GraphicType = "PIXEL", "POLYLINE"
    graphic.GraphicDimensions, graphic.NumberOfGraphicPoints = 2, len(corners)
    graphic.GraphicData = [float(value) for corner in corners for value in corner]
    return graphic


def _captures(folder: Path, drawn: Drawn, rng: np.random.Generator) -> str:
    """Write black and white pictures that refer to the slices."""
    for index, plane in drawn.planes():
        dataset = _capture(np.where(plane, 255, 0).astype(np.uint8), drawn.uids[index], rng)
        write_dicom(folder / "captures" / f"{index}.dcm", dataset)
    return "captures"


def _capture(pixels: NDArray[np.uint8], source: UID, rng: np.random.Generator) -> FileDataset:
    dataset = new_image(pixels, sop_class=SecondaryCaptureImageStorage, uid=new_uid(rng), bits=8)
    dataset.Modality = "OT"
    dataset.SourceImageSequence = Sequence([_reference(source)])
    return dataset


def _burned_in(folder: Path, drawn: Drawn, rng: np.random.Generator) -> str:
    """Write 8-bit copies of the slices with a red line along the tumour's border."""
    for index, plane in drawn.planes():
        grey = np.clip(drawn.grey[..., index].T / 4, 0, 255).astype(np.uint8)
        colours = np.repeat(grey[..., np.newaxis], 3, axis=2)
        # Around the tumour, so that even a small one leaves a hole to be filled.
        inner = ndimage.binary_dilation(plane)
        colours[ndimage.binary_dilation(inner) & ~inner] = (255, 0, 0)
        dataset = _capture(grey, drawn.uids[index], rng)
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration, dataset.PixelData = 0, colours.tobytes()
        write_dicom(folder / "burned" / f"{index}.dcm", dataset)
    return "burned"


def _nifti(folder: Path, drawn: Drawn, _rng: np.random.Generator) -> str:
    """Write a volume whose slices run from the head to the feet, against the series."""
    affine = drawn.affine.copy()
    affine[:, 3] += affine[:, 2] * (drawn.inside.shape[2] - 1)
    affine[:, 2] *= -1
    write_nifti(folder / "mask.nii.gz", drawn.inside[..., ::-1].astype(np.uint8), affine)
    return "mask.nii.gz"


WRITERS: dict[str, Callable[[Path, Drawn, np.random.Generator], str]] = {
    "seg": _segmentation,
    "overlay": _overlays,
    "gsps": _presentation_state,
    "mask-sc": _captures,
    "burned-in": _burned_in,
    "nifti": _nifti,
}
"""By kind; each returns the name of what it wrote into the folder."""
