"""The ATLAS R2.0 reader, on volumes of four voxels."""

import re
from pathlib import Path

import numpy as np
import pytest
from _nifti_files import save
from numpy.typing import ArrayLike

from segrepro.datasets import atlas2
from segrepro.datasets._types import Case
from segrepro.errors import UserError

RAS = np.eye(4)
SPACE = "space-MNI152NLin2009aSym"


def write_session(
    raw: Path,
    subject: str = "sub-r001s001",
    session: str = "ses-1",
    *,
    root: str = "ATLAS_2",
    lesion: ArrayLike = (0, 1, 1, 0),
) -> Path:
    cohort = f"R{subject[5:8]}"
    folder = raw / root / "Training" / cohort / subject / session / "anat"
    save(folder / f"{subject}_{session}_{SPACE}_T1w.nii.gz", [0.5, 1, 2, 3], RAS, "f4")
    save(mask_of(folder, subject, session), lesion, RAS, "f4")
    return folder


def mask_of(folder: Path, subject: str = "sub-r001s001", session: str = "ses-1") -> Path:
    return folder / f"{subject}_{session}_{SPACE}_label-L_desc-T1lesion_mask.nii.gz"


def read(raw: Path) -> list[Case]:
    return list(atlas2.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def test_a_session_is_a_case_of_its_subject_and_its_site(tmp_path: Path) -> None:
    write_session(tmp_path, "sub-r009s042")
    (case,) = read(tmp_path)
    assert case.case_id == "sub-r009s042_ses-1"
    assert (case.group_id, case.site) == ("sub-r009s042", "R009")


def test_two_sessions_of_a_subject_are_one_group(tmp_path: Path) -> None:
    write_session(tmp_path, session="ses-1")
    write_session(tmp_path, session="ses-2")
    cases = read(tmp_path)
    assert [case.case_id for case in cases] == ["sub-r001s001_ses-1", "sub-r001s001_ses-2"]
    assert {case.group_id for case in cases} == {"sub-r001s001"}


def test_normalised_intensities_stay_floats(tmp_path: Path) -> None:
    write_session(tmp_path)
    (case,) = read(tmp_path)
    assert case.channels.dtype == np.float32
    assert case.channels.ravel().tolist() == [0.5, 1, 2, 3]


def test_the_border_of_a_lesion_is_at_one_half(tmp_path: Path) -> None:
    write_session(tmp_path, lesion=[0.0, 0.4999, 0.5001, 0.9999])
    assert read(tmp_path)[0].mask.ravel().tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("value", [255, -1, 2, np.nan])
def test_a_mask_of_other_values_is_refused(tmp_path: Path, value: float) -> None:
    write_session(tmp_path, lesion=[0, 1, value, 1])
    assert "not from 0 to 1" in refusal(tmp_path)


def test_a_mask_that_does_not_lie_on_its_image_is_refused(tmp_path: Path) -> None:
    shifted = np.eye(4)
    shifted[0, 3] = 1.0
    save(mask_of(write_session(tmp_path)), [0, 1, 1, 0], shifted)
    assert "lie in different places" in refusal(tmp_path)


def test_hidden_files_are_left_aside(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    for path in list(folder.iterdir()):
        path.with_name(f"._{path.name}").write_bytes(b"Mac OS X")
    (folder / ".DS_Store").write_bytes(b"Mac OS X")
    assert len(read(tmp_path)) == 1


def test_test_images_without_masks_become_no_case(tmp_path: Path) -> None:
    write_session(tmp_path)
    folder = tmp_path / "ATLAS_2" / "Testing" / "R099" / "sub-r099s001" / "ses-1" / "anat"
    save(folder / f"sub-r099s001_ses-1_{SPACE}_T1w.nii.gz", [1, 2, 3, 4])
    assert [case.site for case in read(tmp_path)] == ["R001"]


def test_an_image_without_a_mask_is_named(tmp_path: Path) -> None:
    mask_of(write_session(tmp_path)).unlink()
    assert re.search(r"T1w\.nii\.gz has no mask", refusal(tmp_path))


def test_a_mask_without_an_image_is_named(tmp_path: Path) -> None:
    folder = write_session(tmp_path)
    (folder / f"sub-r001s001_ses-1_{SPACE}_T1w.nii.gz").unlink()
    assert re.search(r"mask\.nii\.gz has no image", refusal(tmp_path))


def test_the_folder_around_training_may_be_missing(tmp_path: Path) -> None:
    write_session(tmp_path, root=".")
    assert len(read(tmp_path)) == 1


def test_a_mask_that_was_unpacked_pairs_with_a_packed_image(tmp_path: Path) -> None:
    mask = mask_of(write_session(tmp_path))
    mask.unlink()
    save(mask.with_suffix(""), [0, 1, 1, 0], RAS)
    assert read(tmp_path)[0].mask.sum() == 2


def test_a_truncated_volume_is_named(tmp_path: Path) -> None:
    path = mask_of(write_session(tmp_path))
    path.write_bytes(path.read_bytes()[:-20])
    assert str(path) in refusal(tmp_path)


def test_a_folder_without_sessions_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "ATLAS_2/Training/R*" in caught.value.fact
    assert "password" in caught.value.cure


def test_the_password_comes_from_the_environment() -> None:
    (source,) = atlas2.SOURCES
    assert source.password_variable == "ATLAS_PASSWORD"  # noqa: S105 - a name
