"""Tables that publishers ship as csv or as xlsx, row by row."""

import csv
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
MOST_BYTES = 2 << 30
"""Of an unpacked workbook: the largest that we know, 770,000 rows, takes a tenth of it."""


def first_of(folder: Path, stem: str) -> Path | None:
    """Return ``stem.csv``, which is quicker to read, or else ``stem.xlsx``, if it is there."""
    paths = (folder / f"{stem}{ending}" for ending in (".csv", ".xlsx"))
    return next((path for path in paths if path.is_file()), None)


def rows_of(
    path: Path, columns: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield some columns of a table as text, without surrounding blanks; blank rows are left out.

    Parameters
    ----------
    path
        A csv file, or an xlsx file whose first sheet is read. The first row names the columns.
    columns
        Names of the wanted ones, in any case.
    optional
        Names of columns that come after them, empty where the table has none.

    Raises
    ------
    UserError
        If the file is broken, or a column is missing.
    """
    read = _workbook if path.suffix.lower() == ".xlsx" else _csv
    rows = read(path)
    try:
        head = [_text(cell).casefold() for cell in next(rows, ())]
        missing = [name for name in columns if name.casefold() not in head]
        if missing:
            raise UserError(f"{path} has no column {missing[0]!r}.", CURE)
        names = [name.casefold() for name in (*columns, *optional)]
        places = [head.index(name) if name in head else len(head) for name in names]
        for row in rows:
            cells = tuple(_text(row[place]) if place < len(row) else "" for place in places)
            if any(cells):
                yield cells
    # csv, zipfile and openpyxl report a broken file in any of these.
    except (
        csv.Error,
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        InvalidFileException,
        ParseError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        EOFError,
        RuntimeError,
    ) as error:
        raise UserError(f"{path} is no whole table ({type(error).__name__}).", CURE) from error


def _csv(path: Path) -> Iterator[Sequence[Any]]:
    with path.open(newline="", encoding="utf-8-sig") as handle:
        yield from csv.reader(handle)


def _workbook(path: Path) -> Iterator[Sequence[Any]]:
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise ValueError("far larger than any table")
    with warnings.catch_warnings():
        # openpyxl warns of styles and extensions that it does not keep.
        warnings.simplefilter("ignore")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            yield from book.worksheets[0].iter_rows(values_only=True)
        finally:
            book.close()


def _text(cell: object) -> str:
    # A number in a cell may be stored as 3.0.
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return "" if cell is None else str(cell).strip()
