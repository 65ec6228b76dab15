"""NIfTI volumes from bytes, checked before they are believed.

The format: NIfTI-1.1 and NIfTI-2 (``nifti1.h``, ``nifti2.h``), single files, plain or gzipped.
"""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
from isal import isal_zlib
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
GZIP = b"\x1f\x8b"
# nibabel, isal and struct report a broken file in any of these.
BROKEN = (
    HeaderDataError,
    WrapStructError,
    cast("type[Exception]", isal_zlib.error),  # its stub declares an instance
    struct.error,
    ValueError,
    KeyError,
    OverflowError,
    EOFError,
    OSError,
)
MOST_BYTES = 8 * 2**30
"""Of one unpacked volume: no data set that we know comes near."""


@dataclass(frozen=True)
class Volume:
    """A volume with its place in the scanner."""

    values: NDArray[Any]
    """Shape (I, J, K), axes in file order, in the stored type; float64 if the file scales it."""
    affine: NDArray[np.float64]
    """Shape (4, 4): indices to millimetres in RAS+."""
    spacing_mm: tuple[float, float, float]


def read_volume(path: Path) -> Volume:
    """Return the volume of a ``.nii`` or ``.nii.gz`` file.

    Raises
    ------
    UserError
        If the file is missing, truncated, larger than its header says, or no 3D volume of numbers.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", CURE) from error
    return decode_volume(content, path)


def read_volumes(paths: Sequence[Path]) -> dict[Path, Volume]:
    """Return the volumes of one case, by path, two being unpacked at a time."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(paths, pool.map(read_volume, paths), strict=True))


def decode_volume(content: bytes, path: Path) -> Volume:
    """Return the volume in the bytes of a file; `path` is for the message."""
    try:
        header, unpacked = _unpacked(content)
        shape = _shape(header)
        start, dtype = int(header.get_data_offset()), header.get_data_dtype()
        values = np.frombuffer(unpacked, dtype, count=int(np.prod(shape)), offset=start)
        slope, intercept = (value or 0.0 for value in header.get_slope_inter())
        affine = _affine(header)
    except BROKEN as error:
        raise UserError(f"{path} is no whole NIfTI volume: {_short(error)}.", CURE) from error
    native = values.astype(dtype.newbyteorder("="), copy=False).reshape(shape, order="F")
    if (slope, intercept) not in {(1.0, 0.0), (0.0, 0.0)}:
        native = native * np.float64(slope) + np.float64(intercept)
    steps = np.linalg.norm(affine[:3, :3], axis=0)
    return Volume(native, affine, (float(steps[0]), float(steps[1]), float(steps[2])))


def _short(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:200]


def _unpacked(content: bytes) -> tuple[nib.Nifti1Header, bytes]:
    """Return the header and all bytes of a file, refusing more or fewer than the header says."""
    packed = content.startswith(GZIP)
    header = _header(_gunzipped(content, most=1024) if packed else content)
    expected = int(header.get_data_offset()) + _data_bytes(header)
    if expected > MOST_BYTES:
        raise ValueError(f"its header asks for {expected / 2**30:.0f} GiB")
    unpacked = _gunzipped(content, most=expected) if packed else content
    if len(unpacked) < expected:
        raise ValueError(f"{expected} bytes are expected, {len(unpacked)} are there")
    return header, unpacked


def _gunzipped(content: bytes, *, most: int) -> bytes:
    """Return the first `most` bytes that a gzip file unpacks to, never more: no bomb goes off."""
    parts = []
    while content and most > 0:
        unpacker = isal_zlib.decompressobj(wbits=31)
        parts.append(unpacker.decompress(content, most))
        most -= len(parts[-1])
        # A file may be several gzip members in a row (RFC 1952, section 2.2).
        content = unpacker.unused_data
        if not unpacker.eof:
            break
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _header(head: bytes) -> nib.Nifti1Header:
    sizes = [struct.unpack(order, head[:4])[0] for order in ("<i", ">i")]
    if 348 in sizes:
        return nib.Nifti1Header(head[:348], check=False)
    if 540 in sizes:
        return nib.Nifti2Header(head[:540], check=False)
    raise ValueError("it has no NIfTI header")


def _shape(header: nib.Nifti1Header) -> tuple[int, int, int]:
    shape = tuple(int(side) for side in header.get_data_shape())
    if len(shape) == 4 and shape[3] == 1:
        shape = shape[:3]
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"its shape is {shape}, not that of a volume")
    if header.get_data_dtype().kind not in "iuf":
        raise ValueError(f"its type is {header.get_data_dtype()}, not a plain number")
    return shape[0], shape[1], shape[2]


def _affine(header: nib.Nifti1Header) -> NDArray[np.float64]:
    affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    if not np.isfinite(affine).all() or np.linalg.det(affine[:3, :3]) == 0:
        raise ValueError("its affine cannot be inverted")
    return affine


def _data_bytes(header: nib.Nifti1Header) -> int:
    # Python's whole numbers: numpy's would overflow for a hostile header.
    size = int(header.get_data_dtype().itemsize)
    for side in _shape(header):
        size *= side
    return size
