"""The INbreast reader, on pictures of a few pixels."""

import logging
import plistlib
from pathlib import Path

import numpy as np
import pytest
from _dicom_files import BORN, NAME, SECRETS, grey, save
from pydicom.dataset import FileDataset

from segrepro.cases.convert import convert
from segrepro.cases.raw import write_manifest
from segrepro.datasets import inbreast
from segrepro.datasets._types import Case
from segrepro.errors import UserError

PATIENT = "6c613a14b80a8591"
PIXELS = np.arange(80).reshape(8, 10) * 200
Point = tuple[float, float]
SQUARE = [(0.5, 1.5), (5.5, 1.5), (5.5, 6.5), (0.5, 6.5)]
SPECK = [(2.0, 3.0)]


def write_image(
    raw: Path, number: int, dataset: FileDataset | None = None, *, token: str = PATIENT
) -> Path:
    dataset = dataset or grey(PIXELS)
    dataset.BitsStored, dataset.HighBit = 14, 13
    return save(raw / "AllDICOMs" / f"{number}_{token}_MG_R_FB_ANON.dcm", dataset)


def write_outlines(raw: Path, number: int, *regions: tuple[str, list[Point]]) -> Path:
    rois = [
        {
            "Area": 1.0,
            "IndexInImage": index,
            "Name": name,
            "NumberOfPoints": len(points),
            "Point_px": [f"({x:f}, {y:f})" for x, y in points],
        }
        for index, (name, points) in enumerate(regions)
    ]
    content = {"Images": [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]}
    path = raw / "AllXML" / f"{number}.xml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(plistlib.dumps(content))
    return path


def write_table(raw: Path, *rows: str, columns: str = "File Name;ACR;Bi-Rads") -> Path:
    path = raw / "INbreast.csv"
    path.write_text("\n".join([columns, *rows]) + "\n", encoding="latin-1")
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    write_image(tmp_path, 20586908)
    write_outlines(tmp_path, 20586908, ("Mass", SQUARE))
    write_table(tmp_path, "20586908;3;4a")
    return tmp_path


def read(raw: Path) -> list[Case]:
    return list(inbreast.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    assert not any(secret in str(caught.value) for secret in (*SECRETS, PATIENT))
    return caught.value.fact


def found(case: Case) -> set[str]:
    names = ("background", *inbreast.CARD.classes)
    return {names[label] for label in np.unique(case.mask)} - {"background"}


def test_points_are_x_and_y(raw: Path) -> None:
    write_outlines(raw, 20586908, ("Mass", [(0.5, 1.5), (7.5, 1.5), (7.5, 2.5), (0.5, 2.5)]))
    (case,) = read(raw)
    assert np.argwhere(case.mask).tolist() == [[2, column] for column in range(1, 8)]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Mass", "mass"),
        ("mass ", "mass"),
        ("Calcification", "calcification"),
        ("Calcifications", "calcification"),
        ("Point 1", "calcification"),
        ("Point 3", "calcification"),
        ("Unnamed", "calcification"),
        ("Cluster", "cluster"),
        ("Distortion", "distortion"),
        ("Asymmetry", "asymmetry"),
        ("Assymetry", "asymmetry"),
        ("Spiculated Region", "spiculated region"),
        ("Spiculated region", "spiculated region"),
        ("Espiculated Region", "spiculated region"),
    ],
)
def test_dirty_names_are_put_right(raw: Path, written: str, meant: str) -> None:
    write_outlines(raw, 20586908, (written, SQUARE))
    assert found(read(raw)[0]) == {meant}


def test_an_unknown_name_is_refused(raw: Path) -> None:
    write_outlines(raw, 20586908, ("Lymph node", SQUARE))
    assert "'Lymph node'" in refusal(raw)


