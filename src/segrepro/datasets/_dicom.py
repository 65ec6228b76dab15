"""DICOM files as plain numbers; nothing that names a person leaves this module.

pydicom quotes what it finds in warnings, in its log and in its exceptions. All three stay in here:
what is read becomes a small object without names or dates, and an error says which kind of thing
is wrong, never its text.
"""

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.filereader import read_file_meta_info
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
MOST_PIXELS = 1 << 28
"""Of one file: no picture or series that we know comes near."""
HARMLESS_NAME = re.compile(r"\d{1,2}-\d{1,4}\.dcm|\d{1,6}\.dcm", re.IGNORECASE)
"""Numbers, as the retriever of TCIA writes them; other file names may be UIDs or people's names."""


class UnfitError(ValueError):
    """A file is not as it should be; unlike pydicom's messages, this one may be shown."""


@dataclass(frozen=True)
class Place:
    """Where a slice lies."""

    position_mm: tuple[float, float, float]
    """Centre of the first pixel, in the patient's LPS coordinates (PS3.3, C.7.6.2.1.1)."""
    along_row: tuple[float, float, float]
    """Unit vector in which the column index grows."""
    along_column: tuple[float, float, float]
    """Unit vector in which the row index grows."""


def shown(path: Path, what: str) -> str:
    """Return words for a file: its name only if that can name nobody.

    Parameters
    ----------
    path
        Its folders are left out: they hold UIDs and dates.
    what
        Whose file it is: ``"Breast_MRI_001, post_1"``.
    """
    name = path.name if HARMLESS_NAME.fullmatch(path.name) else "a file"
    return f"{name} of {what}"


@contextmanager
def opened(path: Path, what: str, *, pixels: bool = True) -> Iterator[Dataset]:
    """Yield what is in a file, with pydicom kept quiet; use its values only within the block.

    Raises
    ------
    UserError
        If the file, or what the block does with it, is not as it should be; `what` names it.
    """
    try:
        with _quiet():
            _refuse_packed(path)
            yield pydicom.dcmread(path, stop_before_pixels=not pixels)
    except UserError:
        raise
    except UnfitError as error:
        raise UserError(f"{what} {error}.", CURE) from None
    # Whatever pydicom raises may quote the header: nothing but its kind may leave.
    except Exception as error:  # noqa: BLE001 - see above
        raise UserError(f"{what} is no whole DICOM file ({type(error).__name__}).", CURE) from None


def _refuse_packed(path: Path) -> None:
    # pydicom unpacks a deflated file whole, however large it gets; no data set here has such.
    if read_file_meta_info(path).TransferSyntaxUID == DeflatedExplicitVRLittleEndian:
        raise UnfitError("is deflated, which is not read")


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def stored_pixels(dataset: Dataset) -> NDArray[Any]:
    """Return the pixels as stored, shape (H, W) or (frames, H, W).

    Raises
    ------
    UnfitError
        If the header asks for more than the file holds, or for colours.
    """
    frames = int(dataset.get("NumberOfFrames", None) or 1)
    if int(dataset.Rows) * int(dataset.Columns) * frames > MOST_PIXELS:
        raise UnfitError("asks for more pixels than any image has")
    # pydicom would otherwise cut off what lies beyond the bits that the header states.
    pixels: NDArray[Any] = pixel_array(dataset, correct_unused_bits=False)
    return pixels


def grey_pixels(dataset: Dataset) -> NDArray[Any]:
    """Return a picture in which larger is brighter, shape (H, W), in the stored unit.

    Raises
    ------
    UnfitError
        If it has colours or several frames, or values beyond its bits.
    """
    if dataset.PhotometricInterpretation not in {"MONOCHROME1", "MONOCHROME2"}:
        raise UnfitError("is not grey")
    pixels = stored_pixels(dataset)
    if pixels.ndim != 2:
        raise UnfitError("has several frames")
    bits = int(dataset.BitsStored)
    signed = int(dataset.get("PixelRepresentation", 0)) == 1
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if pixels.min() < low or pixels.max() > high:
        raise UnfitError(f"holds values beyond the {bits} bits that it states")
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        # MONOCHROME1 shows the largest value darkest (PS3.3, C.7.6.3.1.2).
        pixels = (low + high - pixels.astype(np.int64)).astype(pixels.dtype)
    return pixels


def rescaled(pixels: NDArray[Any], dataset: Dataset) -> NDArray[Any]:
    """Return stored values in the unit of the modality (PS3.3, C.11.1), int16 or float32."""
    slope = float(dataset.get("RescaleSlope", None) or 1)
    intercept = float(dataset.get("RescaleIntercept", None) or 0)
    values = pixels * slope + intercept
    whole = np.rint(values)
    if np.array_equal(whole, values) and values.min() >= -(1 << 15) and values.max() < 1 << 15:
        return whole.astype(np.int16)
    return values.astype(np.float32)


def pixel_spacing_mm(dataset: Dataset, *names: str) -> tuple[float, float] | None:
    """Return the distance of rows and of columns, from the first of some attributes that is there.

    Raises
    ------
    UnfitError
        If it is not two positive numbers.
    """
    values = next((dataset.get(name) for name in names if dataset.get(name)), None)
    if values is None:
        return None
    rows_mm, columns_mm = (float(value) for value in values)
    if not (0 < rows_mm < 1e3 and 0 < columns_mm < 1e3):
        raise UnfitError("has no spacing that could be one")
    return rows_mm, columns_mm


def place_of(dataset: Dataset) -> Place:
    """Return where a slice lies.

    Raises
    ------
    UnfitError
        If its axes are no unit vectors at a right angle.
    """
    x, y, z = (float(value) for value in dataset.ImagePositionPatient)
    axes = np.array([float(value) for value in dataset.ImageOrientationPatient])
    row, column = axes.reshape(2, 3)
    right = abs(row @ column) < 1e-3
    if not (right and np.allclose([row @ row, column @ column], 1, atol=1e-3)):
        raise UnfitError("has axes that are no unit vectors at a right angle")
    if not np.isfinite([x, y, z]).all():
        raise UnfitError("has no position")
    return Place(
        (x, y, z),
        (float(row[0]), float(row[1]), float(row[2])),
        (float(column[0]), float(column[1]), float(column[2])),
    )
