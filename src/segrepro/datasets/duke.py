"""Duke-Breast-Cancer-MRI: 922 breast cancers in dynamic contrast-enhanced MRI."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._dicom import CURE, opened, shown
from segrepro.datasets._dicom_masks import MaskFile, read_mask
from segrepro.datasets._dicom_series import Series, read_series, read_values
from segrepro.datasets._duke_tables import (
    ALL_KINDS,
    COLLECTION,
    Key,
    Published,
    boxes,
    own_masks,
    published,
)
from segrepro.datasets._sheets import first_of
from segrepro.datasets._types import (
    Card,
    Case,
    Layout,
    Listing,
    PaperUse,
    Remark,
    Source,
    read_all,
)
from segrepro.errors import UserError

BOXES, MAPPING = "Annotation_Boxes", "Breast-Cancer-MRI-filepath_filename-mapping"
MASKS = "masks"
"""Folder of the user's own masks, and of ``masks.csv`` that says what each of them is."""
PHASE = "post_1"
"""First phase after the contrast agent: the one that is read where ``masks.csv`` names none."""
WIKI = "https://wiki.cancerimagingarchive.net/download/attachments/70226903"

HOW = (
    "Download the collection with TCIA's retriever (about 370 GB; any patients will do) and its "
    f"tables {BOXES} and {MAPPING}, then run `segrepro fetch duke --from DIR`. Masks of your own "
    f"go into {MASKS}/, with a {MASKS}.csv of columns patient,phase,kind,path "
    f"(kinds: {', '.join(ALL_KINDS)})."
)

CARD = Card(
    title="Duke-Breast-Cancer-MRI: dynamic contrast-enhanced MRI of breast cancer",
    licence="CC BY-NC 4.0",
    terms="Not for commercial use; publications cite Saha et al. 2018 and the collection's DOI.",
    citation=(
        "Saha A, Harowicz MR, Grimm LJ, et al. A machine learning approach to radiogenomics of "
        "breast cancer: a study of 922 subjects and 529 DCE-MRI features. British Journal of "
        "Cancer 119: 508-516, 2018. doi:10.1038/s41416-018-0185-8. Data: "
        "doi:10.7937/TCIA.e3sv-re93"
    ),
    url="https://www.cancerimagingarchive.net/collection/duke-breast-cancer-mri/",
    modality="MRI, T1-weighted, dynamic contrast-enhanced; the first phase after the agent",
    channels=("T1",),
    classes=("tumour",),
    background="everything else",
    group_unit="patient (`Breast_MRI_NNN`)",
    expected_cases=922,
    expected_groups=922,
    uses=(
        PaperUse(
            paper="reunet",
            says=(
                '700 images; "529 patients"; own tumour masks of 30 random patients, drawn in '
                "MicroDICOM and exported in DICOM format"
            ),
            holds=(
                "922 patients (529 is the number of features in the cited title), a box round "
                "each tumour, no masks; the paper's own were never published"
            ),
            choice=(
                "not reproducible: boxes stand in, or masks that a reader has, such as those of "
                "MAMA-MIA (Synapse syn60868042), which are drawn on the first phase after the "
                "agent"
            ),
        ),
    ),
    pitfalls=(
        "The publisher has boxes, no outlines: a case whose mask is a box ends in `_box`.",
        "The retriever changes names, so series are matched by UID, never by path.",
        "Phases are compared as whole names: `pre` occurs within other words.",
        "Files of slice 7 are called 1-7, 1-07 or 1-007: numbers are compared.",
        "Box numbers start at 1 and count files, which run to the head or to the feet.",
        "Slices are sorted by position; MONOCHROME1 and rescaling are honoured.",
        "The kind of each mask must be stated; it is never guessed from a file.",
        "Captured pictures have lost their grey values: only the mask is taken from them.",
    ),
)

_SERIES = f"{COLLECTION}/Breast_MRI_*/*/*/*.dcm"

