"""The reader of Duke's breast MRI, on series of three slices of 4 x 5 pixels."""

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from _dicom_files import BORN, NAME, SECRETS, STUDY, grey, save
from pydicom.dataset import FileDataset

from segrepro.cases.convert import convert
from segrepro.cases.raw import write_manifest
from segrepro.datasets import duke
from segrepro.datasets._types import Case
from segrepro.errors import UserError

SERIES = f"{STUDY}.5"
MANIFEST = "manifest-1654812109500/Duke-Breast-Cancer-MRI"
PATIENT = "Breast_MRI_900"
PATHS = "original_path_and_filename,classic_path,descriptive_path"
BOX = "Patient ID,Start Row,End Row,Start Column,End Column,Start Slice,End Slice"
RAS = np.diag([-0.5, -1.0, 2.0, 1.0])
COUNT = 3


def picture(index: int, uid: str = SERIES) -> FileDataset:
    """Return slice `index` from the feet, all of whose pixels are 10, 20 or 30."""
    dataset = grey(np.full((4, 5), 10 * (index + 1)), uid=f"{uid}.{index}")
    dataset.SeriesInstanceUID = uid
    dataset.PixelSpacing = [1.0, 0.5]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [0, 0, 2.0 * index]
    return dataset


def folder_of(raw: Path, patient: str = PATIENT, name: str = "26.000000-ax dyn pre-12345") -> Path:
    return raw / MANIFEST / patient / "01-01-1990-NA-MRI BREAST-34567" / name


def write_series(
    raw: Path,
    *,
    patient: str = PATIENT,
    phase: str = "post_1",
    uid: str = SERIES,
    digits: int = 3,
    from_feet: bool = True,
) -> Path:
    """Write a series and its rows of the mapping table, which pads numbers to three digits."""
    folder = folder_of(raw, patient, f"1.000000-ax pre {phase}-{uid[-5:]}")
    table = raw / "Breast-Cancer-MRI-filepath_filename-mapping.csv"
    rows = table.read_text().splitlines() if table.exists() else [PATHS]
    for index in range(COUNT):
        number = index + 1 if from_feet else COUNT - index
        save(folder / f"1-{number:0{digits}d}.dcm", picture(index, uid))
        rows.append(
            f"DICOM_Images/{patient}/{phase}/{patient}_{phase}_{number:03d}.dcm,"
            f"Duke-Breast-Cancer-MRI/{patient}/{STUDY}/{uid}/1-{number:03d}.dcm,unused"
        )
    table.write_text("\n".join(rows) + "\n")
    return folder


def write_boxes(raw: Path, *rows: str) -> None:
    (raw / "Annotation_Boxes.csv").write_text("\n".join([BOX, *rows]) + "\n")


def write_masks(raw: Path, *rows: str, head: str = "patient,phase,kind,path") -> Path:
    """Write ``masks.csv`` and a NIfTI mask of the lowest slice."""
    folder = raw / "masks"
    folder.mkdir(exist_ok=True)
    mask = np.zeros((5, 4, COUNT), np.uint8)
    mask[..., 0] = 1
    nib.save(nib.Nifti1Image(mask, RAS), folder / "mask.nii")
    (folder / "masks.csv").write_text("\n".join([head, *rows]) + "\n")
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_series(tmp_path)
    write_boxes(tmp_path, f"{PATIENT},2,3,2,4,1,1")
    return tmp_path


