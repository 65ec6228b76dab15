"""Synthetic abdominal CT in the layout of KiTS23.

The field of view is about the published one, on a reduced grid: 32 slices of 128 x 128 pixels,
5 mm thick and 3 mm wide, instead of 29 to 1059 slices of 512 x 512. Axes, in file order: towards
the feet, the back and the patient's left.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.files import write_json
from segrepro.phantoms._volumes import Field, Grid, write_nifti
from segrepro.progress import progress

SLICES, SIDE, ODD_WIDTH = 32, 128, 144
THICKNESS_MM, PIXEL_MM = 5.0, 3.0
KIDNEY, TUMOUR, CYST = 1, 2, 3
FILE_NAMES = {KIDNEY: "kidney", TUMOUR: "tumor", CYST: "cyst"}


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write images, labels, one annotation of each instance and the table of patients.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Patients. Of two or more, the last is number 400, since 300 to 399 do not exist; the
        second is wider than high, as three of the published ones. Two of three have a cyst.
    seed
        Equal seeds give equal bytes.
    """
    numbers = list(range(cases))
    if cases > 1:
        numbers[-1] = 400
    seeds = np.random.SeedSequence(seed).spawn(cases)
    for index, own in progress(enumerate(seeds), total=cases, what="phantom kits23"):
        width = ODD_WIDTH if index == 1 else SIDE
        grid = Grid((SLICES, SIDE, width), (THICKNESS_MM, PIXEL_MM, PIXEL_MM))
        abdomen = _abdomen(grid, np.random.default_rng(own), cyst=index % 3 != 2)
        _write_case(raw / "dataset" / f"case_{numbers[index]:05d}", abdomen, hidden=index == 0)
    table = [_patient(number) for number in numbers]
    write_json(raw / "dataset" / "kits23.json", table)


@dataclass(frozen=True)
class _Abdomen:
    image_hu: NDArray[np.float64]
    instances: dict[str, NDArray[np.bool_]]
    """By name: ``"kidney_instance-1"``."""

    def labels(self) -> NDArray[np.uint8]:
        """Return the published order of overwriting: kidney, cyst, tumour."""
        labels = np.zeros(self.image_hu.shape, np.uint8)
        for label in (KIDNEY, CYST, TUMOUR):
            for name, inside in self.instances.items():
                if name.startswith(FILE_NAMES[label]):
                    labels[inside] = label
        return labels


def _write_case(folder: Path, abdomen: _Abdomen, *, hidden: bool) -> None:
    affine = np.zeros((4, 4))
    affine[0, 2] = affine[1, 1] = -PIXEL_MM
    affine[2, 0], affine[3, 3] = -THICKNESS_MM, 1.0
    # Whole numbers in 64 bits of floating point, as published.
    write_nifti(folder / "imaging.nii.gz", abdomen.image_hu, affine)
    write_nifti(folder / "segmentation.nii.gz", abdomen.labels(), affine)
    for name, inside in abdomen.instances.items():
        path = folder / "instances" / f"{name}_annotation-1.nii.gz"
        write_nifti(path, inside.astype(np.uint8), affine)
        if hidden and name.startswith("tumor"):
            write_nifti(path.with_name(f".suppl.{path.name}"), inside.astype(np.uint8), affine)


def _abdomen(grid: Grid, rng: np.random.Generator, *, cyst: bool) -> _Abdomen:
    wobble = grid.texture(30, rng)
    image = _trunk(grid, wobble, rng)
    kidneys = [_kidney(grid, side, image, rng) for side in (-1, 1)]
    instances = {f"kidney_instance-{index}": shape for index, (shape, _) in enumerate(kidneys, 1)}
    sick = int(rng.integers(2))
    tumour = _lump(grid, kidneys[sick][1], rng.uniform(14, 28), wobble, rng)
    image[tumour] = (70 + 28 * grid.texture(9, rng))[tumour]
    instances["tumor_instance-1"] = tumour
    if cyst:
        fluid = _lump(grid, kidneys[1 - sick][1], rng.uniform(9, 16), 0.3 * wobble, rng)
        image[fluid] = 8
        instances["cyst_instance-1"] = fluid
    image += 14 * rng.standard_normal(grid.shape, dtype=np.float32)
    return _Abdomen(np.rint(np.clip(image, -1024, 3071)).astype(np.float64), instances)


def _trunk(grid: Grid, wobble: Field, rng: np.random.Generator) -> Field:
    """Return an abdomen without kidneys, in Hounsfield units."""
    tall = 900.0  # nothing ends inside the field of view
    skin = grid.reach((0, 0, 0), (tall, rng.uniform(105, 120), rng.uniform(150, 172)))
    muscle = grid.reach((0, 2, 0), (tall, 86, 130)) + 0.03 * wobble
    cavity = grid.reach((0, -4, 0), (tall, 66, 112)) + 0.04 * wobble
    spine = grid.reach((0, 52, 0), (tall, 22, 22)) + 0.05 * wobble
    # The liver is on the patient's right, where the index of the last axis is low.
    liver = grid.reach((-60, -12, -58), (75, 48, 58)) + 0.08 * wobble
    bowel = (grid.texture(24, rng) > 0.5) & (cavity < 0.95)
    image: Field = np.full(grid.shape, -1000.0, np.float32)
    for inside, level_hu in (
        (skin < 1, -95),
        (muscle < 1, 55),
        (cavity < 1, -105),
        (bowel, 35),
        (liver < 1, 105),
        (spine < 1, 330),
        (spine < 0.6, 170),
    ):
        image[inside] = level_hu
    return image + 8 * grid.texture(12, rng) * (skin < 1)


def _kidney(
    grid: Grid, side: int, image: Field, rng: np.random.Generator
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Draw one kidney; return its inside and a place on its outer surface, in millimetres."""
    centre = np.array([rng.uniform(-8, 8), 26.0, side * 68.0]) + rng.uniform(-4, 4, 3)
    radii = np.array([54.0, 24.0, 28.0]) * rng.uniform(0.9, 1.1, 3)
    reach = grid.reach(centre, radii)
    hilum = grid.reach(centre - (0, 0, side * radii[2]), (20, 12, 17))
    inside = (reach < 1) & (hilum > 1)
    image[reach < 1.12] = -100  # the fat around it
    image[inside] = 190
    image[inside & (reach < 0.6)] = 130
    direction = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.6, 0.6), side])
    return inside, centre + direction / np.linalg.norm(direction) * radii


def _lump(
    grid: Grid,
    centre_mm: NDArray[np.float64],
    radius_mm: float,
    wobble: Field,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    radii = radius_mm * rng.uniform(0.85, 1.15, 3)
    lump: NDArray[np.bool_] = grid.reach(centre_mm, radii) + 0.1 * wobble < 1
    return lump


def _patient(number: int) -> dict[str, object]:
    """Return a row of the table with the publisher's keys, as far as it is used by anyone here."""
    return {
        "case_id": f"case_{number:05d}",
        "gender": "female" if number % 2 else "male",
        "age_at_nephrectomy": 45 + number % 30,
        "radiographic_size": 2.5,
        "malignant": True,
        "tumor_histologic_subtype": "clear_cell_rcc",
    }
