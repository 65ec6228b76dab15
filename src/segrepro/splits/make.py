"""Draw a split."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from segrepro.errors import UserError
from segrepro.files import write_text
from segrepro.protocol.stages import SplitStage
from segrepro.slices.store import TABLE, read_table
from segrepro.splits._rows import COLUMNS, SplitRow
from segrepro.splits.check import check_split

Unit = Literal["group", "case"]


def make_split(stage: SplitStage, *, slices: Path, out: Path) -> None:
    """Write ``run,case_id,group_id,part`` for every run and case.

    Parameters
    ----------
    stage
        The split.
    slices
        Folder of the slice store that the study uses: a case without a slice is in no fold.
    out
        CSV to write.

    Raises
    ------
    UserError
        If there are fewer units than folds.
    """
    split = stage.split
    case_ids, group_ids = _read_ids(slices)
    held_out = k_fold(case_ids, group_ids, folds=split.folds, unit=split.unit, seed=split.seed)
    rows = [
        SplitRow(f"fold{fold}", case_id, group_id, "test" if mine == fold else "train")
        for fold in range(split.folds)
        for case_id, group_id, mine in zip(case_ids, group_ids, held_out, strict=True)
    ]
    check_split(rows, unit=split.unit)
    _write(rows, out)


def k_fold(
    case_ids: Sequence[str], group_ids: Sequence[str], *, folds: int, unit: Unit, seed: int
) -> list[int]:
    """Return for each case the fold in which it is held out, 0 to folds - 1.

    Units (groups, or single cases) are shuffled by the seed; then, largest first, each goes to
    the fold with the fewest cases so far. Equal units thus give folds that differ by at most one
    unit. The order in which the cases come does not matter.

    Raises
    ------
    UserError
        If there are fewer units than folds.
    """
    units = list(case_ids) if unit == "case" else list(group_ids)
    names, sizes = np.unique(units, return_counts=True)
    if len(names) < folds:
        raise UserError(
            f"{folds} folds need at least {folds} {unit}s, but there are {len(names)} "
            f"({len(case_ids)} cases).",
            "Use fewer folds or more cases"
            + (", or split by case (neighbours then leak)." if unit == "group" else "."),
        )
    shuffled = np.random.default_rng(seed).permutation(len(names))
    largest_first = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
    filled = [0] * folds
    fold_of: dict[str, int] = {}
    for index in largest_first:
        fold = filled.index(min(filled))
        fold_of[str(names[index])] = fold
        filled[fold] += int(sizes[index])
    return [fold_of[name] for name in units]


def _read_ids(slices: Path) -> tuple[list[str], list[str]]:
    table = read_table(slices / TABLE).drop_duplicates("case_id")
    return table["case_id"].tolist(), table["group_id"].tolist()


def _write(rows: list[SplitRow], out: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([row.run, row.case_id, row.group_id, row.part] for row in rows)
    write_text(out, text.getvalue())
