"""Convert raw files to cases on their native grid, in the nnU-Net raw layout."""

import csv
import io
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.orientations import aff2axcodes

from segrepro import datasets
from segrepro.cases._manifest import check_manifest
from segrepro.cases.check import check_case, check_together
from segrepro.cases.columns import PIXELS
from segrepro.cases.write import (
    IMAGES,
    LABELS,
    PICTURE,
    VOLUME,
    WrittenCase,
    ending,
    write_case,
)
from segrepro.datasets._types import Card, Case, Remark
from segrepro.errors import UserError
from segrepro.files import all_or_none, write_json, write_text
from segrepro.progress import note, progress

COLUMNS = ("case_id", "group_id", "site", "shape", "spacing_mm", "orientation")
HASH_COLUMNS = ("image_sha256", "mask_sha256")
TABLE, DESCRIPTION, REMARKS = "cases.csv", "dataset.json", "remarks.csv"


@dataclass(frozen=True)
class ConvertedCase:
    """What the table says of a case, and which files it has."""

    case_id: str
    axes: int
    row: tuple[str, ...]
    names: frozenset[str]


def convert(dataset: str, *, raw: Path, manifest: Path, out: Path, workers: int = 1) -> None:
    """Write every case of a data set; ``cases.csv`` comes last.

    Parameters
    ----------
    dataset
        Name of a data set or of its phantom (``isbi2012-phantom``).
    raw, manifest
        Raw folder and the manifest that it must match.
    out
        Folder to write: ``imagesTr/``, ``labelsTr/``, ``dataset.json``, ``remarks.csv`` (files
        that a reader should know about, such as broken ones that were left out), ``cases.csv``.
    workers
        Processes that convert at the same time; each holds one case at a time.

    Raises
    ------
    UserError
        If the raw files are not those of the manifest, are broken, or make no valid cases.
    """
    module = datasets.load(dataset)
    for name in (TABLE, DESCRIPTION, REMARKS):
        (out / name).unlink(missing_ok=True)
    check_manifest(raw, manifest, workers=workers)
    listing = module.list_cases(raw)
    results = _results(dataset, listing.cases, out, workers)
    cases: list[ConvertedCase] = []
    remarks = list(listing.remarks)
    for result in progress(results, total=len(listing.cases), what=f"convert {dataset}"):
        if isinstance(result, ConvertedCase):
            cases.append(result)
        else:
            remarks.append(result)
    check_together([(case.case_id, case.axes) for case in cases], module.CARD)
    _remove_others(out, {name for case in cases for name in case.names})
    _say(dataset, module.CARD, len(cases), remarks)
    with all_or_none(out / DESCRIPTION, out / REMARKS):
        suffix = ending(cases[0].axes)
        write_json(out / DESCRIPTION, description(dataset, module.CARD, len(cases), suffix))
        _write_csv(out / REMARKS, ["path", "remark"], [[r.path, r.remark] for r in remarks])
        _write_csv(out / TABLE, header(module.CARD), [list(case.row) for case in cases])


def _results(
    dataset: str, listed: tuple[Any, ...], out: Path, workers: int
) -> Iterator[ConvertedCase | Remark]:
    """Yield what became of each listed case, in their order."""
    convert_one = partial(_convert_one, dataset, out)
    if workers == 1 or len(listed) < 2:
        yield from map(convert_one, listed)
        return
    # Not fork: a process with threads (progress bars, BLAS) must not be copied.
    pool = ProcessPoolExecutor(min(workers, len(listed)), mp_context=get_context("spawn"))
    try:
        yield from pool.map(convert_one, listed)
    except BrokenProcessPool as error:
        raise UserError(
            f"a process that converted {dataset} died, perhaps for want of memory.",
            "Run it again with fewer --workers.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _convert_one(dataset: str, out: Path, found: Any) -> ConvertedCase | Remark:  # noqa: ANN401 - each data set has its own type
    module = datasets.load(dataset)
    case = module.read_case(found)
    if isinstance(case, Remark):
        return case
    check_case(case, module.CARD)
    written = write_case(case, out)
    return ConvertedCase(
        case.case_id, case.mask.ndim, _row(case, written, module.CARD), written.names
    )


def _remove_others(out: Path, files: set[str]) -> None:
    # nnU-Net takes every file in these folders for a case: leave none of an earlier conversion.
    for folder in (IMAGES, LABELS):
        for path in (out / folder).iterdir():
            ours = path.name.endswith((PICTURE, VOLUME))
            if ours and f"{folder}/{path.name}" not in files:
                path.unlink()


def _say(dataset: str, card: Card, cases: int, remarks: list[Remark]) -> None:
    if not datasets.is_phantom(dataset) and cases != card.expected_cases:
        note(f"{dataset}: {cases} cases; the publisher has {card.expected_cases}.")
    if remarks:
        first = f"{remarks[0].path}: {remarks[0].remark}"
        note(f"{dataset}: {len(remarks)} remark(s) in {REMARKS}, such as {first}")


def description(dataset: str, card: Card, cases: int, file_ending: str) -> dict[str, object]:
    """Return the content of ``dataset.json``: what nnU-Net v2 reads, and where it is from."""
    labels = {name: label for label, name in enumerate(card.classes, start=1)}
    synthetic = datasets.is_phantom(dataset)
    return {
        "name": dataset,
        "channel_names": {str(index): name for index, name in enumerate(card.channels)},
        "labels": {"background": 0} | labels,
        "numTraining": cases,
        "file_ending": file_ending,
        "licence": "synthetic, no terms" if synthetic else card.licence,
        "reference": f"{'phantom of: ' if synthetic else ''}{card.citation} {card.url}",
        "spacing_known": card.spacing_known,
    }


def header(card: Card) -> list[str]:
    """Return the columns of ``cases.csv``."""
    return [*COLUMNS, *(f"{PIXELS}{name}" for name in card.classes), *HASH_COLUMNS]


def _row(case: Case, written: WrittenCase, card: Card) -> tuple[str, ...]:
    labels = range(1, len(card.classes) + 1)
    return (
        case.case_id,
        case.group_id,
        case.site,
        "x".join(str(side) for side in case.mask.shape),
        "x".join(repr(float(step)) for step in case.spacing_mm),
        _orientation(case),
        # Not bincount: it would first make eight bytes of each label.
        *(str(np.count_nonzero(case.mask == label)) for label in labels),
        ";".join(written.image_sha256),
        written.mask_sha256,
    )


def _orientation(case: Case) -> str:
    """Return where the axes of a volume point to, such as ``LPS``; pictures have none."""
    if case.affine is None:
        return ""
    return "".join(str(code) for code in aff2axcodes(case.affine))


def _write_csv(path: Path, columns: list[str], rows: list[list[str]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())
