"""What must hold for every case of every data set."""

import math
import re
from collections.abc import Iterable, Iterator

import numpy as np

from segrepro.datasets._types import Card, Case
from segrepro.errors import UserError

CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CURE = "Compare the raw files with the published ones, then fetch and convert again."


def checked(cases: Iterable[Case], card: Card) -> Iterator[Case]:
    """Yield the cases one by one, each after it was checked.

    Raises
    ------
    UserError
        If a case is not well formed, an id comes twice, or there is no case at all.
    """
    seen: set[str] = set()
    for case in cases:
        check_case(case, card)
        # File systems may not tell A from a.
        if case.case_id.lower() in seen:
            raise UserError(f"two cases have the id {case.case_id!r}.", _CURE)
        seen.add(case.case_id.lower())
        yield case
    if not seen:
        raise UserError(f"no cases of {card.title!r} were found.", _CURE)


def check_case(case: Case, card: Card) -> None:
    """Refuse a case whose name, grid, spacing, labels or group are not right."""
    for problem in _problems(case, card):
        raise UserError(f"case {case.case_id!r}: {problem}.", _CURE)


def _problems(case: Case, card: Card) -> Iterator[str]:
    mask, channels = case.mask, case.channels
    if not CASE_ID.fullmatch(case.case_id):
        yield "its id may hold only letters, digits, '.', '_' and '-'"
    if not case.group_id:
        yield f"it has no group ({card.group_unit})"
    if channels.shape != (len(card.channels), *mask.shape) or mask.size == 0:
        yield (
            f"channels of shape {channels.shape} and mask of shape {mask.shape} are not "
            f"{len(card.channels)} channel(s) on one grid"
        )
    if len(case.spacing_mm) != mask.ndim:
        yield f"{len(case.spacing_mm)} spacings for {mask.ndim} axes"
    if not all(math.isfinite(step) and step > 0 for step in case.spacing_mm):
        yield f"spacing {case.spacing_mm} mm is not positive"
    if mask.dtype != np.uint8:
        yield f"its mask is {mask.dtype}, not uint8"
    elif mask.size and mask.max() > len(card.classes):
        yield f"label {mask.max()} in a mask of {len(card.classes)} class(es)"
