"""Shapes and textures for synthetic volumes, and NIfTI files that do not say when they were made.

Shapes: (I, J, K), in voxels; positions and radii in millimetres from the centre of the grid.
"""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segrepro.files import write_bytes

Field = NDArray[np.float32]
Triple = Sequence[float] | NDArray[np.float64]


class Grid:
    """A box of voxels whose centre is the origin."""

    def __init__(self, shape: Sequence[int], spacing_mm: Sequence[float]) -> None:
        self.shape = tuple(shape)
        self.spacing_mm = tuple(spacing_mm)
        self._axes_mm = [
            ((np.arange(side) - (side - 1) / 2) * step).astype(np.float32)
            for side, step in zip(shape, spacing_mm, strict=True)
        ]

    def reach(self, centre_mm: Triple, radii_mm: Triple) -> Field:
        """Return the distance from a centre, scaled so that the ellipsoid's surface is at 1."""
        squares = [
            ((axis - centre) / radius) ** 2
            for axis, centre, radius in zip(self._axes_mm, centre_mm, radii_mm, strict=True)
        ]
        i, j, k = squares
        field: Field = np.sqrt(i[:, None, None] + j[None, :, None] + k[None, None, :])
        return field

    def texture(self, size_mm: float, rng: np.random.Generator) -> Field:
        """Return smooth noise of mean 0 and spread 1 with structures of about `size_mm`."""
        steps = [max(1, round(size_mm / step / 2)) for step in self.spacing_mm]
        coarse_shape = [side // step + 3 for side, step in zip(self.shape, steps, strict=True)]
        coarse = rng.standard_normal(coarse_shape, dtype=np.float32)
        widths_mm = zip(self.spacing_mm, steps, strict=True)
        sigmas = [size_mm / (step_mm * step) / 2 for step_mm, step in widths_mm]
        field: Field = ndimage.gaussian_filter(coarse, sigmas, mode="wrap")
        for axis, step in enumerate(steps):
            field = _stretched(field, self.shape[axis], step, axis)
        field -= field.mean()
        return np.asarray(field / field.std(), dtype=np.float32)


def _stretched(field: Field, side: int, step: int, axis: int) -> Field:
    # Along one axis at a time: linear interpolation by two gathers is far quicker than a spline.
    place = np.arange(side) / step
    below = place.astype(int)
    shape = [1, 1, 1]
    shape[axis] = side
    weight = (place - below).astype(np.float32).reshape(shape)
    low, high = np.take(field, below, axis), np.take(field, below + 1, axis)
    stretched: Field = low + (high - low) * weight
    return stretched


def write_nifti(
    path: Path,
    values: NDArray[Any],
    affine: NDArray[np.float64],
    *,
    scanner: bool = True,
) -> None:
    """Write a NIfTI-1 file, gzipped if its name says so; equal volumes give equal bytes.

    Parameters
    ----------
    path
        Ends in ``.nii`` or ``.nii.gz``.
    values, affine
        Stored as they are, in the type that `values` has.
    scanner
        ``False``: the affine stands for a template space (MNI 152), not for a scanner.
    """
    image = nib.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_sform(affine, code="scanner" if scanner else "mni")
    image.set_qform(affine, code="scanner" if scanner else "mni")
    content = image.to_bytes()
    # A gzip header holds a time: none, for equal bytes.
    write_bytes(path, gzip.compress(content, 1, mtime=0) if path.suffix == ".gz" else content)
