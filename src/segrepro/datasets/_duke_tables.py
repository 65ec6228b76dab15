"""The tables of Duke-Breast-Cancer-MRI, and the one in which a user says what his masks are."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from segrepro.datasets._dicom_masks import KINDS, MaskFile
from segrepro.datasets._sheets import rows_of
from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
COLLECTION = "Duke-Breast-Cancer-MRI"
PHASES = ("pre", "post_1", "post_2", "post_3", "post_4", "T1")
ALL_KINDS = (*KINDS, "nifti", "boxes")
MASKS = "masks.csv"
PATIENT = re.compile(r"Breast_MRI_\d{3}")
ORIGINAL = re.compile(r"DICOM_Images/(Breast_MRI_\d{3})/([^/]+)/[^/]*?(\d+)\.dcm")
CLASSIC = re.compile(rf"{COLLECTION}/[^/]+/[^/]+/([0-9.]+)/[^/]*?(\d+)\.dcm")
BOX_COLUMNS = (
    "Patient ID",
    "Start Row",
    "End Row",
    "Start Column",
    "End Column",
    "Start Slice",
    "End Slice",
)
Key = tuple[str, str]
"""Patient and phase."""


@dataclass
class Published:
    """What the mapping table says of a phase."""

    uid: str
    numbers: dict[int, int] = field(default_factory=dict)
    """Number of a slice as the boxes count, and as it is in the file's name on disk."""


def published(mapping: Path, *, numbers_of: set[str]) -> dict[Key, Published]:
    """Return what the mapping table says of each phase of each patient.

    Parameters
    ----------
    mapping
        The table, of which each row is a file.
    numbers_of
        Phases whose slices are numbered, too: the table lists 770,000 files.

    Raises
    ------
    UserError
        If the table is broken, holds no path of the published form, or contradicts itself.
    """
    series: dict[Key, Published] = {}
    seen = 0
    for original, classic in rows_of(mapping, ("original_path_and_filename", "classic_path")):
        here, there = ORIGINAL.fullmatch(original), CLASSIC.fullmatch(classic)
        if here is None or there is None:
            continue  # files that were added to the collection later
        seen += 1
        # Some copies of the table leave out the "_".
        phase = re.sub(r"^post(\d)$", r"post_\1", here[2])
        # The whole name: "pre" is part of other words, too.
        if phase not in PHASES:
            continue
        entry = series.setdefault((here[1], phase), Published(there[1]))
        if entry.uid != there[1]:
            raise UserError(f"{mapping} gives {here[1]}, {phase} two series.", CURE)
        if phase in numbers_of:
            entry.numbers[int(here[3])] = int(there[2])
    if not seen:
        # The cells hold UIDs: they are not shown.
        raise UserError(f"{mapping} holds no paths of the published form.", CURE)
    return series


def own_masks(folder: Path) -> dict[Key, tuple[MaskFile, ...]]:
    """Return the rows of ``masks.csv`` by patient and phase; a box is no file.

    Parameters
    ----------
    folder
        Holds the masks and their table, or does not exist.

    Raises
    ------
    UserError
        If there are masks without a table, or a row says something that cannot be.
    """
    table = folder / MASKS
    if not table.is_file():
        if folder.is_dir() and any(folder.glob("[!.]*")):
            raise UserError(
                f"{folder} holds files, but no {table.name} that says what they are.",
                "Write one with the columns patient,phase,kind,path; kinds are "
                f"{', '.join(ALL_KINDS)}.",
            )
        return {}
    found: dict[Key, tuple[MaskFile, ...]] = {}
    rows = rows_of(table, ("patient", "phase", "kind", "path"), ("slice", "segment"))
    for row, (patient, phase, kind, path, number, segment) in enumerate(rows, start=2):
        what = f"row {row} of {table}"
        _check_row(what, patient, phase, kind)
        masks = found.get((patient, phase), ())
        if kind != "boxes":
            file = MaskFile(
                kind=kind,
                path=_inside(folder, path, what),
                row=row,
                slice_number=_whole(number, what),
                segment=_whole(segment, what),
            )
            masks = (*masks, file)
        found[patient, phase] = masks
    if not found:
        raise UserError(f"{table} lists no masks.", "Fill it, or remove it to use the boxes.")
    return found


def _check_row(what: str, patient: str, phase: str, kind: str) -> None:
    if PATIENT.fullmatch(patient) is None:
        raise UserError(
            f"{what} names no patient of the collection.",
            "Write it as Breast_MRI_001.",
        )
    if phase not in PHASES:
        raise UserError(f"{what} names no phase.", f"It is one of {', '.join(PHASES)}.")
    if kind not in ALL_KINDS:
        raise UserError(
            f"{what} does not say of which kind the mask is.",
            f"It is never guessed; it is one of {', '.join(ALL_KINDS)}.",
        )


def _inside(folder: Path, name: str, what: str) -> Path:
    path = folder / name
    if not name or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{what}: its path leads out of {folder}.", "Put the mask into it.")
    if not path.exists():
        raise UserError(f"{what}: its mask is not there.", f"Put it into {folder}.")
    return path


def _whole(text: str, what: str) -> int | None:
    if text and not text.isdecimal():
        raise UserError(f"{what} has a slice or segment that is no number.", "Write 1, 2, ...")
    return int(text) if text else None


def boxes(table: Path) -> dict[str, tuple[int, ...]]:
    """Return the box of each patient: first and last row, column and slice, counted from 1.

    Raises
    ------
    UserError
        If the table is broken, or a box is none.
    """
    found = {}
    for patient, *numbers in rows_of(table, BOX_COLUMNS):
        if not all(number.isdecimal() and int(number) > 0 for number in numbers):
            raise UserError(f"{table}: the box of a patient is not six numbers from 1 on.", CURE)
        box = tuple(int(number) for number in numbers)
        if any(box[index] > box[index + 1] for index in (0, 2, 4)):
            raise UserError(f"{table}: a box ends before it starts.", CURE)
        found[patient] = box
    return found
