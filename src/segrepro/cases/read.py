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
        pixels=pixels,
        image_sha256=tuple(row["image_sha256"].split(";")),
        mask_sha256=row["mask_sha256"],
    )


def load_case(folder: Path, row: CaseRow) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Return the channels, shape (C, H, W), and the mask, shape (H, W), of a case.

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
    channels = [
        _load(folder / "imagesTr" / f"{row.case_id}_{index:04d}.png", sha256)
        for index, sha256 in enumerate(row.image_sha256)
    ]
    mask = _load(folder / "labelsTr" / f"{row.case_id}.png", row.mask_sha256)
    return np.stack(channels), mask


def _load(path: Path, sha256: str) -> NDArray[Any]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", _CURE) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UserError(f"{path} changed since its cases.csv was written.", _CURE)
    return decode_png(content, path)
