"""Phantoms of volumes and of mammograms: bytes, published oddities, and what there is to learn."""

import hashlib
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import openpyxl
import pydicom
import pytest

from segrepro import datasets, phantoms
from segrepro.datasets._dicom_masks import MaskFile, read_mask
from segrepro.datasets._dicom_series import read_series
from segrepro.datasets._types import Case
from segrepro.phantoms import duke
from segrepro.phantoms._duke_masks import WRITERS

NAMES = ("atlas2", "brats2017", "brats2020", "duke", "inbreast", "kits23")
CASES = 7


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("phantoms")
    for name in NAMES:
        phantoms.load(name).write(place / name, cases=CASES, seed=0)
    return place


def hashes(raw: Path) -> dict[str, str]:
    return {
        path.relative_to(raw).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in raw.rglob("*")
        if path.is_file()
    }


def read(folder: Path, name: str) -> list[Case]:
    return list(datasets.load(name).iter_cases(folder / name))


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_bytes(folder: Path, name: str, tmp_path: Path) -> None:
    phantoms.load(name).write(tmp_path, cases=CASES, seed=0)
    assert hashes(tmp_path) == hashes(folder / name)


@pytest.mark.parametrize("name", NAMES)
def test_one_case_can_be_asked_for(name: str, tmp_path: Path) -> None:
    phantoms.load(name).write(tmp_path, cases=1, seed=3)
    assert len(list(datasets.load(name).iter_cases(tmp_path))) == 1


@pytest.mark.parametrize("name", ["atlas2", "brats2017", "brats2020", "duke", "inbreast"])
def test_some_cases_share_a_group(folder: Path, name: str) -> None:
    assert 1 < len({case.group_id for case in read(folder, name)}) < CASES


@pytest.mark.parametrize(
    ("name", "label", "channel", "brighter"),
    [
        ("brats2017", 3, 2, True),
        ("brats2020", 2, 0, True),
        ("kits23", 3, 0, False),
        ("atlas2", 1, 0, False),
        ("duke", 1, 0, True),
        ("inbreast", 1, 0, True),
    ],
)
def test_a_lesion_stands_out_from_what_is_around_it(
    folder: Path, name: str, label: int, channel: int, brighter: bool
) -> None:
    for case in read(folder, name):
        inside = case.mask == label
        if inside.any():
            image = case.channels[channel]
            # Not the air: what any case of a patient is made of.
            around = (case.mask == 0) & (image > np.median(image[inside]) / 4)
            assert (np.median(image[inside]) > np.median(image[around])) == brighter


def test_brats_images_are_exactly_zero_outside_the_brain(folder: Path) -> None:
    for case in read(folder, "brats2020"):
        outside = (case.channels == 0).all(axis=0)
        assert 0.6 < outside.mean() < 0.9
        assert not case.mask[outside].any()


def test_brats_case_355_has_an_odd_name_and_there_is_a_validation_case(folder: Path) -> None:
    training = folder / "brats2020" / "MICCAI_BraTS2020_TrainingData"
    assert (training / "BraTS20_Training_355" / "W39_1998.09.19_Segm.nii").is_file()
    assert not list((folder / "brats2020").glob("*ValidationData/*/*seg*"))
    assert len(list((folder / "brats2020").glob("*ValidationData/*/*.nii.gz"))) == 4


def test_kits_images_have_64_bits_and_run_to_the_feet_the_back_and_the_left(folder: Path) -> None:
    case = folder / "kits23" / "dataset" / "case_00400"
    image, label = nib.load(case / "imaging.nii.gz"), nib.load(case / "segmentation.nii.gz")
    assert image.get_data_dtype() == np.dtype("<f8")
    assert label.get_data_dtype() == np.uint8
    assert nib.aff2axcodes(image.affine) == ("I", "P", "L")
    assert not image.affine[:3, 3].any()


def test_kits_has_a_wide_case_a_hidden_annotation_and_a_table(folder: Path) -> None:
    raw = folder / "kits23" / "dataset"
    assert nib.load(raw / "case_00001" / "imaging.nii.gz").shape == (32, 128, 144)
    assert list(raw.glob("case_*/instances/.suppl.tumor_instance-1_annotation-1.nii.gz"))
    table = json.loads((raw / "kits23.json").read_text())
    assert [row["case_id"] for row in table] == sorted(path.name for path in raw.glob("case_*"))


def test_atlas_has_hidden_files_and_test_images_without_masks(folder: Path) -> None:
    raw = folder / "atlas2" / "ATLAS_2"
    assert list(raw.glob("**/.DS_Store"))
    assert list(raw.glob("Testing/**/._*_T1w.nii.gz"))
    assert not list(raw.glob("Testing/**/*mask*"))
    assert min(int(case.mask.sum()) for case in read(folder, "atlas2")) < 20


def test_mammograms_hold_fourteen_bits_and_names_without_a_person(folder: Path) -> None:
    paths = list((folder / "inbreast").rglob("*.dcm"))
    assert any("_FB_" in path.name for path in paths)
    for path in paths:
        dataset = pydicom.dcmread(path)
        assert (dataset.BitsAllocated, dataset.BitsStored) == (16, 14)
        assert dataset.pixel_array.max() > 1 << 12
        assert str(dataset.PatientName) == ""


def test_one_mammogram_has_no_outlines_and_is_not_normal(folder: Path) -> None:
    remarks = datasets.load("inbreast").list_cases(folder / "inbreast").remarks
    assert any("left out" in remark.remark for remark in remarks)
    assert any("points" in remark.remark for remark in remarks)


def test_the_tables_of_duke_are_workbooks_that_others_can_read(folder: Path) -> None:
    book = openpyxl.load_workbook(folder / "duke" / "Annotation_Boxes.xlsx")
    head, first, *_ = book.active.iter_rows(values_only=True)
    assert head[:3] == ("Patient ID", "Start Row", "End Row")
    assert first[0] == "Breast_MRI_001"
    assert all(isinstance(value, int) for value in first[1:])


def test_every_kind_of_mask_of_duke_occurs(folder: Path) -> None:
    rows = (folder / "duke" / "masks" / "masks.csv").read_text().splitlines()[1:]
    assert sorted(row.split(",")[2] for row in rows) == sorted([*WRITERS, "boxes"])


@pytest.mark.parametrize("kind", WRITERS)
def test_a_mask_is_read_as_it_was_drawn(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    tissue = duke._breasts(rng)
    series = duke._Series("Breast_MRI_001", "post_1", pydicom.uid.UID("1.2"), "1.2.3", 1)
    drawn = duke._write_series(tmp_path, series, tissue, rng)
    name = WRITERS[kind](tmp_path, drawn, rng)
    (place,) = {path.parent for path in tmp_path.rglob("1-*.dcm")}
    read_back = read_mask(
        MaskFile(kind, tmp_path / name, row=2), read_series(place, uid="1.2.3", what="it")
    )
    if kind == "burned-in":
        # A line drawn round the tumour belongs to the mask: it is that much larger.
        assert read_back[drawn.inside].all()
        assert read_back.sum() < 6 * drawn.inside.sum()
    else:
        np.testing.assert_array_equal(read_back, drawn.inside)
