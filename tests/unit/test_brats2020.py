"""The BraTS 2020 reader, on volumes of four voxels."""

from pathlib import Path

import numpy as np
import pytest
from _nifti_files import LPS, save

from segrepro.datasets import brats2020
from segrepro.datasets._types import Case
from segrepro.errors import UserError

LEVELS = {"flair": 10, "t1": 20, "t1ce": 30, "t2": 40}
SEG = [0, 1, 2, 4]
ROOT = brats2020.ROOTS[0]
COLUMNS = "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,"
COLUMNS += "BraTS_2019_subject_ID,BraTS_2020_subject_ID"


def write_case(raw: Path, number: int, *, root: str = ROOT, ending: str = ".nii.gz") -> Path:
    folder = raw / root / f"BraTS20_Training_{number:03d}"
    for suffix, level in LEVELS.items():
        save(folder / f"{folder.name}_{suffix}{ending}", np.arange(4) + level)
    save(folder / f"{folder.name}_seg{ending}", SEG)
    return folder


def write_table(raw: Path, *rows: str) -> Path:
    path = raw / ROOT / "name_mapping.csv"
    path.write_text("\n".join([COLUMNS, *rows]) + "\n")
    return path


def read(raw: Path) -> list[Case]:
    return list(brats2020.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def test_channels_are_flair_t1_t1ce_t2(tmp_path: Path) -> None:
    write_case(tmp_path, 1)
    (case,) = read(tmp_path)
    assert brats2020.CARD.channels == ("FLAIR", "T1", "T1ce", "T2")
    assert case.channels[:, 0, 0, 0].tolist() == [10, 20, 30, 40]
    assert case.channels.dtype == np.int16


def test_1_is_necrosis_2_oedema_and_4_enhancing_tumour(tmp_path: Path) -> None:
    write_case(tmp_path, 1)
    (case,) = read(tmp_path)
    names = ("background", *brats2020.CARD.classes)
    assert [names[label] for label in case.mask.ravel()] == ["background", "NCR-NET", "ED", "ET"]


def test_label_3_of_other_editions_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 1)
    save(folder / f"{folder.name}_seg.nii.gz", [0, 1, 2, 3])
    assert "the value 3, not only 0, 1, 2 and 4" in refusal(tmp_path)


def test_labels_stored_as_floating_point_numbers_are_read(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 1)
    save(folder / f"{folder.name}_seg.nii.gz", [0, 1, 2, 3.9999], dtype="f4")
    assert read(tmp_path)[0].mask.ravel().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("root", brats2020.ROOTS)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_the_challenge_and_the_kaggle_copy_give_one_case(
    tmp_path: Path, root: str, ending: str
) -> None:
    write_case(tmp_path, 7, root=root, ending=ending)
    (case,) = read(tmp_path)
    assert case.case_id == "BraTS20_Training_007"
    assert case.mask.ravel().tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(case.affine, LPS)


def test_case_355_keeps_the_clinics_name_of_its_segmentation(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 355, ending=".nii")
    (folder / f"{folder.name}_seg.nii").rename(folder / "W39_1998.09.19_Segm.nii")
    assert read(tmp_path)[0].mask.ravel().tolist() == [0, 1, 2, 3]


def test_a_case_without_a_segmentation_is_named(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 2)
    (folder / f"{folder.name}_seg.nii.gz").unlink()
    assert "BraTS20_Training_002_seg.nii.gz" in refusal(tmp_path)


def test_two_files_that_might_be_the_segmentation_are_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 2)
    (folder / f"{folder.name}_seg.nii.gz").rename(folder / "a.nii.gz")
    save(folder / "b.nii.gz", SEG)
    assert "2 other files" in refusal(tmp_path)


def test_a_hidden_file_is_no_segmentation(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 355)
    (folder / f"{folder.name}_seg.nii.gz").rename(folder / "W39_1998.09.19_Segm.nii.gz")
    (folder / "._W39_1998.09.19_Segm.nii.gz").write_bytes(b"Mac OS")
    assert len(read(tmp_path)) == 1


@pytest.mark.parametrize("suffix", LEVELS)
def test_a_missing_sequence_is_named(tmp_path: Path, suffix: str) -> None:
    folder = write_case(tmp_path, 1)
    (folder / f"{folder.name}_{suffix}.nii.gz").unlink()
    assert f"BraTS20_Training_001_{suffix}.nii.gz" in refusal(tmp_path)


def test_a_sequence_on_another_grid_is_refused(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 1)
    save(folder / f"{folder.name}_t2.nii.gz", np.arange(4), np.diag([1.0, -1.0, 1.0, 1.0]))
    assert "BraTS20_Training_001_t2.nii.gz" in refusal(tmp_path)


def test_validation_cases_are_left_aside(tmp_path: Path) -> None:
    write_case(tmp_path, 1)
    validation = tmp_path / ROOT.replace("Training", "Validation") / "BraTS20_Validation_001"
    save(validation / "BraTS20_Validation_001_flair.nii.gz", SEG)
    assert [case.case_id for case in read(tmp_path)] == ["BraTS20_Training_001"]


def test_cases_with_one_tcga_id_are_one_group(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_case(tmp_path, number)
    write_table(
        tmp_path,
        "HGG,NA,NA,TCGA-XX-0001,BraTS19_TCIA01_900_1,BraTS20_Training_001",
        "HGG,NA,NA,NA,NA,BraTS20_Training_002",
        "HGG,NA,NA,TCGA-XX-0001,BraTS19_TCIA01_900_2,BraTS20_Training_003",
    )
    groups = [case.group_id for case in read(tmp_path)]
    assert groups == ["TCGA-XX-0001", "BraTS20_Training_002", "TCGA-XX-0001"]


def test_the_site_stands_in_the_id_of_an_earlier_edition(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_case(tmp_path, number)
    write_table(
        tmp_path,
        "HGG,NA,NA,NA,BraTS19_CBICA_AAB_1,BraTS20_Training_001",
        "HGG,NA,NA,NA,NA,BraTS20_Training_002",
        "HGG,Brats17_2013_10_1,NA,NA,NA,BraTS20_Training_003",
    )
    assert [case.site for case in read(tmp_path)] == ["CBICA", "", "2013"]


def test_a_missing_table_is_remarked_on(tmp_path: Path) -> None:
    write_case(tmp_path, 1)
    (remark,) = brats2020.list_cases(tmp_path).remarks
    assert remark.path == f"{ROOT}/name_mapping.csv"
    assert "another patient" in remark.remark


def test_a_case_that_the_table_does_not_list_is_remarked_on(tmp_path: Path) -> None:
    write_case(tmp_path, 1)
    write_table(tmp_path, "HGG,NA,NA,NA,NA,BraTS20_Training_009")
    (remark,) = brats2020.list_cases(tmp_path).remarks
    assert "BraTS20_Training_001" in remark.remark


def test_another_table_is_refused(tmp_path: Path) -> None:
    write_case(tmp_path, 1)
    path = write_table(tmp_path)
    path.write_text("id;grade\n1;HGG\n")
    assert str(path) in refusal(tmp_path)


def test_a_truncated_volume_is_named(tmp_path: Path) -> None:
    folder = write_case(tmp_path, 1, ending=".nii")
    broken = folder / f"{folder.name}_t1ce.nii"
    broken.write_bytes(broken.read_bytes()[:-2])
    assert str(broken) in refusal(tmp_path)


def test_a_folder_without_cases_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "MICCAI_BraTS2020_TrainingData/BraTS20_Training_*" in caught.value.fact
    assert "https://" in caught.value.cure
