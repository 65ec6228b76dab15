"""Regions of interest that OsiriX exported as an Apple property list ("Export ROIs")."""

import plistlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

import numpy as np
from numpy.typing import NDArray

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
MOST_BYTES = 64 << 20
_NUMBER = r"\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*"
_POINT = re.compile(rf"\({_NUMBER},{_NUMBER}\)")


@dataclass(frozen=True)
class Region:
    """One region, as drawn."""

    name: str
    points: NDArray[np.float64]
    """Shape (N, 2): x, y in pixels."""
    stated_points: int | None
    """What ``NumberOfPoints`` says, which need not be N."""


def read_regions(path: Path) -> tuple[Region, ...]:
    """Return the regions of all images in a file, by key, never by position.

    Raises
    ------
    UserError
        If the file is no such list.
    """
    try:
        # plistlib refuses declarations of entities: no file grows while it is read.
        content = plistlib.loads(_bytes(path), fmt=plistlib.FMT_XML)
        return tuple(_region(roi) for image in content["Images"] for roi in image.get("ROIs") or ())
    # plistlib reports a broken file in any of these, depending on where it breaks.
    except (
        ExpatError,
        plistlib.InvalidFileException,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        OverflowError,
    ) as error:
        raise UserError(
            f"{path} is no list of regions of interest ({type(error).__name__}).", CURE
        ) from error


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError("far larger than any list of outlines")
    return path.read_bytes()


def _region(roi: dict[str, Any]) -> Region:
    points = [_point(text) for text in roi["Point_px"]]
    if not points:
        raise ValueError("a region without points")
    stated = roi.get("NumberOfPoints")
    return Region(
        name=str(roi["Name"]),
        points=np.array(points, dtype=np.float64),
        stated_points=None if stated is None else int(stated),
    )


def _point(text: str) -> tuple[float, float]:
    match = _POINT.fullmatch(text.strip())
    if match is None:
        raise ValueError("no point")
    x, y = float(match[1]), float(match[2])
    if not (abs(x) < 1e6 and abs(y) < 1e6):
        raise ValueError("a point far away")
    return x, y
