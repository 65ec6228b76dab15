"""NIfTI files that hold a volume, its place in space, and nothing else of where it came from."""

from typing import Any

import nibabel as nib
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

LEVEL = 0
"""Of 0 to 3. Levels 1 and 2 do not always give the same bytes for the same volume, in about one run
of thirty (isal 1.9.1), and level 3 takes three times as long for files a tenth smaller."""
GZIP_FORMAT = 31
NO_EXTENSIONS = bytes(4)


def encode_nifti(values: NDArray[Any], affine: NDArray[np.float64]) -> bytes:
    """Return the bytes of a ``.nii.gz`` file.

    Parameters
    ----------
    values
        Shape (I, J, K), a plain number type that NIfTI-1 knows.
    affine
        Shape (4, 4): indices to millimetres in RAS+.
    """
    header = nib.Nifti1Header()
    header.set_data_dtype(values.dtype)
    header.set_data_shape(values.shape)
    # Code 1, scanner: of the codes there are, the one that claims no template.
    header.set_sform(affine, code=1)
    header.set_qform(affine, code=1, strip_shears=True)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1, 0)
    header["magic"], header["vox_offset"] = b"n+1", len(header.binaryblock) + len(NO_EXTENSIONS)
    little = np.asarray(values, dtype=values.dtype.newbyteorder("<"))
    # Without a copy if the first axis runs fastest in memory, as it does after reading.
    voxels = little.ravel(order="F").data.cast("B")
    packer = isal_zlib.compressobj(LEVEL, wbits=GZIP_FORMAT)
    parts = (header.binaryblock, NO_EXTENSIONS, voxels)
    return b"".join([*(packer.compress(part) for part in parts), packer.flush()])
