"""DICOM files of a few pixels, with a patient in them whom nobody may see again."""

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

NAME, BORN, STUDY = "Doe^Jane", "19610417", "1.2.826.0.1.3680043.8.498.1234567"
SECRETS = (NAME, "Doe", "Jane", BORN, STUDY, "1234567")


def grey(pixels: ArrayLike, *, uid: str = f"{STUDY}.1", dtype: str = "u2") -> FileDataset:
    """Return a grey picture of a patient with a name and a birthday."""
    values = np.array(pixels, dtype, ndmin=2)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, uid
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, uid
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, f"{STUDY}.0"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = NAME, NAME, BORN
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * values.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(dtype[0] == "i")
    dataset.PixelData = values.tobytes()
    return dataset


def save(path: Path, dataset: FileDataset) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