@pytest.mark.parametrize("backwards", [False, True])
def test_small_regions_stay_on_top_of_large_ones(raw: Path, backwards: bool) -> None:
    regions = [("Calcification", SPECK), ("Cluster", SQUARE)]
    write_outlines(raw, 20586908, *(regions[::-1] if backwards else regions))
    (case,) = read(raw)
    assert inbreast.CLASSES[case.mask[3, 2] - 1] == "calcification"
    assert (case.mask > 0).sum() == 25


def test_a_region_of_two_points_is_two_pixels(raw: Path) -> None:
    write_outlines(raw, 20586908, ("Point 1", [(1.0, 1.0), (4.0, 5.0)]))
    assert np.argwhere(read(raw)[0].mask).tolist() == [[1, 1], [5, 4]]


def test_points_outside_the_picture_are_cut_off(raw: Path) -> None:
    outside = [(7.5, -4.0), (99.0, -4.0), (99.0, 1.5), (7.5, 1.5)]
    write_outlines(raw, 20586908, ("Mass", outside), ("Point 3", [(500.0, 2.0)]))
    assert np.argwhere(read(raw)[0].mask).tolist() == [[0, 8], [0, 9], [1, 8], [1, 9]]


def test_extra_keys_shift_nothing(raw: Path) -> None:
    path = write_outlines(raw, 20586908, ("Mass", SQUARE))
    content = plistlib.loads(path.read_bytes())
    content["Images"][0]["ROIs"][0] |= {"Length": 3.0, "Point_value": [1.0], "Center": "(0, 0, 0)"}
    path.write_bytes(plistlib.dumps(content))
    assert (read(raw)[0].mask > 0).sum() == 25


def test_a_wrong_number_of_points_is_remarked_on(raw: Path) -> None:
    path = write_outlines(raw, 20586908, ("Mass", SQUARE))
    path.write_bytes(path.read_bytes().replace(b"<integer>4<", b"<integer>5<"))
    (remark,) = inbreast.list_cases(raw).remarks
    assert remark.path == "AllXML/20586908.xml"
    assert "5 points, but has 4" in remark.remark
    assert len(read(raw)) == 1


def test_outlines_of_pectoral_muscles_are_not_read(raw: Path) -> None:
    muscle = raw / "PectoralMuscle" / "Pectoral Muscle XML" / "20586908_muscle.xml"
    muscle.parent.mkdir(parents=True)
    muscle.write_bytes(plistlib.dumps([{"ROIPoints": ["{0, 0}", "{9, 0}", "{0, 9}"]}]))
    assert found(read(raw)[0]) == {"mass"}


def test_a_pectoral_muscle_among_the_outlines_is_refused(raw: Path) -> None:
    (raw / "AllXML" / "20586908.xml").write_bytes(plistlib.dumps([{"ROIPoints": ["{0, 0}"]}]))
    assert "no list of regions" in refusal(raw)


def test_views_of_one_patient_share_a_group_that_does_not_show_the_token(raw: Path) -> None:
    for number, token in ((20586934, PATIENT.upper()), (20586960, "036aff49b8ac84f0")):
        write_image(raw, number, token=token)
        write_outlines(raw, number, ("Mass", SQUARE))
    groups = [case.group_id for case in read(raw)]
    assert groups[0] == groups[1] != groups[2]
    assert not any(PATIENT in group for group in groups)


def test_fourteen_bits_stay_in_sixteen(raw: Path) -> None:
    (case,) = read(raw)
    assert case.channels.dtype == np.uint16
    np.testing.assert_array_equal(case.channels[0], PIXELS)


def test_more_than_fourteen_bits_are_refused(raw: Path) -> None:
    write_image(raw, 20586908, grey(PIXELS + 16000))
    assert "beyond the 14 bits" in refusal(raw)


def test_an_inverted_picture_is_turned_over(raw: Path) -> None:
    dataset = grey(PIXELS)
    dataset.PhotometricInterpretation = "MONOCHROME1"
    write_image(raw, 20586908, dataset)
    np.testing.assert_array_equal(read(raw)[0].channels[0], 16383 - PIXELS)


