"""Tables as csv and as xlsx."""

import zipfile
from pathlib import Path

import openpyxl
import pytest

from segrepro.datasets._sheets import MOST_BYTES, first_of, rows_of
from segrepro.errors import UserError

ROWS = [["Patient ID", "Start Row", "Note"], ["a", 3, None], [], ["b", 4.0, "two\nlines"]]


def write_csv(path: Path) -> Path:
    path.write_text('Patient ID,Start Row,Note\na,3,\n,,\nb,4,"two\nlines"\n')
    return path


def write_xlsx(path: Path) -> Path:
    book = openpyxl.Workbook()
    for row in ROWS:
        book.active.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("write", [write_csv, write_xlsx])
def test_both_forms_give_the_same_rows(tmp_path: Path, write: object) -> None:
    path = tmp_path / f"table.{write.__name__.removeprefix('write_')}"
    rows = list(rows_of(write(path), ["start row", "Patient ID"], ["Note", "Kind"]))
    assert rows == [("3", "a", "", ""), ("4", "b", "two\nlines", "")]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="'End Row'"):
        list(rows_of(write_csv(tmp_path / "t.csv"), ["End Row"]))


def test_a_csv_is_taken_before_an_xlsx(tmp_path: Path) -> None:
    write_xlsx(tmp_path / "t.xlsx")
    assert first_of(tmp_path, "t") == tmp_path / "t.xlsx"
    write_csv(tmp_path / "t.csv")
    assert first_of(tmp_path, "t") == tmp_path / "t.csv"
    assert first_of(tmp_path, "u") is None


@pytest.mark.parametrize("kept", [0, 100, -30])
def test_a_truncated_workbook_is_named(tmp_path: Path, kept: int) -> None:
    path = write_xlsx(tmp_path / "t.xlsx")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"t\.xlsx is no whole table"):
        list(rows_of(path, ["Patient ID"]))


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_xlsx(tmp_path / "t.xlsx")
    big = zipfile.ZipInfo("xl/worksheets/sheet1.xml")
    big.file_size = MOST_BYTES + 1
    monkeypatch.setattr(zipfile.ZipFile, "infolist", lambda _: [big])
    with pytest.raises(UserError, match="no whole table"):
        list(rows_of(path, ["Patient ID"]))


def test_a_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("Patient ID\nJos\xe9\n".encode("latin-1"))
    with pytest.raises(UserError, match=r"t\.csv is no whole table"):
        list(rows_of(path, ["Patient ID"]))
