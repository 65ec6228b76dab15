"""Converting, checking and reading cases."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from segrepro import datasets
from segrepro.cases.check import checked
from segrepro.cases.convert import convert, write_case
from segrepro.cases.raw import write_manifest
from segrepro.cases.read import load_case, read_cases
from segrepro.datasets import isbi2012
from segrepro.datasets._types import Case
from segrepro.errors import UserError

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
    cases: list[Case]

    def iter_cases(self, _raw: Path) -> Iterator[Case]:
        yield from self.cases


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> Tiny:
    module = Tiny(cases=[case("a"), case("b", group_id="h")])
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
        "case_id,group_id,site,shape,spacing_mm,pixels_disc,pixels_rim,image_sha256,mask_sha256"
    )
    assert lines[1].startswith("a,g,here,2x2,0.5x0.25,1,2,")


def test_what_was_written_is_read_back(tiny: Tiny, raw: Path) -> None:
    out = run(raw)
    rows = read_cases(out / "cases.csv")
    assert [(row.case_id, row.group_id) for row in rows] == [("a", "g"), ("b", "h")]
    assert rows[0].spacing_mm == (0.5, 0.25)
    assert dict(rows[0].pixels) == {"disc": 1, "rim": 2}
    channels, mask = load_case(out, rows[0])
    np.testing.assert_array_equal(channels, tiny.cases[0].channels)
    np.testing.assert_array_equal(mask, tiny.cases[0].mask)


def test_sixteen_bits_survive(tmp_path: Path, tiny: Tiny, raw: Path) -> None:
    deep = np.array([[[0, 65535], [256, 1]]] * 2, dtype=np.uint16)
    tiny.cases = [case("a", channels=deep)]
    out = run(raw)
    channels, _ = load_case(out, read_cases(out / "cases.csv")[0])
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


def test_a_volume_is_refused_until_nifti_comes(tmp_path: Path) -> None:
    volume = case(
        mask=np.zeros((2, 2, 2), np.uint8),
        channels=np.zeros((2, 2, 2, 2), np.uint8),
        spacing_mm=(1.0, 1.0, 1.0),
    )
    with pytest.raises(UserError, match=r"\(2, 2, 2\)"):
        write_case(volume, tmp_path)


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
    ],
)
def test_a_case_that_is_not_well_formed_is_named(changes: dict[str, object], said: str) -> None:
    wrong = case(**{"case_id": "odd", **changes})  # type: ignore[arg-type]
    with pytest.raises(UserError, match=said) as caught:
        list(checked([wrong], CARD))
    assert wrong.case_id in caught.value.fact


def test_ids_that_differ_only_in_case_are_refused() -> None:
    with pytest.raises(UserError, match="two cases"):
        list(checked([case("a"), case("A")], CARD))


def test_no_cases_at_all_are_refused() -> None:
    with pytest.raises(UserError, match="no cases"):
        list(checked([], CARD))


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