@pytest.mark.parametrize("attribute", ["PixelSpacing", "ImagerPixelSpacing"])
def test_the_spacing_is_that_of_rows_then_columns(raw: Path, attribute: str) -> None:
    dataset = grey(PIXELS)
    setattr(dataset, attribute, [0.08, 0.09])
    write_image(raw, 20586908, dataset)
    assert read(raw)[0].spacing_mm == (0.08, 0.09)


def test_without_a_spacing_it_is_that_of_the_detector(raw: Path) -> None:
    assert read(raw)[0].spacing_mm == (0.07, 0.07)


def test_an_image_without_outlines_is_normal_if_the_table_says_so(raw: Path) -> None:
    write_image(raw, 20586934)
    write_table(raw, "20586908;3;4a", "20586934;     ;1", ";;", "2 images;;")
    assert [bool(case.mask.any()) for case in read(raw)] == [True, False]


def test_an_image_without_outlines_that_is_not_normal_is_left_out(raw: Path) -> None:
    write_image(raw, 20586934)
    write_table(raw, "20586908;3;4a", "20586934;2;2")
    assert [case.case_id for case in read(raw)] == ["20586908"]
    (remark,) = inbreast.list_cases(raw).remarks
    assert "left out, because INbreast.csv gives it BI-RADS 2" in remark.remark


def test_the_annotation_status_decides_where_the_table_has_one(raw: Path) -> None:
    write_image(raw, 20586934)
    write_image(raw, 20586960)
    columns = "File Name;Bi-Rads;Lesion Annotation Status"
    rows = ("20586934;2;No annotation (normal)", "20586960;1;Not annotated")
    write_table(raw, *rows, columns=columns)
    assert [case.case_id for case in read(raw)] == ["20586908", "20586934"]


def test_an_image_that_the_table_does_not_list_is_left_out(raw: Path) -> None:
    write_image(raw, 20586934)
    (remark,) = inbreast.list_cases(raw).remarks
    assert "no row" in remark.remark


def test_a_missing_table_says_how_to_make_it(raw: Path) -> None:
    (raw / "INbreast.csv").unlink()
    with pytest.raises(UserError) as caught:
        read(raw)
    assert "INbreast.xls" in caught.value.cure


def test_a_table_with_commas_is_refused(raw: Path) -> None:
    write_table(raw, columns="File Name,ACR,Bi-Rads")
    assert "semicolons" in refusal(raw)


def test_outlines_without_an_image_are_named(raw: Path) -> None:
    path = write_outlines(raw, 99, ("Mass", SQUARE))
    assert str(path) in refusal(raw)


def test_a_misnamed_image_is_refused_without_its_name(raw: Path) -> None:
    save(raw / "AllDICOMs" / f"{NAME} {PATIENT}.dcm", grey(PIXELS))
    assert "NUMBER_TOKEN_MG_SIDE_VIEW_ANON.dcm" in refusal(raw)


def test_two_images_of_one_number_are_refused(raw: Path) -> None:
    write_image(raw, 20586908, token=PATIENT[::-1])
    assert "20586908 twice" in refusal(raw)


def test_the_folder_of_the_release_may_be_there(raw: Path, tmp_path_factory: object) -> None:
    release = raw / "INbreast Release 1.0"
    release.mkdir()
    for name in ("AllDICOMs", "AllXML", "INbreast.csv"):
        (raw / name).rename(release / name)
    assert len(read(raw)) == 1


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    assert "AllDICOMs/*.dcm" in refusal(tmp_path)


def test_a_file_that_unpacks_to_billions_of_laughs_is_refused(raw: Path) -> None:
    levels = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY l0 "ha">{levels}]>'
    text += '<plist version="1.0"><string>&l9;</string></plist>'
    (raw / "AllXML" / "20586908.xml").write_text(text)
    assert "no list of regions" in refusal(raw)


