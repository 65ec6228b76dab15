"""The BraTS 2017 reader, on volumes of four voxels."""

from pathlib import Path

import numpy as np
import pytest
from _nifti_files import save

from segrepro.datasets import brats2017
from segrepro.datasets._types import Case
from segrepro.errors import UserError


def write_case(raw: Path, name: str, *, root: str = "Brats17TrainingData/HGG") -> None:
    folder = raw / root / name
    for suffix in ("flair", "t1", "t1ce", "t2"):
        save(folder / f"{name}_{suffix}.nii.gz", np.arange(4))
    save(folder / f"{name}_seg.nii.gz", [0, 1, 2, 4])


def read(raw: Path) -> list[Case]:
    return list(brats2017.iter_cases(raw))


def test_both_grades_are_read_high_grade_first(tmp_path: Path) -> None:
    write_case(tmp_path, "Brats17_2013_1_1", root="Brats17TrainingData/LGG")
    write_case(tmp_path, "Brats17_TCIA_900_1")
    assert [case.case_id for case in read(tmp_path)] == ["Brats17_TCIA_900_1", "Brats17_2013_1_1"]


def test_patient_2_comes_before_patient_10(tmp_path: Path) -> None:
    write_case(tmp_path, "Brats17_2013_10_1")
    write_case(tmp_path, "Brats17_2013_2_1")
    assert [case.group_id for case in read(tmp_path)] == ["Brats17_2013_2", "Brats17_2013_10"]


def test_two_scans_of_a_patient_are_one_group(tmp_path: Path) -> None:
    write_case(tmp_path, "Brats17_TCIA_900_1")
    write_case(tmp_path, "Brats17_TCIA_900_2")
    assert [case.group_id for case in read(tmp_path)] == ["Brats17_TCIA_900"] * 2


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("Brats17_TCIA_900_1", "TCIA"),
        ("Brats17_CBICA_AAB_1", "CBICA"),
        ("Brats17_2013_10_1", "2013"),
    ],
)
def test_the_site_stands_in_the_name(tmp_path: Path, name: str, site: str) -> None:
    write_case(tmp_path, name)
    assert [case.site for case in read(tmp_path)] == [site]


def test_the_folder_around_the_grades_may_be_missing(tmp_path: Path) -> None:
    write_case(tmp_path, "Brats17_TCIA_900_1", root="HGG")
    assert len(read(tmp_path)) == 1


def test_the_labels_are_those_of_2020(tmp_path: Path) -> None:
    write_case(tmp_path, "Brats17_TCIA_900_1")
    assert read(tmp_path)[0].mask.ravel().tolist() == [0, 1, 2, 3]


def test_a_name_of_another_form_is_refused(tmp_path: Path) -> None:
    write_case(tmp_path, "Brats17_copy")
    with pytest.raises(UserError, match="Brats17_copy"):
        read(tmp_path)


def test_a_folder_without_cases_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "Brats17TrainingData/LGG/Brats17_*" in caught.value.fact
    assert "https://" in caught.value.cure
