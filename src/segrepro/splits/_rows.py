"""The rows of a split file."""

from dataclasses import dataclass
from typing import Literal, get_args

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
COLUMNS = ("run", "case_id", "group_id", "part")


@dataclass(frozen=True)
class SplitRow:
    """One case in one run."""

    run: str
    case_id: str
    group_id: str
    part: Part
