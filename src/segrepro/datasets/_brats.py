"""What the editions of BraTS share: the files of a case, its grid and its labels."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from segrepro.datasets._nifti import CURE, read_volumes
from segrepro.datasets._types import Case
from segrepro.datasets._volumes import check_one_grid, labels_of, stacked
from segrepro.errors import UserError

CHANNELS = ("FLAIR", "T1", "T1ce", "T2")
CLASSES = ("NCR-NET", "ED", "ET")
SUFFIXES = ("flair", "t1", "t1ce", "t2")
"""Of the file names, one for each channel."""
LABELS = {0: 0, 1: 1, 2: 2, 4: 3}
"""Stored value to label: 1 NCR/NET, 2 ED, 4 ET. 3 is not used since 2017."""
ENDINGS = (".nii.gz", ".nii")

PITFALLS = (
    "Stored labels are 1 NCR/NET, 2 ED and 4 ET; other editions number the tissues differently.",
    "Editions differ in orientation (LPS or RAS), so affines are compared within a case.",
    "Outside the brain an image is exactly 0, about 83 % of the voxels: normalise inside.",
    "Labels may be stored as floating point numbers.",
    "The same patients recur in the editions: never pool them without name_mapping.csv.",
)


@dataclass(frozen=True)
class Scan:
    """Where the files of a case are."""

    case_id: str
    group_id: str
    site: str
    channels: tuple[Path, ...]
    """One file for each of `CHANNELS`."""
    mask: Path


def case_folders(root: Path, prefix: str) -> list[Path]:
    """Return the folders below `root` whose name begins with `prefix`: 2 before 10."""
    folders = [path for path in root.glob(f"{prefix}*") if path.is_dir()]
    return sorted(folders, key=lambda path: _natural(path.name))


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdecimal() else (0, part) for part in parts]


def scan_in(folder: Path, *, group_id: str, site: str) -> Scan:
    """Return the files of the case that has a folder of its own name.

    Raises
    ------
    UserError
        If a channel or the segmentation is missing, or several files may be the segmentation.
    """
    case_id = folder.name
    channels = [_file(folder, f"{case_id}_{suffix}") for suffix in SUFFIXES]
    missing = [suffix for suffix, path in zip(SUFFIXES, channels, strict=True) if path is None]
    if missing:
        raise UserError(f"{folder} has no {case_id}_{missing[0]}.nii.gz (or .nii).", CURE)
    present = tuple(path for path in channels if path is not None)
    mask = _file(folder, f"{case_id}_seg") or _odd_one(folder, present)
    return Scan(case_id, group_id, site, present, mask)


def _file(folder: Path, stem: str) -> Path | None:
    paths = (folder / f"{stem}{ending}" for ending in ENDINGS)
    return next((path for path in paths if path.is_file()), None)


def _odd_one(folder: Path, channels: Sequence[Path]) -> Path:
    # Case 355 of 2020 keeps the name that the clinic gave its segmentation.
    stems = {_stem(path) for path in channels}
    others = sorted(
        path
        for path in folder.iterdir()
        if path.name.endswith(ENDINGS)
        and not path.name.startswith(".")
        and _stem(path) not in stems
    )
    if len(others) != 1:
        raise UserError(
            f"{folder} has no {folder.name}_seg.nii.gz (or .nii), and {len(others)} other files "
            "that might be it, not one.",
            CURE,
        )
    return others[0]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def read_scan(scan: Scan) -> Case:
    """Return a case, its channels in the order of `CHANNELS`.

    Raises
    ------
    UserError
        If a file is broken, lies on another grid, or the segmentation holds other values.
    """
    volumes = read_volumes((*scan.channels, scan.mask))
    check_one_grid(volumes)
    mask = volumes.pop(scan.mask)
    return Case(
        case_id=scan.case_id,
        group_id=scan.group_id,
        channels=stacked(volumes),
        mask=labels_of(mask.values, LABELS, scan.mask),
        spacing_mm=mask.spacing_mm,
        affine=mask.affine,
        site=scan.site,
    )
