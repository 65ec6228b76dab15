"""Synthetic breast MRI in the layout of Duke-Breast-Cancer-MRI, with masks in every form.

The field of view is about the published one, on a reduced grid: 24 slices of 96 x 96 pixels, 6 mm
apart and 3.6 mm wide, instead of some 160 slices of 448 x 448 or 512 x 512.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID, MRImageStorage

from segrepro.files import write_text
from segrepro.phantoms._dicom import new_image, new_uid, write_dicom
from segrepro.phantoms._duke_masks import WRITERS, Drawn
from segrepro.phantoms._volumes import Field, Grid
from segrepro.phantoms._workbook import write_workbook
from segrepro.progress import progress

COLLECTION = "Duke-Breast-Cancer-MRI"
MANIFEST = "manifest-1700000000000"
SHAPE, SPACING_MM = (96, 96, 24), (3.6, 3.6, 6.0)
GRID = Grid(SHAPE, SPACING_MM)
KINDS = ("seg", "overlay", "gsps", "mask-sc", "burned-in", "nifti", "boxes")
# Signal of fat, gland, muscle and tumour before and after the contrast agent (fat is suppressed).
SIGNAL = {"pre": (60, 170, 150, 180), "post_1": (65, 230, 175, 520), "post_2": (65, 250, 185, 450)}


@dataclass(frozen=True)
class _Patient:
    name: str
    phases: tuple[str, ...]
    """Of which the first is only there to be left aside."""
    first_row: int
    """Number of the first of its cases, which decides the kind of the mask."""


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write series, tables, and masks of a user's own.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Phases with a mask, the kinds of masks taking turns. Of four or more, the first two are of
        one patient. Files of every second patient are numbered from the feet to the head, of the
        others from the head to the feet; every third patient's pictures are MONOCHROME1, and
        file names have as many zeros as three retrievers would write.
    seed
        Equal seeds give equal bytes.
    """
    patients = _patients(cases)
    seeds = np.random.SeedSequence(seed).spawn(len(patients))
    mapping: list[tuple[str, str, str]] = []
    boxes: list[tuple[str | int, ...]] = []
    masks = ["patient,phase,kind,path"]
    for index, patient in progress(enumerate(patients), total=len(patients), what="phantom duke"):
        rng = np.random.default_rng(seeds[index])
        tissue = _breasts(rng)
        study = new_uid(rng)
        for phase in patient.phases:
            series = _Series(patient.name, phase, study, new_uid(rng), index)
            drawn = _write_series(raw, series, tissue, rng)
            mapping += series.mapping()
            if phase != patient.phases[0]:
                kind = KINDS[(patient.first_row + patient.phases.index(phase) - 1) % len(KINDS)]
                masks.append(_write_mask(raw / "masks", series, kind, drawn, rng))
        boxes.append((patient.name, *_box(tissue == 3, from_feet=index % 2 == 0)))
    write_text(raw / "masks" / "masks.csv", "\n".join(masks) + "\n")
    head = ("original_path_and_filename", "classic_path", "descriptive_path")
    stem = "Breast-Cancer-MRI-filepath_filename-mapping"
    write_workbook(raw / f"{stem}.xlsx", [head, *mapping])
    columns = ("Patient ID", "Start Row", "End Row", "Start Column", "End Column")
    write_workbook(raw / "Annotation_Boxes.xlsx", [(*columns, "Start Slice", "End Slice"), *boxes])


def _patients(cases: int) -> list[_Patient]:
    rows = list(range(cases))
    phases: list[tuple[str, ...]] = [("pre", "post_1")] * cases
    if cases > 3:
        phases[0] = ("pre", "post_1", "post_2")
        del rows[1], phases[1]
    return [
        _Patient(f"Breast_MRI_{number:03d}", names, row)
        for number, (row, names) in enumerate(zip(rows, phases, strict=True), start=1)
    ]


@dataclass(frozen=True)
class _Series:
    patient: str
    phase: str
    study: UID
    uid: UID
    index: int
    """Of the patient."""

    @property
    def from_feet(self) -> bool:
        return self.index % 2 == 0

    def number(self, slice_index: int) -> int:
        """Return the number of a slice, which its file's name and the boxes count from 1."""
        return slice_index + 1 if self.from_feet else SHAPE[2] - slice_index

    def folder(self) -> str:
        """Return the folder as the retriever names it, by the ends of the UIDs."""
        exam = f"01-01-1990-NA-MRI BREAST BILATERAL WWO-{str(self.study)[-5:]}"
        order = list(SIGNAL).index(self.phase) + 3
        return f"{COLLECTION}/{self.patient}/{exam}/{order}.000000-ax dyn-{str(self.uid)[-5:]}"

    def mapping(self) -> list[tuple[str, str, str]]:
        """Return the rows of the table; it pads numbers otherwise than the retriever does."""
        here = f"{self.patient}/{self.phase}/{self.patient}_{self.phase}"
        there = f"{COLLECTION}/{self.patient}/{self.study}/{self.uid}"
        return [
            (
                f"DICOM_Images/{here}_{number:03d}.dcm",
                f"{there}/1-{number:02d}.dcm",
                f"\n{self.folder()}/1-{number:02d}.dcm",
            )
            for number in range(1, SHAPE[2] + 1)
        ]


