"""Synthetic gliomas in four MRI sequences: what the phantoms of the BraTS editions share.

The field of view is the published one, 240 x 240 x 156 mm, on a reduced grid: 80 x 80 x 52 voxels
of 3 mm instead of 240 x 240 x 155 of 1 mm.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segrepro.phantoms._volumes import Field, Grid, write_nifti

SHAPE, STEP_MM = (80, 80, 52), 3.0
GRID = Grid(SHAPE, (STEP_MM, STEP_MM, STEP_MM))
NECROSIS, OEDEMA, ENHANCING = 1, 2, 4

# Grey levels of white matter, grey matter, fluid, oedema, enhancing rim, necrotic core.
LEVELS = {
    "flair": (310, 400, 90, 720, 600, 330),
    "t1": (520, 390, 130, 350, 330, 230),
    "t1ce": (530, 400, 140, 360, 950, 250),
    "t2": (300, 400, 900, 720, 560, 800),
}


@dataclass(frozen=True)
class Patient:
    """One synthetic scan."""

    images: dict[str, NDArray[np.int16]]
    """By suffix of the file name."""
    labels: NDArray[np.uint8]


def affine() -> NDArray[np.float64]:
    """Return the affine: LPS axes, as in most published volumes."""
    matrix = np.diag([-STEP_MM, -STEP_MM, STEP_MM, 1.0])
    matrix[1, 3] = (SHAPE[1] - 1) * STEP_MM
    return matrix


def patient(rng: np.random.Generator) -> Patient:
    """Return a brain with one tumour: necrotic core, enhancing rim, oedema."""
    brain, tissue = _brain(rng)
    labels = _tumour(brain, rng)
    tissue = np.select(
        [labels == OEDEMA, labels == ENHANCING, labels == NECROSIS], [3, 4, 5], tissue
    )
    images = {name: _image(tissue, brain, levels, rng) for name, levels in LEVELS.items()}
    return Patient(images, labels)


def _brain(rng: np.random.Generator) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return the inside of the brain, and 0 white matter, 1 grey matter, 2 fluid."""
    radii = np.array([68.0, 86.0, 62.0]) * rng.uniform(0.93, 1.05, 3)
    reach = GRID.reach((0, 0, 0), radii) + 0.03 * GRID.texture(14, rng)
    folds = GRID.texture(8, rng)
    grey = (reach > 0.86 + 0.05 * folds) | ((reach > 0.5) & (folds > 1.3))
    ventricles = np.minimum(
        GRID.reach((-11, -4, 4), (7, 30, 13)), GRID.reach((11, -4, 4), (7, 30, 13))
    )
    fluid = (ventricles + 0.08 * folds < 1) | (reach > 0.97)
    return reach < 1, np.where(fluid, 2, np.where(grey, 1, 0))


def _tumour(brain: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.uint8]:
    side = rng.choice([-1, 1])
    centre = np.array([side * rng.uniform(24, 40), rng.uniform(-40, 40), rng.uniform(-18, 22)])
    size_mm = rng.uniform(13, 24)
    core = GRID.reach(centre, size_mm * rng.uniform(0.8, 1.2, 3)) + 0.12 * GRID.texture(16, rng)
    swelling = GRID.reach(
        centre + rng.uniform(-5, 5, 3), size_mm * rng.uniform(1.5, 2.1, 3)
    ) + 0.25 * GRID.texture(15, rng)
    labels = np.zeros(SHAPE, np.uint8)
    labels[brain & (swelling < 1)] = OEDEMA
    labels[brain & (core < 1)] = ENHANCING
    labels[brain & (core < rng.uniform(0.55, 0.75))] = NECROSIS
    return labels


def _image(
    tissue: NDArray[np.int64],
    brain: NDArray[np.bool_],
    levels: tuple[int, ...],
    rng: np.random.Generator,
) -> NDArray[np.int16]:
    shade: Field = ndimage.gaussian_filter(np.asarray(levels, np.float32)[tissue], 0.55)
    # Coils make one side brighter than the other, and scanners have units of their own.
    shade *= (1 + 0.07 * GRID.texture(120, rng)) * rng.uniform(0.7, 1.4)
    shade += 22 * rng.standard_normal(SHAPE, dtype=np.float32) + 12 * GRID.texture(7, rng)
    # Skull stripped: exactly 0 outside, never 0 inside.
    return np.where(brain, np.clip(np.rint(shade), 1, 32767), 0).astype(np.int16)


def write_case(
    folder: Path, synthetic: Patient, *, segmentation: str | None, ending: str = ".nii.gz"
) -> None:
    """Write the files of a case, which all begin with the name of its folder.

    Parameters
    ----------
    folder
        Named by the case.
    synthetic
        What to write.
    segmentation
        Name of the label file; ``None`` leaves it out, as in the validation data.
    ending
        Of the image files.
    """
    for suffix, image in synthetic.images.items():
        write_nifti(folder / f"{folder.name}_{suffix}{ending}", image, affine())
    if segmentation is not None:
        write_nifti(folder / segmentation, synthetic.labels.astype(np.int16), affine())
