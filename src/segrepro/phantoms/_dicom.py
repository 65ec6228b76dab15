"""DICOM files that hold nothing of the machine or the day they were made on."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from segrepro.files import write_bytes

IMPLEMENTATION = UID("2.25.302043790172249692526321623266752743501")


def new_uid(rng: np.random.Generator) -> UID:
    """Return a UID below 2.25 (PS3.5, B.2), made of random bits."""
    return UID(f"2.25.{int.from_bytes(rng.bytes(15), 'big')}")


def new_image(
    pixels: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int16],
    *,
    sop_class: UID,
    uid: UID,
    bits: int,
) -> FileDataset:
    """Return a grey picture of shape (H, W); the rest of the header is the caller's."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, uid
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = 8 * pixels.dtype.itemsize
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    return dataset


def write_dicom(path: Path, dataset: FileDataset) -> None:
    """Write a file; equal data sets give equal bytes."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    write_bytes(path, buffer.getvalue())
