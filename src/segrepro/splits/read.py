"""Read a split file."""

import csv
from dataclasses import dataclass
from pathlib import Path

from segrepro.errors import UserError
from segrepro.splits._rows import PARTS, SplitRow
from segrepro.splits.check import check_split

_CURE = "Make it again with `segrepro split`."


@dataclass(frozen=True)
class RunSplit:
    """The case ids of each part of one run, in file order."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def read_split(path: Path) -> list[SplitRow]:
    """Return all rows of a split file, in file order.

    Raises
    ------
    UserError
        If it is missing, not of that form, or lists a case twice in a run.
    """
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = [_parse(row) for row in csv.DictReader(handle)]
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}.", "Make it with `segrepro split`.") from error
    except (KeyError, ValueError) as error:
        raise UserError(f"{path} is no split: {error!r}.", _CURE) from error
    # Whether groups may straddle is for the protocol to say; a case never may.
    check_split(rows, unit="case")
    return rows


def read_run(path: Path, run: str) -> RunSplit:
    """Return who is in which part of a run.

    Raises
    ------
    UserError
        If the file has no such run; it lists those it has.
    """
    rows = read_split(path)
    mine = [row for row in rows if row.run == run]
    if not mine:
        known = ", ".join(dict.fromkeys(row.run for row in rows)) or "none"
        raise UserError(f"{path} has no run {run!r}.", f"Its runs are: {known}.")
    train, validation, test = (
        tuple(row.case_id for row in mine if row.part == part) for part in PARTS
    )
    return RunSplit(train, validation, test)


def _parse(row: dict[str, str]) -> SplitRow:
    for part in PARTS:
        if row["part"] == part:
            return SplitRow(row["run"], row["case_id"], row["group_id"], part)
    raise ValueError(f"part {row['part']!r} is none of {', '.join(PARTS)}")