def read(raw: Path) -> list[Case]:
    return list(duke.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return caught.value.fact


# The volume


@pytest.mark.parametrize("from_feet", [True, False])
def test_slices_are_sorted_by_position_not_by_name(tmp_path: Path, from_feet: bool) -> None:
    write_series(tmp_path, from_feet=from_feet)
    write_boxes(tmp_path, f"{PATIENT},1,1,1,1,1,1")
    (case,) = read(tmp_path)
    assert case.channels[0, 0, 0].tolist() == [10, 20, 30]


def test_axes_run_along_columns_rows_and_slices(raw: Path) -> None:
    (case,) = read(raw)
    assert case.channels.shape == (1, 5, 4, 3)
    assert case.spacing_mm == (0.5, 1.0, 2.0)
    np.testing.assert_array_equal(case.affine, RAS)


def test_an_inverted_slice_is_turned_over_and_rescaled(raw: Path) -> None:
    dataset = picture(0)
    dataset.BitsStored, dataset.HighBit = 8, 7
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.RescaleSlope, dataset.RescaleIntercept = 2, -100
    save(next(folder_of(raw).parent.glob("*")) / "1-001.dcm", dataset)
    (case,) = read(raw)
    assert case.channels[0, 0, 0].tolist() == [2 * (255 - 10) - 100, 20, 30]
    assert case.channels.dtype == np.int16


def test_a_slope_that_is_no_whole_number_makes_floats(raw: Path) -> None:
    dataset = picture(2)
    dataset.RescaleSlope, dataset.RescaleIntercept = 0.25, 0
    save(next(folder_of(raw).parent.glob("*")) / "1-003.dcm", dataset)
    (case,) = read(raw)
    assert case.channels.dtype == np.float32
    assert case.channels[0, 0, 0].tolist() == [10, 20, 7.5]


def test_a_missing_slice_is_noticed(tmp_path: Path) -> None:
    folder = write_series(tmp_path)
    save(folder / "1-004.dcm", picture(4))
    write_boxes(tmp_path, f"{PATIENT},1,1,1,1,1,1")
    assert "2 to 4 mm apart" in refusal(tmp_path)


def test_a_slice_that_is_there_twice_is_noticed(tmp_path: Path) -> None:
    folder = write_series(tmp_path)
    save(folder / "1-004.dcm", picture(1))
    write_boxes(tmp_path, f"{PATIENT},1,1,1,1,1,1")
    assert "apart" in refusal(tmp_path)


def test_a_file_of_another_series_is_refused(tmp_path: Path) -> None:
    save(write_series(tmp_path) / "1-004.dcm", picture(3, f"{STUDY}.6"))
    write_boxes(tmp_path, f"{PATIENT},1,1,1,1,1,1")
    assert "1-004.dcm of Breast_MRI_900, post_1 belongs to another" in refusal(tmp_path)


def test_a_turned_slice_is_refused(raw: Path) -> None:
    dataset = picture(1)
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    save(next(folder_of(raw).parent.glob("*")) / "1-002.dcm", dataset)
    assert "orientation" in refusal(raw)


@pytest.mark.parametrize("kept", [0, 200, 700, -4])
def test_a_truncated_file_is_named_without_its_folders(raw: Path, kept: int) -> None:
    path = next(folder_of(raw).parent.glob("*")) / "1-002.dcm"
    path.write_bytes(path.read_bytes()[:kept])
    assert "1-002.dcm of Breast_MRI_900, post_1" in refusal(raw)


# Which series is which


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_numbers_may_have_any_number_of_zeros_before_them(tmp_path: Path, digits: int) -> None:
    write_series(tmp_path, digits=digits)
    write_boxes(tmp_path, f"{PATIENT},1,1,1,1,2,3")
    (case,) = read(tmp_path)
    assert case.mask.any(axis=(0, 1)).tolist() == [False, True, True]


def test_phases_are_whole_names(raw: Path) -> None:
    # The folders' names hold "pre" whatever the phase is.
    write_series(raw, phase="pre", uid=f"{STUDY}.6")
    assert [case.case_id for case in read(raw)] == [f"{PATIENT}_post_1_box"]


def test_a_folder_may_be_named_by_its_uid_alone(raw: Path) -> None:
    next(folder_of(raw).parent.glob("*")).rename(raw / SERIES)
    assert len(read(raw)) == 1


def test_the_folder_of_the_manifest_may_be_missing(raw: Path) -> None:
    (raw / MANIFEST).rename(raw / "Duke-Breast-Cancer-MRI")
    assert len(read(raw)) == 1


def test_a_series_in_two_folders_is_refused(raw: Path) -> None:
    save(folder_of(raw, name="a copy") / "1-001.dcm", picture(0))
    assert "in two folders" in refusal(raw)


def test_a_patient_without_the_phase_is_named(raw: Path) -> None:
    write_series(raw, patient="Breast_MRI_901", phase="pre", uid=f"{STUDY}.6")
    assert "no series of Breast_MRI_901, post_1" in refusal(raw)


def test_series_that_the_table_does_not_know_are_refused_if_there_are_no_others(
    raw: Path,
) -> None:
    table = raw / "Breast-Cancer-MRI-filepath_filename-mapping.csv"
    table.write_text(table.read_text().replace(SERIES, "2.25.1"))
    assert "none of the 1 series" in refusal(raw)


def test_another_table_is_refused(raw: Path) -> None:
    (raw / "Breast-Cancer-MRI-filepath_filename-mapping.csv").write_text(f"{PATHS}\na,b,c\n")
    assert "no paths of the published form" in refusal(raw)


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    assert "Breast_MRI_*" in refusal(tmp_path)


# Boxes


def test_a_box_counts_from_one_and_holds_its_ends(raw: Path) -> None:
    (case,) = read(raw)
    inside = np.argwhere(case.mask[..., 0].T).tolist()
    assert inside == [[1, 1], [1, 2], [1, 3], [2, 1], [2, 2], [2, 3]]
    assert not case.mask[..., 1:].any()


def test_the_slices_of_a_box_are_files_not_places(tmp_path: Path) -> None:
    write_series(tmp_path, from_feet=False)
    write_boxes(tmp_path, f"{PATIENT},1,1,1,1,1,1")
    # File 1 is the uppermost slice.
    assert read(tmp_path)[0].mask.any(axis=(0, 1)).tolist() == [False, False, True]


def test_a_case_says_that_its_mask_is_a_box(raw: Path) -> None:
    assert read(raw)[0].case_id == f"{PATIENT}_post_1_box"
    (remark,) = duke.list_cases(raw).remarks
    assert "its mask is the annotation box" in remark.remark


def test_a_patient_without_a_box_is_named(raw: Path) -> None:
    write_boxes(raw, "Breast_MRI_001,1,1,1,1,1,1")
    assert PATIENT in refusal(raw)


@pytest.mark.parametrize("box", ["0,1,1,1,1,1", "3,2,1,1,1,1", "1,1,1,1,1,x", "1,1,1,1,1,"])
def test_a_box_that_is_none_is_refused(raw: Path, box: str) -> None:
    write_boxes(raw, f"{PATIENT},{box}")
    assert "box" in refusal(raw)


@pytest.mark.parametrize("box", ["1,5,1,1,1,1", "1,1,1,6,1,1", "1,1,1,1,1,4"])
def test_a_box_that_is_larger_than_the_volume_is_refused(raw: Path, box: str) -> None:
    write_boxes(raw, f"{PATIENT},{box}")
    assert PATIENT in refusal(raw)


# Masks of one's own


def test_masks_of_ones_own_take_the_place_of_boxes(raw: Path) -> None:
    write_masks(raw, f"{PATIENT},post_1,nifti,mask.nii")
    (case,) = read(raw)
    assert case.case_id == f"{PATIENT}_post_1"
    assert case.mask.any(axis=(0, 1)).tolist() == [True, False, False]


def test_a_mask_may_be_of_another_phase(raw: Path) -> None:
    write_series(raw, phase="post_2", uid=f"{STUDY}.6")
    write_masks(raw, f"{PATIENT},post_2,nifti,mask.nii", f"{PATIENT},post_1,boxes,")
    cases = read(raw)
    assert [case.case_id for case in cases] == [f"{PATIENT}_post_1_box", f"{PATIENT}_post_2"]
    assert {case.group_id for case in cases} == {PATIENT}


def test_patients_whom_the_masks_leave_out_are_remarked_on(raw: Path) -> None:
    write_series(raw, patient="Breast_MRI_901", uid=f"{STUDY}.6")
    write_masks(raw, f"{PATIENT},post_1,nifti,mask.nii")
    assert len(read(raw)) == 1
    (remark,) = duke.list_cases(raw).remarks
    assert "Breast_MRI_901" in remark.remark


def test_masks_without_a_table_are_refused(raw: Path) -> None:
    (write_masks(raw) / "masks.csv").unlink()
    assert "no masks.csv that says what they are" in refusal(raw)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"{PATIENT},post_1,,mask.nii", "of which kind"),
        (f"{PATIENT},post_1,rtstruct,mask.nii", "of which kind"),
        (f"{PATIENT},post,nifti,mask.nii", "no phase"),
        (f"{NAME},post_1,nifti,mask.nii", "no patient"),
        (f"{PATIENT},post_1,nifti,{NAME}.nii", "not there"),
        (f"{PATIENT},post_1,nifti,../Annotation_Boxes.csv", "leads out"),
        (f"{PATIENT},post_1,nifti,", "leads out"),
        (f"{PATIENT},pre,nifti,mask.nii", "no series of Breast_MRI_900, pre"),
    ],
)
def test_a_row_that_cannot_be_is_refused(raw: Path, row: str, said: str) -> None:
    write_masks(raw, row)
    assert said in refusal(raw)