SOURCES = (
    Source(
        path=f"manifest-*/{_SERIES}",
        client="tcia",
        reference=COLLECTION,
        unpinned="370 GB of files, of which TCIA states no SHA-256",
        how=HOW,
    ),
    *(
        Source(
            path=f"{name}.xlsx",
            url=f"{WIKI}/{name}.xlsx",
            unpinned="TCIA states no SHA-256",
            how=HOW,
        )
        for name in (BOXES, MAPPING)
    ),
)


def _layout(name: str, images: str) -> Layout:
    return Layout(
        name=name,
        required=(images, f"{MAPPING}.*"),
        optional=(
            f"{BOXES}.*",
            "Clinical_and_Other_Features.*",
            f"{MASKS}/**/*",
            "manifest-*/*.csv",
            f"manifest-*/{COLLECTION}/LICENSE",
        ),
        expected_files={f"{MAPPING}.*": 1, f"{BOXES}.*": 1},
    )


LAYOUTS = (
    _layout("what TCIA's retriever writes", f"manifest-*/{_SERIES}"),
    _layout("the same, without the folder of the manifest", _SERIES),
    _layout("one folder for each series, named by its UID", "[0-9]*.[0-9]*/*.dcm"),
)


@dataclass(frozen=True)
class _Box:
    """Voxels round a tumour; numbers as in the table: from 1, ends included."""

    rows: tuple[int, int]
    columns: tuple[int, int]
    slice_numbers: tuple[int, ...]
    """Of files on disk."""


