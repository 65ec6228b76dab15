"""What must hold for every split, drawn or written by hand."""

from collections.abc import Iterable
from typing import Literal

from segrepro.errors import UserError
from segrepro.splits._rows import SplitRow


def check_split(rows: Iterable[SplitRow], *, unit: Literal["group", "case"]) -> None:
    """Refuse a split that leaks.

    Parameters
    ----------
    rows
        All runs.
    unit
        ``group``: no group may straddle the parts of a run. ``case``: only no case may.

    Raises
    ------
    UserError
        Naming the run and the case or group.
    """
    home: dict[tuple[str, str, str], str] = {}
    seen: set[tuple[str, str]] = set()
    for row in rows:
        if (row.run, row.case_id) in seen:
            raise UserError(
                f"{row.run}: case {row.case_id!r} is listed twice.",
                "A case belongs to one part of a run: make the split again.",
            )
        seen.add((row.run, row.case_id))
        if unit == "group":
            part = home.setdefault((row.run, "group", row.group_id), row.part)
            if part != row.part:
                raise UserError(
                    f"{row.run}: group {row.group_id!r} is in {part} and in {row.part}.",
                    "A group belongs to one part of a run: make the split again.",
                )
