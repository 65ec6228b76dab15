"""What must hold for every case of every data set."""

import math
import re
from collections.abc import Iterator, Sequence

import numpy as np

from segrepro.datasets._types import Card, Case
from segrepro.errors import UserError

CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CURE = "Compare the raw files with the published ones, then fetch and convert again."


def check_together(cases: Sequence[tuple[str, int]], card: Card) -> None:
    """Refuse a data set without cases, with two of one id, or with pictures beside volumes.

    Parameters
    ----------
    cases
        Id and number of axes of each.
    card
        Of the data set.

    Raises
    ------
    UserError
        Naming the first that is wrong.
    """
    if not cases:
        raise UserError(f"no cases of {card.title!r} were found.", _CURE)
    seen: set[str] = set()
    for case_id, axes in cases:
        # File systems may not tell A from a.
        if case_id.lower() in seen:
            raise UserError(f"two cases have the id {case_id!r}.", _CURE)
        seen.add(case_id.lower())
        if axes != cases[0][1]:
            raise UserError(
                f"case {case_id!r} has {axes} axes, but {cases[0][0]!r} has {cases[0][1]}.", _CURE
            )


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
    yield from _affine_problems(case)
    if mask.dtype != np.uint8:
        yield f"its mask is {mask.dtype}, not uint8"
    elif mask.size and mask.max() > len(card.classes):
        yield f"label {mask.max()} in a mask of {len(card.classes)} class(es)"


def _affine_problems(case: Case) -> Iterator[str]:
    if case.affine is None:
        if case.mask.ndim != 2:
            yield f"a mask of shape {case.mask.shape} has no affine"
        return
    if case.mask.ndim != 3:
        yield f"a mask of shape {case.mask.shape} is no volume, but has an affine"
    elif case.affine.shape != (4, 4) or not np.isfinite(case.affine).all():
        yield f"its affine is not 4 by 4 finite numbers: shape {case.affine.shape}"
    elif not np.allclose(np.linalg.norm(case.affine[:3, :3], axis=0), case.spacing_mm, rtol=1e-3):
        yield f"spacing {case.spacing_mm} mm is not that of its affine"
