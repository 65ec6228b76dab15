"""Gzipped NIfTI cases of true size, in the layout of BraTS 2017, to convert."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segrepro.cases.raw import write_manifest

SHAPE = (240, 240, 155)
DATASET = "brats2017-phantom"
"""As phantoms, so that nobody is told how many cases the publisher has."""


def write_cases(raw: Path, *, cases: int, shape: tuple[int, ...] = SHAPE) -> Path:
    """Write so many cases of four channels and a mask, and their manifest; return the manifest."""
    rng = np.random.default_rng(0)
    brain = _ellipsoid(shape, (0.36, 0.4, 0.36))
    mask = np.zeros(shape, np.int16)
    for radius, label in ((0.14, 2), (0.09, 4), (0.05, 1)):
        mask[_ellipsoid(shape, (radius,) * 3)] = label
    for case in range(cases):
        name = f"Brats17_TCIA_{900 + case}_1"
        folder = raw / "Brats17TrainingData" / "HGG" / name
        folder.mkdir(parents=True)
        for suffix in ("flair", "t1", "t1ce", "t2"):
            _write(folder / f"{name}_{suffix}.nii.gz", _tissue(brain, rng))
        _write(folder / f"{name}_seg.nii.gz", mask)
    manifest = raw.with_name(f"{raw.name}.manifest.csv")
    write_manifest(raw, manifest)
    return manifest


def decoded_bytes(raw: Path) -> int:
    """Return the bytes of the first case's voxels."""
    folder = next(iter(sorted(raw.rglob("*_seg.nii.gz")))).parent
    return sum(nib.load(path).get_fdata().size * 2 for path in folder.iterdir())


def _ellipsoid(shape: tuple[int, ...], radii: tuple[float, ...]) -> NDArray[np.bool_]:
    axes = np.meshgrid(*(np.linspace(-0.5, 0.5, side) for side in shape), indexing="ij")
    return sum((axis / radius) ** 2 for axis, radius in zip(axes, radii, strict=True)) < 1


def _tissue(brain: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int16]:
    coarse = ndimage.gaussian_filter(rng.normal(size=[side // 8 for side in brain.shape]), 1)
    zoom = [side / small for side, small in zip(brain.shape, coarse.shape, strict=True)]
    smooth = ndimage.zoom(coarse, zoom, order=1)
    return np.where(brain, 400 + 300 * smooth + rng.normal(0, 25, brain.shape), 0).astype(np.int16)


def _write(path: Path, values: NDArray[np.int16]) -> None:
    nib.save(nib.Nifti1Image(values, np.diag([-1.0, -1, 1, 1])), path)
