"""The KiTS23 reader, on volumes of a few voxels."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from _nifti_files import save

from segrepro.datasets import kits23
from segrepro.datasets._types import Case
from segrepro.errors import UserError

# Axis 0 runs to the feet, axis 1 to the back, axis 2 to the left: "IPL", without an origin.
IPL = np.array([[0, 0, -0.8, 0], [0, -0.8, 0, 0], [-5, 0, 0, 0], [0, 0, 0, 1]], dtype=float)
HU = np.arange(24).reshape(4, 2, 3) - 1000
LABELS = np.arange(24).reshape(4, 2, 3) % 4


def write_case(raw: Path, number: int = 0, root: str = "dataset") -> Path:
    folder = raw / root / f"case_{number:05d}"
    save(folder / "imaging.nii.gz", HU, IPL, "f8")
    save(folder / "segmentation.nii.gz", LABELS, IPL, "u1")
    return folder


def read(raw: Path) -> list[Case]:
    return list(kits23.iter_cases(raw))


def refused(raw: Path) -> UserError:
    with pytest.raises(UserError) as caught:
        read(raw)
    return caught.value


def test_axis_0_is_the_slice_axis_and_stays_the_first(tmp_path: Path) -> None:
    write_case(tmp_path)
    (case,) = read(tmp_path)
    assert case.channels.shape == (1, 4, 2, 3)
    assert case.spacing_mm == pytest.approx((5.0, 0.8, 0.8))
    assert nib.aff2axcodes(case.affine) == ("I", "P", "L")


def test_whole_hounsfield_units_in_64_bits_become_16_bit_integers(tmp_path: Path) -> None:
    write_case(tmp_path)
    (case,) = read(tmp_path)
    assert case.channels.dtype == np.int16
    np.testing.assert_array_equal(case.channels[0], HU)


def test_1_is_kidney_2_tumour_3_cyst(tmp_path: Path) -> None:
    write_case(tmp_path)
    assert kits23.CARD.classes == ("kidney", "tumour", "cyst")
    np.testing.assert_array_equal(read(tmp_path)[0].mask, LABELS)


def test_another_label_is_refused(tmp_path: Path) -> None:
    save(write_case(tmp_path) / "segmentation.nii.gz", LABELS + 1, IPL, "u1")
    assert "the value 4, not only 0, 1, 2 and 3" in refused(tmp_path).fact


def test_a_volume_that_is_wider_than_high_is_read(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 160)
    save(folder / "imaging.nii.gz", np.zeros((2, 3, 7)), IPL)
    save(folder / "segmentation.nii.gz", np.zeros((2, 3, 7)), IPL)
    assert read(tmp_path)[0].mask.shape == (2, 3, 7)


def test_cases_without_an_image_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    for number in (0, 1, 2):
        write_case(tmp_path, number)
    for number in (1, 2):
        (tmp_path / f"dataset/case_{number:05d}/imaging.nii.gz").unlink()
    error = refused(tmp_path)
    assert "2 of 3 cases" in error.fact
    assert "case_00001/imaging.nii.gz" in error.fact
    assert "kits23_download_data" in error.cure


def test_a_label_that_was_deleted_with_its_folder_is_named(tmp_path: Path) -> None:
    (write_case(tmp_path) / "segmentation.nii.gz").unlink()
    error = refused(tmp_path)
    assert "case_00000/segmentation.nii.gz" in error.fact
    assert "git checkout" in error.cure


def test_the_flipped_affine_of_an_old_label_is_refused(tmp_path: Path) -> None:
    save(write_case(tmp_path) / "segmentation.nii.gz", LABELS, IPL * -1, "u1")
    assert "affines differ" in refused(tmp_path).fact


def test_a_label_of_another_edition_with_more_slices_is_refused(tmp_path: Path) -> None:
    save(write_case(tmp_path) / "segmentation.nii.gz", np.zeros((5, 2, 3)), IPL, "u1")
    assert "(5, 2, 3)" in refused(tmp_path).fact


def test_the_case_folders_may_lie_in_the_raw_folder_itself(tmp_path: Path) -> None:
    write_case(tmp_path, 588, root=".")
    assert [case.case_id for case in read(tmp_path)] == ["case_00588"]


def test_each_case_is_a_group(tmp_path: Path) -> None:
    for number in (0, 400):
        write_case(tmp_path, number)
    assert [case.group_id for case in read(tmp_path)] == ["case_00000", "case_00400"]


def test_a_copy_of_a_case_folder_is_named(tmp_path: Path) -> None:
    write_case(tmp_path).rename(tmp_path / "dataset" / "case_00000 (1)")
    assert "case_00000 (1)" in refused(tmp_path).fact


def test_a_folder_without_cases_says_what_was_looked_for(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert "dataset/case_*/segmentation.nii.gz" in error.fact
    assert "https://" in error.cure


def test_there_are_a_table_and_489_images_and_labels_to_fetch() -> None:
    paths = [source.path for source in kits23.SOURCES]
    assert len(paths) == len(set(paths)) == 1 + 2 * 489
    assert "dataset/case_00300/imaging.nii.gz" not in paths
    assert "dataset/case_00588/imaging.nii.gz" in paths
