"""Published KiTS23 labels, where a reader has them; images stand in, since none are there."""

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segrepro.datasets import kits23

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data")) / "kits23"
LABELS = sorted(REAL.glob("dataset/case_*/segmentation.nii.gz"))

pytestmark = [
    pytest.mark.real_images,
    pytest.mark.skipif(
        not LABELS, reason="no kits23/ in SEGREPRO_REAL_DATA: the real labels are absent"
    ),
]


@pytest.mark.parametrize("published", LABELS, ids=lambda path: path.parent.name)
def test_a_published_label_keeps_its_values_and_its_place(published: Path, tmp_path: Path) -> None:
    stored = nib.load(published)
    labels = np.asarray(stored.dataobj)
    folder = tmp_path / published.parent.name
    folder.mkdir()
    (folder / published.name).write_bytes(published.read_bytes())
    image_hu = labels * 100.0 - 1000
    nib.save(nib.Nifti1Image(image_hu, stored.affine), folder / "imaging.nii.gz")
    (case,) = kits23.iter_cases(tmp_path)
    np.testing.assert_array_equal(case.mask, labels)
    np.testing.assert_array_equal(case.affine, stored.affine)
    np.testing.assert_array_equal(case.channels[0], image_hu)
    assert case.channels.dtype == np.int16
    assert nib.aff2axcodes(case.affine) == ("I", "P", "L")
    assert case.spacing_mm == pytest.approx(stored.header.get_zooms())
    assert {1, 2} <= set(np.unique(case.mask))
