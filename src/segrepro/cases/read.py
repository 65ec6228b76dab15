"""Read converted cases back."""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.cases._png import decode_png
from segrepro.cases.columns import PIXELS
from segrepro.cases.write import IMAGES, LABELS, PICTURE, ending
from segrepro.datasets._nifti import decode_volume
from segrepro.errors import UserError

_CURE = "Run `segrepro convert` again."


@dataclass(frozen=True, kw_only=True)
class CaseRow:
    """A row of ``cases.csv``."""

    case_id: str
    group_id: str
    site: str
    shape: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    orientation: str
    """Where the axes of a volume point to, such as ``LPS``; empty for a picture."""
    pixels: Mapping[str, int]
    """Class to its number of pixels, in label order: the k-th has label k + 1."""
    image_sha256: tuple[str, ...]
    """One per channel."""
    mask_sha256: str


def read_cases(path: Path) -> list[CaseRow]:
    """Return the rows of a ``cases.csv``, in file order.

    Raises
    ------
    UserError
        If the file is missing, empty or not of that form.
    """
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = [_parse(row) for row in csv.DictReader(handle)]
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}.", "Run `segrepro convert` first.") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is no table of cases: {error!r}.", _CURE) from error
    if not rows:
        raise UserError(f"{path} lists no cases.", _CURE)
    return rows


def _parse(row: dict[str, str]) -> CaseRow:
    pixels = {key.removeprefix(PIXELS): int(row[key]) for key in row if key.startswith(PIXELS)}
    return CaseRow(
        case_id=row["case_id"],
        group_id=row["group_id"],
        site=row["site"],
        shape=tuple(int(side) for side in row["shape"].split("x")),
        spacing_mm=tuple(float(step) for step in row["spacing_mm"].split("x")),
        orientation=row["orientation"],
        pixels=pixels,
        image_sha256=tuple(row["image_sha256"].split(";")),
        mask_sha256=row["mask_sha256"],
    )


@dataclass(frozen=True)
class LoadedCase:
    """The pixels of a case and their place in space."""

    channels: tuple[NDArray[Any], ...]
    """One array per channel, each of the shape of `mask`."""
    mask: NDArray[np.uint8]
    """Shape (H, W) or (I, J, K), labels 0 to K."""
    affine: NDArray[np.float64] | None
    """Shape (4, 4), indices to millimetres in RAS+; ``None`` for a picture."""


def load_case(folder: Path, row: CaseRow) -> LoadedCase:
    """Return the pixels of a case.

    Parameters
    ----------
    folder
        The folder that holds ``cases.csv``.
    row
        Which case.

    Raises
    ------
    UserError
        If a file is missing or not the one that ``cases.csv`` lists.
    """
    suffix = ending(len(row.shape))
    channels = [
        _load(folder / IMAGES / f"{row.case_id}_{index:04d}{suffix}", sha256)
        for index, sha256 in enumerate(row.image_sha256)
    ]
    mask, affine = _load(folder / LABELS / f"{row.case_id}{suffix}", row.mask_sha256)
    return LoadedCase(tuple(values for values, _ in channels), mask, affine)


def _load(path: Path, sha256: str) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", _CURE) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"{path} changed since its cases.csv was written.", _CURE)
    if path.name.endswith(PICTURE):
        return decode_png(content, path), None
    volume = decode_volume(content, path)
    return volume.values, volume.affine
