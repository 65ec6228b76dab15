"""A real glioma of BRATS 2015, the year before the labels changed, where a reader has it."""

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from segrepro.datasets import brats2017
from segrepro.errors import UserError

ROOT = Path(__file__).parents[2]
REAL = Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data"))
PATIENT = REAL / "brats2015" / "brats_2013_pat0005_1"
NAME = "Brats17_2013_5_1"

pytestmark = [
    pytest.mark.real_images,
    pytest.mark.skipif(
        not PATIENT.is_dir(),
        reason="no brats2015/ in SEGREPRO_REAL_DATA: the real volumes are absent",
    ),
]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Put the two sequences that there are into the places of four."""
    folder = tmp_path / "HGG" / NAME
    folder.mkdir(parents=True)
    for suffix, source in (("flair", "Flair"), ("t1", "T1c"), ("t1ce", "T1c"), ("t2", "Flair")):
        source_path = PATIENT / f"{source}_subtrMeanDivStd.nii.gz"
        shutil.copy(source_path, folder / f"{NAME}_{suffix}.nii.gz")
    shutil.copy(PATIENT / "OTMultiClass.nii.gz", folder / f"{NAME}_seg.nii.gz")
    return tmp_path


def test_label_3_of_2015_is_not_taken_for_a_label_of_2017(raw: Path) -> None:
    with pytest.raises(UserError, match="the value 3, not only 0, 1, 2 and 4"):
        list(brats2017.iter_cases(raw))


def test_a_real_case_keeps_its_values_and_its_place(raw: Path) -> None:
    path = raw / "HGG" / NAME / f"{NAME}_seg.nii.gz"
    stored = nib.load(PATIENT / "OTMultiClass.nii.gz")
    labels = np.asarray(stored.dataobj)
    assert labels.dtype == np.float32
    # In 2015 label 3 was non-enhancing tumour, which became part of label 1.
    merged = np.where(labels == 3, 1, labels).astype(np.float32)
    nib.save(nib.Nifti1Image(merged, stored.affine, stored.header), path)
    (case,) = brats2017.iter_cases(raw)
    assert nib.aff2axcodes(case.affine) == ("L", "P", "S")
    np.testing.assert_array_equal(case.affine, stored.affine)
    assert case.channels.dtype == np.float32
    flair = np.asarray(nib.load(PATIENT / "Flair_subtrMeanDivStd.nii.gz").dataobj)
    np.testing.assert_array_equal(case.channels[0], flair)
    np.testing.assert_array_equal(case.mask == 3, labels == 4)
    np.testing.assert_array_equal(case.mask == 2, labels == 2)
    assert case.channels[2][case.mask == 3].mean() > case.channels[2][case.mask == 1].mean()