@dataclass(frozen=True)
class _Study:
    """One phase of a patient, and what its mask is."""

    patient: str
    phase: str
    folder: Path
    uid: str = field(repr=False)
    masks: tuple[MaskFile, ...] = ()
    box: _Box | None = None

    @property
    def what(self) -> str:
        return f"{self.patient}, {self.phase}"


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per patient and phase, in the order of the patients' numbers."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the phases that have a mask or, without ``masks.csv``, a box.

    Parameters
    ----------
    raw
        Folder that holds any of the layouts.

    Raises
    ------
    UserError
        If tables or series are missing, or ``masks.csv`` says something that cannot be.
    """
    mapping = first_of(raw, MAPPING)
    folders = _series_folders(raw)
    if mapping is None or not folders:
        wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
        raise UserError(f"no Duke breast MRI in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    own = own_masks(raw / MASKS)
    series = published(mapping, numbers_of={PHASE, *(phase for _, phase in own)})
    on_disk = _on_disk(folders, {entry.uid: key for key, entry in series.items()})
    patients = {patient for patient, _ in on_disk}
    if not patients:
        raise UserError(
            f"{mapping} lists none of the {len(folders)} series in {raw}.",
            "Compare both with the collection: series are matched by their UIDs.",
        )
    masks = own or {(patient, PHASE): () for patient in patients}
    box_of = {} if all(masks.values()) else _boxes(raw)
    studies = []
    for key in sorted(masks):
        folder, uid = _there(key, on_disk)
        box = None if masks[key] else _box(key, series[key], box_of)
        studies.append(_Study(*key, folder, uid, masks[key], box))
    return Listing(cases=tuple(studies), remarks=tuple(_remarks(studies, patients)))


def _remarks(studies: Iterable[_Study], patients: set[str]) -> Iterator[Remark]:
    for study in studies:
        if study.box is not None:
            yield Remark(
                path=study.patient,
                remark=f"{_case_id(study)}: its mask is the annotation box, not an outline",
            )
    if others := sorted(patients - {study.patient for study in studies}):
        yield Remark(
            path=f"{MASKS}/{MASKS}.csv",
            remark=f"does not list {len(others)} of the patients, such as {others[0]}: left out",
        )


def _series_folders(raw: Path) -> list[Path]:
    """Return the folders that hold DICOM files, in any of the layouts."""
    patterns = (f"manifest-*/{COLLECTION}/Breast_MRI_*/*/*", f"{COLLECTION}/Breast_MRI_*/*/*")
    found = (path for pattern in (*patterns, "[0-9]*.[0-9]*") for path in raw.glob(pattern))
    return sorted(path for path in found if path.is_dir() and any(path.glob("[!.]*.dcm")))


def _on_disk(folders: Iterable[Path], by_uid: Mapping[str, Key]) -> dict[Key, tuple[Path, str]]:
    """Return the folder and the UID of each phase that is there; other series are left aside."""
    found: dict[Key, tuple[Path, str]] = {}
    for folder in folders:
        uid = folder.name if folder.name in by_uid else _series_uid(folder)
        key = by_uid.get(uid)
        if key is None:
            continue
        if key in found:
            raise UserError(f"{key[0]}, {key[1]} is there in two folders.", "Remove one of them.")
        found[key] = (folder, uid)
    return found


def _series_uid(folder: Path) -> str:
    path = min(folder.glob("[!.]*.dcm"))
    with opened(path, shown(path, "a series"), pixels=False) as dataset:
        return str(dataset.SeriesInstanceUID)


def _there(key: Key, on_disk: Mapping[Key, tuple[Path, str]]) -> tuple[Path, str]:
    if key not in on_disk:
        raise UserError(
            f"there is no series of {key[0]}, {key[1]}.",
            f"Download it from TCIA; {MAPPING} says which it is.",
        )
    return on_disk[key]


def _boxes(raw: Path) -> dict[str, tuple[int, ...]]:
    table = first_of(raw, BOXES)
    if table is None:
        raise UserError(
            f"there are no masks and no {BOXES}.xlsx (or .csv) in {raw}.", f"{CARD.url}: {HOW}"
        )
    return boxes(table)


def _box(key: Key, series: Published, box_of: Mapping[str, tuple[int, ...]]) -> _Box:
    patient, phase = key
    if patient not in box_of:
        raise UserError(f"{patient} has no row in {BOXES}.", CURE)
    top, bottom, left, right, first, last = box_of[patient]
    numbers = range(first, last + 1)
    if not all(number in series.numbers for number in numbers):
        raise UserError(
            f"{patient}, {phase}: its box spans slices {first} to {last}, of which {MAPPING} does "
            "not list all.",
            CURE,
        )
    files = tuple(series.numbers[number] for number in numbers)
    return _Box((top, bottom), (left, right), files)


def _case_id(study: _Study) -> str:
    return f"{study.patient}_{study.phase}{'_box' if study.box else ''}"


def read_case(found: _Study) -> Case:
    """Return one phase of a patient.

    Raises
    ------
    UserError
        If a file is broken, the slices make no volume, or the mask does not fit them.
    """
    series = read_series(found.folder, uid=found.uid, what=found.what)
    if found.box is not None:
        mask = _in_box(found.box, series)
    else:
        mask = np.zeros(series.shape, dtype=np.bool_, order="F")
        for file in found.masks:
            mask |= read_mask(file, series)
    return Case(
        case_id=_case_id(found),
        group_id=found.patient,
        channels=read_values(series)[np.newaxis],
        mask=mask.astype(np.uint8),
        spacing_mm=series.spacing_mm,
        affine=series.affine,
    )


def _in_box(box: _Box, series: Series) -> NDArray[np.bool_]:
    columns, rows, _ = series.shape
    numbered = series.index_by_number()
    if box.rows[1] > rows or box.columns[1] > columns:
        raise UserError(
            f"{series.what}: its box is larger than its {columns} x {rows} pixels.", CURE
        )
    if missing := [number for number in box.slice_numbers if number not in numbered]:
        raise UserError(f"{series.what}: the file of slice {missing[0]} is not there.", CURE)
    mask = np.zeros(series.shape, dtype=np.bool_, order="F")
    for number in box.slice_numbers:
        mask[
            box.columns[0] - 1 : box.columns[1], box.rows[0] - 1 : box.rows[1], numbered[number]
        ] = True
    return mask