def test_a_file_that_asks_for_another_is_refused(raw: Path) -> None:
    secret = raw / "secret.txt"
    secret.write_text("Mass")
    text = f'<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY x SYSTEM "{secret.as_uri()}">]>'
    text += '<plist version="1.0"><string>&x;</string></plist>'
    (raw / "AllXML" / "20586908.xml").write_text(text)
    assert "no list of regions" in refusal(raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>404</html>",
        '<plist version="1.0"><dict><key>Images</key><string>none</string></dict></plist>',
        '<plist version="1.0"><dict><key>Images</key><array><true/></array></dict></plist>',
        '<plist version="1.0"><array><dict>',
    ],
)
def test_a_broken_list_of_outlines_is_named(raw: Path, text: str) -> None:
    path = raw / "AllXML" / "20586908.xml"
    path.write_text(text)
    assert str(path) in refusal(raw)


@pytest.mark.parametrize("point", ["(nan, 1)", "(1)", "{1, 2}", "(1e300, 2)", "(1, 2, 3)", ""])
def test_a_point_that_is_none_is_refused(raw: Path, point: str) -> None:
    path = write_outlines(raw, 20586908, ("Mass", SQUARE))
    text = path.read_text().replace("(0.500000, 1.500000)", point)
    path.write_text(text)
    assert str(path) in refusal(raw)


@pytest.mark.parametrize("kept", [0, 100, 400, -10])
def test_a_truncated_image_is_named_by_its_number(raw: Path, kept: int) -> None:
    (path,) = (raw / "AllDICOMs").iterdir()
    path.write_bytes(path.read_bytes()[:kept])
    assert "image 20586908" in refusal(raw)


def test_a_header_that_asks_for_gigabytes_is_refused(raw: Path) -> None:
    dataset = grey(PIXELS)
    dataset.Rows = dataset.Columns = 65535
    write_image(raw, 20586908, dataset)
    assert "image 20586908" in refusal(raw)


def test_no_name_date_uid_or_token_reaches_what_convert_writes_or_says(
    raw: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    caplog.set_level(logging.DEBUG)
    dataset = grey(PIXELS)
    # Values that pydicom warns of, and quotes.
    dataset.add_new("PatientAge", "AS", f"{NAME} is old")
    dataset.add_new("StudyDate", "DA", f"{BORN} of {NAME}")
    dataset.add_new("ImagerPixelSpacing", "DS", ["0.07", "0.07"])
    write_image(raw, 20586934, dataset)
    write_outlines(raw, 20586934, ("Mass", SQUARE))
    caplog.clear()
    recwarn.clear()
    place = tmp_path_factory.mktemp("converted")
    write_manifest(raw, place / "manifest.csv")
    convert("inbreast", raw=raw, manifest=place / "manifest.csv", out=place / "out")
    written = b"".join(path.read_bytes() for path in (place / "out").rglob("*") if path.is_file())
    said = capsys.readouterr()
    heard = said.out + said.err + caplog.text + "".join(str(w.message) for w in recwarn)
    names = "".join(path.name for path in (place / "out").rglob("*"))
    for secret in (*SECRETS, PATIENT):
        assert secret.encode() not in written
        assert secret not in heard
        assert secret not in names


def test_a_broken_value_is_not_quoted(raw: Path, recwarn: pytest.WarningsRecorder) -> None:
    dataset = grey(PIXELS)
    (path,) = (raw / "AllDICOMs").iterdir()
    dataset.add_new("ImagerPixelSpacing", "LO", [NAME, NAME])
    write_image(raw, 20586908, dataset)
    recwarn.clear()
    path.write_bytes(path.read_bytes().replace(b"LO\x12\x00", b"DS\x12\x00"))
    assert "ValueError" in refusal(raw)
    assert not len(recwarn)