def test_a_slice_that_is_no_number_is_refused(raw: Path) -> None:
    head = "patient,phase,kind,path,slice"
    write_masks(raw, f"{PATIENT},post_1,mask-sc,mask.nii,first", head=head)
    assert "no number" in refusal(raw)


# People


def test_no_name_date_or_uid_reaches_what_convert_writes_or_says(
    raw: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    caplog.set_level(logging.DEBUG)
    dataset = picture(1)
    # Values that pydicom warns of, and quotes.
    dataset.add_new("PatientAge", "AS", f"{NAME} is old")
    dataset.add_new("StudyDate", "DA", f"{BORN} of {NAME}")
    save(next(folder_of(raw).parent.glob("*")) / "1-002.dcm", dataset)
    caplog.clear()
    recwarn.clear()
    place = tmp_path_factory.mktemp("converted")
    write_manifest(raw, place / "manifest.csv")
    convert("duke", raw=raw, manifest=place / "manifest.csv", out=place / "out")
    files = [path for path in (place / "out").rglob("*") if path.is_file()]
    written = b"".join(unpacked(path) for path in files)
    said = capsys.readouterr()
    heard = said.out + said.err + caplog.text + "".join(str(w.message) for w in recwarn)
    assert len(files) > 4
    for secret in SECRETS:
        assert secret.encode() not in written
        assert secret not in heard
        assert not any(secret in path.name for path in files)


def unpacked(path: Path) -> bytes:
    if path.name.endswith(".nii.gz"):
        image = nib.load(path)
        return bytes(image.header.binaryblock) + np.asarray(image.dataobj).tobytes()
    return path.read_bytes()


def test_a_case_that_was_found_does_not_show_its_uid(raw: Path) -> None:
    (found,) = duke.list_cases(raw).cases
    assert STUDY not in repr(found)
