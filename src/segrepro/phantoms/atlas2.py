"""Synthetic T1-weighted heads with stroke lesions in the layout of ATLAS R2.0.

The field of view is that of the template, on a reduced grid: 66 x 78 x 63 voxels of 3 mm instead
of 197 x 233 x 189 of 1 mm. Axes, in file order: to the right, the front and the top.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.files import write_bytes, write_json, write_text
from segrepro.phantoms._volumes import Field, Grid, write_nifti
from segrepro.progress import progress

SHAPE, STEP_MM = (66, 78, 63), 3.0
GRID = Grid(SHAPE, (STEP_MM, STEP_MM, STEP_MM))
SPACE = "space-MNI152NLin2009aSym"
SESSIONS_OF_FIRST = 2
SUBJECTS_PER_COHORT = 3


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write training sessions, one test session, tables and the hidden files of a Mac.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Training sessions, three subjects to a cohort. Of four or more, the first two are of one
        subject; every fifth has a lesion of a few voxels only.
    seed
        Equal seeds give equal bytes.
    """
    root = raw / "ATLAS_2"
    seeds = np.random.SeedSequence(seed).spawn(cases + 1)
    rows = ["Site,SUBJECT_ID,SESSION"]
    for index, own in progress(enumerate(seeds[1:]), total=cases, what="phantom atlas2"):
        cohort, subject, session = _place(index, cases)
        head, lesion = _head(np.random.default_rng(own), small=index % 5 == 4)
        stem = _write_image(root / "Training" / cohort, subject, session, head)
        # Some masks came out of resampling as floats.
        mask = lesion * np.float32(0.9999) if index % 2 else lesion.astype(np.uint8)
        name = f"{stem.name}_{SPACE}_label-L_desc-T1lesion_mask.nii.gz"
        write_nifti(stem.with_name(name), mask, _affine(), scanner=False)
        rows.append(f"{cohort},{subject},{session}")
    head, _ = _head(np.random.default_rng(seeds[0]), small=False)
    stem = _write_image(root / "Testing" / "R099", "sub-r099s001", "ses-1", head)
    write_bytes(stem.with_name(f"._{stem.name}_{SPACE}_T1w.nii.gz"), b"Mac OS X")
    write_bytes(root / "Training" / "R001" / ".DS_Store", b"Mac OS X")
    write_text(root / "20220425_ATLAS_2.0_MetaData.csv", "\n".join(rows) + "\n")


def _place(index: int, cases: int) -> tuple[str, str, str]:
    """Return cohort, subject and session of a case."""
    spared = SESSIONS_OF_FIRST - 1 if cases > 3 else 0
    subject = max(0, index - spared)
    cohort = subject // SUBJECTS_PER_COHORT + 1
    name = f"sub-r{cohort:03d}s{subject % SUBJECTS_PER_COHORT + 1:03d}"
    return f"R{cohort:03d}", name, f"ses-{index + 1 if index < spared + 1 else 1}"


def _affine() -> NDArray[np.float64]:
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = (-98, -134, -72)
    return affine


def _write_image(cohort: Path, subject: str, session: str, head: Field) -> Path:
    stem = cohort / subject / session / "anat" / f"{subject}_{session}"
    write_nifti(stem.with_name(f"{stem.name}_{SPACE}_T1w.nii.gz"), head, _affine(), scanner=False)
    description = {"Name": f"Synthetic cohort {cohort.name}", "BIDSVersion": "1.6.0"}
    write_json(cohort / "dataset_description.json", description)
    return stem


def _head(rng: np.random.Generator, *, small: bool) -> tuple[Field, NDArray[np.bool_]]:
    """Return a head with its skull, grey levels from 0 to about 100, and the lesion in it."""
    centre = np.array([0.0, -4.0, 6.0])
    radii = np.array([68.0, 85.0, 66.0]) * rng.uniform(0.97, 1.03, 3)
    brain = GRID.reach(centre, radii) + 0.025 * GRID.texture(14, rng)
    folds = GRID.texture(8, rng)
    ventricles = np.minimum(
        GRID.reach((-12, 0, 10), (7, 32, 14)), GRID.reach((12, 0, 10), (7, 32, 14))
    )
    neck = GRID.reach((0, -20, -95), (48, 55, 60))
    lesion = _lesion(brain, ventricles, rng, small=small)
    image: Field = np.zeros(SHAPE, np.float32)
    for inside, level in (
        (np.minimum(brain - 0.2, neck) < 1, 62),  # skin and fat
        (brain < 1.13, 14),  # bone
        (brain < 1.04, 22),  # fluid
        (brain < 1, 50),  # grey matter
        ((brain < 0.87 + 0.05 * folds) & (folds < 1.3), 72),  # white matter
        (ventricles + 0.08 * folds < 1, 20),
        (lesion, 30),
    ):
        image[inside] = level
    image[lesion] += (6 * folds)[lesion]
    image *= 1 + 0.06 * GRID.texture(110, rng)
    image += 2.2 * rng.standard_normal(SHAPE, dtype=np.float32) * (image > 0)
    return np.clip(image, 0, None), lesion


def _lesion(
    brain: Field, ventricles: Field, rng: np.random.Generator, *, small: bool
) -> NDArray[np.bool_]:
    side = rng.choice([-1, 1])
    centre = (side * rng.uniform(26, 46), rng.uniform(-45, 35), rng.uniform(-10, 32))
    size_mm = rng.uniform(4, 5) if small else rng.uniform(11, 27)
    wobble = 0.05 if small else 0.22
    reach = GRID.reach(centre, size_mm * rng.uniform(0.75, 1.25, 3)) + wobble * GRID.texture(
        12, rng
    )
    lesion: NDArray[np.bool_] = (reach < 1) & (brain < 0.99) & (ventricles > 1)
    return lesion