def _breasts(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return 0 fat, 1 gland, 2 muscle, 3 tumour, -1 air, on axes to the left, back and head."""
    size = rng.uniform(0.9, 1.1)
    radii = (62 * size, 82 * size, 66 * size)
    breasts = [GRID.reach((side * 74, -30, 0), radii) for side in (-1, 1)]
    glands = [
        GRID.reach((side * 74, -48, 0), 0.58 * np.array(radii)) + 0.25 * GRID.texture(18, rng)
        for side in (-1, 1)
    ]
    chest = GRID.reach((0, 120, 0), (175, 118, 600))
    wall = GRID.reach((0, 120, 0), (163, 104, 600))
    side = int(rng.integers(2))
    centre = np.array([(-74, 74)[side], -46.0, 0]) + rng.uniform(-22, 22, 3)
    tumour = GRID.reach(centre, rng.uniform(11, 20) * rng.uniform(0.85, 1.25, 3))
    tumour += 0.12 * GRID.texture(12, rng)
    tissue = np.full(SHAPE, -1)
    tissue[(np.minimum(*breasts) < 1) | (chest < 1)] = 0
    tissue[(np.minimum(*glands) < 1) & (np.minimum(*breasts) < 0.94)] = 1
    tissue[wall < 1] = 2
    tissue[(tumour < 1) & (breasts[side] < 1) & (wall > 1)] = 3
    return tissue


def _image(tissue: NDArray[np.int64], phase: str, rng: np.random.Generator) -> NDArray[np.int16]:
    levels = np.array([*SIGNAL[phase], 4], np.float32)
    image: Field = levels[tissue]
    image *= 1 + 0.08 * GRID.texture(90, rng) + 0.05 * GRID.texture(9, rng)
    image += 9 * rng.standard_normal(SHAPE, dtype=np.float32)
    return np.clip(np.rint(image), 0, 1023).astype(np.int16)


def _write_series(
    raw: Path, series: _Series, tissue: NDArray[np.int64], rng: np.random.Generator
) -> Drawn:
    image = _image(tissue, series.phase, rng)
    uids = tuple(new_uid(rng) for _ in range(SHAPE[2]))
    corner = [-(side - 1) / 2 * step for side, step in zip(SHAPE, SPACING_MM, strict=True)]
    for index, uid in enumerate(uids):
        plane = image[..., index].T
        inverted = series.index % 3 == 2
        stored = np.ascontiguousarray(1023 - plane if inverted else plane).astype(np.uint16)
        dataset = new_image(stored, sop_class=MRImageStorage, uid=uid, bits=10)
        dataset.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
        dataset.Modality, dataset.StudyDate = "MR", "19900101"
        dataset.PatientName = dataset.PatientID = series.patient
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = series.study, series.uid
        dataset.InstanceNumber = series.number(index)
        dataset.PixelSpacing = [SPACING_MM[1], SPACING_MM[0]]
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        position = [*corner[:2], corner[2] + index * SPACING_MM[2]]
        dataset.ImagePositionPatient = [round(value, 4) for value in position]
        digits = (1, 2, 3)[series.index % 3]
        name = f"1-{series.number(index):0{digits}d}.dcm"
        write_dicom(raw / MANIFEST / series.folder() / name, dataset)
    affine = np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0])
    affine[:3, 3] = (-corner[0], -corner[1], corner[2])
    return Drawn(uids, tissue == 3, image, affine)


def _write_mask(
    folder: Path, series: _Series, kind: str, drawn: Drawn, rng: np.random.Generator
) -> str:
    """Write a mask and return its row of ``masks.csv``."""
    name = f"{series.patient}_{series.phase}"
    path = "" if kind == "boxes" else f"{name}/{WRITERS[kind](folder / name, drawn, rng)}"
    return f"{series.patient},{series.phase},{kind},{path}"


def _box(tumour: NDArray[np.bool_], *, from_feet: bool) -> tuple[int, ...]:
    """Return rows, columns and slices of the box: from 1, both ends included."""
    ends = [
        np.flatnonzero(tumour.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)
    ]
    columns, rows, slices = ends
    if not from_feet:
        slices = SHAPE[2] - 1 - slices[::-1]
    return tuple(int(value) + 1 for value in (*rows, *columns, *slices))
