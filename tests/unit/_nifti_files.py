"""Volumes of a few voxels as files."""

from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import ArrayLike, NDArray

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def save(
    path: Path, values: ArrayLike, affine: NDArray[np.float64] = LPS, dtype: str = "i2"
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(np.array(values, dtype, ndmin=3), affine), path)
    return path
