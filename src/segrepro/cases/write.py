"""Write one case in the nnU-Net raw layout."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.cases._nifti import encode_nifti
from segrepro.cases._png import DTYPES, encode_png
from segrepro.datasets._types import Case
from segrepro.errors import UserError
from segrepro.files import write_bytes

IMAGES, LABELS = "imagesTr", "labelsTr"
PICTURE, VOLUME = ".png", ".nii.gz"


@dataclass(frozen=True)
class WrittenCase:
    """The files of a case."""

    names: frozenset[str]
    """Relative to the folder of the data set."""
    image_sha256: tuple[str, ...]
    mask_sha256: str
    """Of the file's bytes, not of its pixels."""


def ending(axes: int) -> str:
    """Return the file ending of images with two or three axes."""
    return PICTURE if axes == 2 else VOLUME


def write_case(case: Case, out: Path) -> WrittenCase:
    """Write one file per channel and one of labels: PNG for pictures, NIfTI for volumes.

    Raises
    ------
    UserError
        If a picture is not 8 or 16 bits deep: PNG cannot hold it.
    """
    # Two at a time: one is packed while the other one waits for the disk.
    with ThreadPoolExecutor(2) as pool:
        writes = {
            name: pool.submit(_write, out / name, plane, case)
            for name, plane in _named_planes(case)
        }
    hashes = [write.result() for write in writes.values()]
    return WrittenCase(frozenset(writes), tuple(hashes[:-1]), hashes[-1])


def _write(path: Path, plane: NDArray[Any], case: Case) -> str:
    content = _encoded(plane, case)
    write_bytes(path, content)
    return hashlib.sha256(content).hexdigest()


def _named_planes(case: Case) -> Iterator[tuple[str, NDArray[Any]]]:
    suffix = ending(case.mask.ndim)
    for channel, plane in enumerate(case.channels):
        yield f"{IMAGES}/{case.case_id}_{channel:04d}{suffix}", plane
    yield f"{LABELS}/{case.case_id}{suffix}", case.mask


def _encoded(plane: NDArray[Any], case: Case) -> bytes:
    if case.affine is not None:
        return encode_nifti(plane, case.affine)
    if plane.dtype not in DTYPES:
        raise UserError(
            f"case {case.case_id!r} is a picture of {plane.dtype}.",
            "A picture is stored with 8 or 16 bits: mend its data set's `read_case`.",
        )
    return encode_png(np.ascontiguousarray(plane))
