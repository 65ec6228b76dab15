"""Convert raw files to cases on their native grid, in the nnU-Net raw layout."""

import csv
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segrepro import datasets
from segrepro.cases._manifest import check_manifest
from segrepro.cases._png import DTYPES, encode_png
from segrepro.cases.check import checked
from segrepro.cases.columns import PIXELS
from segrepro.datasets._types import Card, Case
from segrepro.errors import UserError
from segrepro.files import all_or_none, write_bytes, write_json, write_text
from segrepro.progress import note, progress

COLUMNS = ("case_id", "group_id", "site", "shape", "spacing_mm")
HASH_COLUMNS = ("image_sha256", "mask_sha256")
IMAGES, LABELS, ENDING = "imagesTr", "labelsTr", ".png"


def convert(dataset: str, *, raw: Path, manifest: Path, out: Path) -> None:
    """Write every labelled case of a data set; ``cases.csv`` comes last.

    Parameters
    ----------
    dataset
        Name of a data set or of its phantom (``isbi2012-phantom``).
    raw, manifest
        Raw folder and the manifest that it must match.
    out
        Folder to write: ``imagesTr/``, ``labelsTr/``, ``dataset.json``, ``cases.csv``.

    Raises
    ------
    UserError
        If the raw files are not those of the manifest, are broken, or make no valid cases.
    """
    module = datasets.load(dataset)
    for name in ("cases.csv", "dataset.json"):
        (out / name).unlink(missing_ok=True)
    check_manifest(raw, manifest)
    cases = checked(module.iter_cases(raw), module.CARD)
    total = None if datasets.is_phantom(dataset) else module.CARD.expected_cases
    rows, files = [], set[str]()
    for case in progress(cases, total=total, what=f"convert {dataset}"):
        written = write_case(case, out)
        rows.append(_row(case, written, module.CARD))
        files |= written.names
    _remove_others(out, files)
    if total is not None and len(rows) != total:
        note(f"{dataset}: {len(rows)} cases; the publisher has {total}.")
    with all_or_none(out / "dataset.json"):
        write_json(out / "dataset.json", description(dataset, module.CARD, len(rows)))
        _write_table(out / "cases.csv", rows, module.CARD)


@dataclass(frozen=True)
class WrittenCase:
    """The files of a case."""

    names: frozenset[str]
    """Relative to the folder of the data set."""
    image_sha256: tuple[str, ...]
    mask_sha256: str


def write_case(case: Case, out: Path) -> WrittenCase:
    """Write a 2D case: one PNG per channel and one of labels.

    Raises
    ------
    UserError
        If the case is a volume or not 8 or 16 bits deep: PNG cannot hold it.
    """
    if case.mask.ndim != 2 or case.channels.dtype not in DTYPES:
        raise UserError(
            f"case {case.case_id!r} is {case.channels.dtype} of shape {case.mask.shape}.",
            "Only flat images of 8 or 16 bits can be converted so far.",
        )
    planes = {f"{IMAGES}/{name}": plane for name, plane in _named_channels(case)}
    planes[f"{LABELS}/{case.case_id}{ENDING}"] = case.mask
    hashes = []
    for name, plane in planes.items():
        content = encode_png(plane)
        write_bytes(out / name, content)
        hashes.append(hashlib.sha256(content).hexdigest())
    return WrittenCase(frozenset(planes), tuple(hashes[:-1]), hashes[-1])


def _named_channels(case: Case) -> Iterator[tuple[str, np.ndarray]]:
    for channel, plane in enumerate(case.channels):
        yield f"{case.case_id}_{channel:04d}{ENDING}", plane


def _remove_others(out: Path, files: set[str]) -> None:
    # nnU-Net takes every file in these folders for a case: leave none of an earlier conversion.
    for folder in (IMAGES, LABELS):
        for path in (out / folder).glob(f"*{ENDING}"):
            if f"{folder}/{path.name}" not in files:
                path.unlink()


def description(dataset: str, card: Card, cases: int) -> dict[str, object]:
    """Return the content of ``dataset.json``: what nnU-Net v2 reads, and where it is from."""
    labels = {name: label for label, name in enumerate(card.classes, start=1)}
    synthetic = datasets.is_phantom(dataset)
    return {
        "name": dataset,
        "channel_names": {str(index): name for index, name in enumerate(card.channels)},
        "labels": {"background": 0} | labels,
        "numTraining": cases,
        "file_ending": ENDING,
        "licence": "synthetic, no terms" if synthetic else card.licence,
        "reference": f"{'phantom of: ' if synthetic else ''}{card.citation} {card.url}",
    }


def _row(case: Case, written: WrittenCase, card: Card) -> list[str]:
    pixels = np.bincount(case.mask.ravel(), minlength=len(card.classes) + 1)[1:]
    return [
        case.case_id,
        case.group_id,
        case.site,
        "x".join(str(side) for side in case.mask.shape),
        "x".join(repr(float(step)) for step in case.spacing_mm),
        *(str(count) for count in pixels),
        ";".join(written.image_sha256),
        written.mask_sha256,
    ]


def _write_table(path: Path, rows: list[list[str]], card: Card) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *(f"{PIXELS}{name}" for name in card.classes), *HASH_COLUMNS])
    writer.writerows(rows)
    write_text(path, text.getvalue())
