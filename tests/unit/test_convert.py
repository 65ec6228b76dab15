"""Converting, checking and reading cases."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - the name that all its documentation uses

from segrepro import datasets
from segrepro.cases._png import encode_png
from segrepro.cases.check import check_case, check_together
from segrepro.cases.convert import convert
from segrepro.cases.raw import phantom, write_manifest
from segrepro.cases.read import load_case, read_cases
from segrepro.cases.write import write_case
from segrepro.datasets import isbi2012
from segrepro.datasets._types import Case, Listing, Remark
from segrepro.errors import UserError
from segrepro.files import write_bytes
from segrepro.protocol.stages import PhantomStage

CARD = replace(isbi2012.CARD, channels=("red", "green"), classes=("disc", "rim"), expected_cases=2)


def case(case_id: str = "a", **changes: object) -> Case:
    """Four pixels: one background, one disc, two rim."""
    plain = Case(
        case_id=case_id,
        group_id="g",
        channels=np.arange(8, dtype=np.uint8).reshape(2, 2, 2),
        mask=np.array([[0, 1], [2, 2]], dtype=np.uint8),
        spacing_mm=(0.5, 0.25),
        site="here",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


class Tiny(SimpleNamespace):
    """A data set of two channels and two classes."""

    CARD = CARD
    cases: list[Case | Remark]
    remarks: list[Remark]

    def list_cases(self, _raw: Path) -> Listing:
        return Listing(cases=tuple(self.cases), remarks=tuple(self.remarks))

    def read_case(self, found: Case | Remark) -> Case | Remark:
        return found


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    module = Tiny(cases=[case("a"), case("b", group_id="h")], remarks=[])
    monkeypatch.setattr(datasets, "load", lambda _: module)
    return module


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "file").write_text("x")
    write_manifest(tmp_path / "raw", tmp_path / "manifest.csv")
    return tmp_path / "raw"


def run(raw: Path) -> Path:
    out = raw.parent / "cases"
    convert("tiny", raw=raw, manifest=raw.parent / "manifest.csv", out=out)
    return out


def test_the_files_are_those_of_the_nnunet_raw_layout(tiny: Tiny, raw: Path) -> None:
    out = run(raw)
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    assert found == [
        "cases.csv",
        "dataset.json",
        "imagesTr/a_0000.png",
        "imagesTr/a_0001.png",
        "imagesTr/b_0000.png",
        "imagesTr/b_0001.png",
        "labelsTr/a.png",
        "labelsTr/b.png",
        "remarks.csv",
    ]


def test_the_description_is_that_of_nnunet_with_licence_and_reference(
    tiny: Tiny, raw: Path
) -> None:
    written = json.loads((run(raw) / "dataset.json").read_text())
    assert written["channel_names"] == {"0": "red", "1": "green"}
    assert written["labels"] == {"background": 0, "disc": 1, "rim": 2}
    assert (written["numTraining"], written["file_ending"]) == (2, ".png")
    assert written["licence"] == CARD.licence
    assert CARD.citation in written["reference"]


def test_the_table_counts_pixels_per_class_in_label_order(tiny: Tiny, raw: Path) -> None:
    lines = (run(raw) / "cases.csv").read_text().splitlines()
    assert lines[0] == (
        "case_id,group_id,site,shape,spacing_mm,orientation,pixels_disc,pixels_rim,image_sha256,mask_sha256"
    )
    assert lines[1].startswith("a,g,here,2x2,0.5x0.25,,1,2,")


def test_what_was_written_is_read_back(tiny: Tiny, raw: Path) -> None:
    out = run(raw)
    rows = read_cases(out / "cases.csv")
    assert [(row.case_id, row.group_id) for row in rows] == [("a", "g"), ("b", "h")]
    assert rows[0].spacing_mm == (0.5, 0.25)
    assert dict(rows[0].pixels) == {"disc": 1, "rim": 2}
    loaded = load_case(out, rows[0])
    np.testing.assert_array_equal(np.stack(loaded.channels), tiny.cases[0].channels)
    np.testing.assert_array_equal(loaded.mask, tiny.cases[0].mask)
    assert loaded.affine is None


def test_sixteen_bits_survive(tmp_path: Path, tiny: Tiny, raw: Path) -> None:
    deep = np.array([[[0, 65535], [256, 1]]] * 2, dtype=np.uint16)
    tiny.cases = [case("a", channels=deep)]
    out = run(raw)
    channels = np.stack(load_case(out, read_cases(out / "cases.csv")[0]).channels)
    assert channels.dtype == np.uint16
    np.testing.assert_array_equal(channels, deep)


def test_converting_twice_gives_the_same_bytes(tiny: Tiny, raw: Path) -> None:
    def everything() -> dict[Path, bytes]:
        out = run(raw)
        return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    assert everything() == everything()


def test_files_of_an_earlier_conversion_are_removed(tiny: Tiny, raw: Path) -> None:
    run(raw)
    tiny.cases = tiny.cases[:1]
    out = run(raw)
    assert [path.name for path in sorted((out / "labelsTr").iterdir())] == ["a.png"]


def test_a_failed_conversion_leaves_no_table(tiny: Tiny, raw: Path) -> None:
    out = run(raw)
    tiny.cases[1] = case("b", group_id="")
    with pytest.raises(UserError):
        run(raw)
    assert not (out / "cases.csv").exists()


def test_other_raw_bytes_than_the_manifests_are_not_converted(tiny: Tiny, raw: Path) -> None:
    (raw / "file").write_text("y")
    with pytest.raises(UserError, match="file changed"):
        run(raw)


def test_fewer_cases_than_published_are_noted(
    tiny: Tiny, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.cases = tiny.cases[:1]
    run(raw)
    assert "1 cases; the publisher has 2" in capsys.readouterr().err


AFFINE = np.array([[-2.0, 0, 0, 9], [0, -3, 0, 8], [0, 0, 4, 7], [0, 0, 0, 1]])


def volume(case_id: str = "v", **changes: object) -> Case:
    """Two by three by four voxels of 2 x 3 x 4 mm; the axes point left, back and up."""
    plain = case(
        case_id,
        channels=np.arange(-24, 24, dtype=np.int16).reshape(2, 2, 3, 4),
        mask=np.repeat(np.arange(3, dtype=np.uint8), 8).reshape(2, 3, 4),
        spacing_mm=(2.0, 3.0, 4.0),
        affine=AFFINE,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_a_volume_keeps_its_values_its_type_and_its_place_in_space(tiny: Tiny, raw: Path) -> None:
    tiny.cases = [volume("v")]
    out = run(raw)
    (row,) = read_cases(out / "cases.csv")
    assert (row.shape, row.spacing_mm, row.orientation) == ((2, 3, 4), (2.0, 3.0, 4.0), "LPS")
    assert dict(row.pixels) == {"disc": 8, "rim": 8}
    loaded = load_case(out, row)
    np.testing.assert_array_equal(np.stack(loaded.channels), volume().channels)
    np.testing.assert_array_equal(loaded.mask, volume().mask)
    assert loaded.channels[0].dtype == np.int16
    np.testing.assert_array_equal(loaded.affine, AFFINE)
    assert json.loads((out / "dataset.json").read_text())["file_ending"] == ".nii.gz"


def test_another_reader_sees_the_same_volume(tiny: Tiny, raw: Path) -> None:
    tiny.cases = [volume("v")]
    out = run(raw)
    image = nib.load(out / "imagesTr" / "v_0001.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(image.dataobj), volume().channels[1])
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.header["descrip"] == b""
    itk = sitk.ReadImage(str(out / "labelsTr" / "v.nii.gz"))
    assert itk.GetSpacing() == (2.0, 3.0, 4.0)
    # ITK's axes point left and back where NIfTI's point right and front.
    assert itk.GetOrigin() == (-9.0, -8.0, 7.0)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(itk).T, volume().mask)


def test_volumes_and_pictures_do_not_mix(tiny: Tiny, raw: Path) -> None:
    tiny.cases = [case("a"), volume("v")]
    with pytest.raises(UserError, match="'v' has 3 axes, but 'a' has 2"):
        run(raw)


def test_a_picture_of_floats_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="float32"):
        write_case(case(channels=np.zeros((2, 2, 2), np.float32)), tmp_path)


def test_what_is_left_out_is_listed_with_the_reason(
    tiny: Tiny, raw: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.remarks = [Remark(path="b.png", remark="the same bytes as a.png")]
    tiny.cases = [case("a"), Remark(path="c.jpg", remark="truncated, left out")]
    out = run(raw)
    assert (out / "remarks.csv").read_text().splitlines() == [
        "path,remark",
        "b.png,the same bytes as a.png",
        'c.jpg,"truncated, left out"',
    ]
    assert len(read_cases(out / "cases.csv")) == 1
    assert "2 remark(s) in remarks.csv" in capsys.readouterr().err


def test_two_processes_write_the_bytes_of_one(tmp_path: Path) -> None:
    stage = PhantomStage(dataset="isbi2012", cases=2, seed=0)
    raw, manifest = tmp_path / "raw", tmp_path / "manifest.csv"
    phantom(stage, raw=raw, manifest=manifest)
    for workers in (1, 2):
        out = tmp_path / str(workers)
        convert("isbi2012-phantom", raw=raw, manifest=manifest, out=out, workers=workers)
    one, two = (
        {path.name: path.read_bytes() for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in "12"
    )
    assert one == two


def test_a_mistake_in_a_process_is_told_as_one(tmp_path: Path) -> None:
    raw, manifest = tmp_path / "raw", tmp_path / "manifest.csv"
    for name, shape in {"image/0": (4, 4), "image/1": (4, 4), "label/0": (4, 4)}.items():
        write_bytes(raw / "train" / f"{name}.png", encode_png(np.zeros(shape, np.uint8)))
    write_bytes(raw / "train" / "label" / "1.png", encode_png(np.zeros((5, 4), np.uint8)))
    write_manifest(raw, manifest)
    with pytest.raises(UserError, match=r"has shape \(4, 4\), but .* has \(5, 4\)"):
        convert("isbi2012", raw=raw, manifest=manifest, out=tmp_path / "out", workers=2)
    assert not (tmp_path / "out" / "cases.csv").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"case_id": "../a"}, "id may hold only"),
        ({"group_id": ""}, "no group"),
        ({"channels": np.zeros((1, 2, 2), np.uint8)}, "not 2 channel"),
        ({"mask": np.zeros((3, 2), np.uint8)}, "one grid"),
        ({"spacing_mm": (1.0,)}, "1 spacings for 2 axes"),
        ({"spacing_mm": (1.0, 0.0)}, "not positive"),
        ({"spacing_mm": (1.0, float("nan"))}, "not positive"),
        ({"mask": np.full((2, 2), 3, np.uint8)}, "label 3"),
        ({"mask": np.zeros((2, 2), np.int64)}, "not uint8"),
        ({"affine": np.eye(4)}, "is no volume"),
    ],
)
def test_a_case_that_is_not_well_formed_is_named(changes: dict[str, object], said: str) -> None:
    wrong = case(**{"case_id": "odd", **changes})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=said) as caught:
        check_case(wrong, CARD)
    assert wrong.case_id in caught.value.fact


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"affine": None}, "has no affine"),
        ({"affine": np.eye(3)}, "not 4 by 4"),
        ({"affine": np.full((4, 4), np.nan)}, "finite"),
        ({"spacing_mm": (3.0, 2.0, 4.0)}, "not that of its affine"),
    ],
)
def test_a_volume_without_a_place_in_space_is_refused(
    changes: dict[str, object], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        check_case(volume(**changes), CARD)  # type: ignore[arg-type]


def test_ids_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(UserError, match="two cases"):
        check_together([("a", 2), ("A", 2)], CARD)


def test_no_cases_at_all_are_refused() -> None:
    with pytest.raises(UserError, match="no cases"):
        check_together([], CARD)


def test_a_changed_image_is_named_when_it_is_read(tiny: Tiny, raw: Path) -> None:
    out = run(raw)
    changed = out / "imagesTr" / "a_0001.png"
    changed.write_bytes((out / "imagesTr" / "a_0000.png").read_bytes())
    with pytest.raises(UserError, match=r"a_0001\.png changed"):
        load_case(out, read_cases(out / "cases.csv")[0])


def test_a_missing_mask_is_named_when_it_is_read(tiny: Tiny, raw: Path) -> None:
    out = run(raw)
    (out / "labelsTr" / "a.png").unlink()
    with pytest.raises(UserError, match=r"a\.png"):
        load_case(out, read_cases(out / "cases.csv")[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case_id\n", "lists no cases"),
        ("case_id,shape\na,2x2\n", "no table of cases"),
        ("case_id,group_id,site,shape,spacing_mm,image_sha256,mask_sha256\na,g\n", "no table"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        read_cases(tmp_path / "cases.csv")


def test_a_missing_table_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_cases(tmp_path / "cases.csv")
    assert "segrepro convert" in caught.value.cure
