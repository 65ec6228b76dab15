"""Kaggle's ultrasound nerve segmentation: frames of the neck with the brachial plexus."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._pictures import grey_plane, is_foreground, read_picture
from segrepro.datasets._rle import decode_column_runs
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.errors import UserError

COMPETITION = "ultrasound-nerve-segmentation"

CARD = Card(
    title="Ultrasound Nerve Segmentation (Kaggle, 2016)",
    licence="rules of the competition",
    terms=(
        "Accept the competition's rules at Kaggle before downloading; do not redistribute the "
        "images."
    ),
    citation=(
        "Montoya A, Hasnin, kaggle446, shirzad, Cukierski W, yffud. Ultrasound Nerve "
        "Segmentation. Kaggle, 2016. https://kaggle.com/competitions/ultrasound-nerve-segmentation"
    ),
    url=f"https://www.kaggle.com/competitions/{COMPETITION}",
    modality="ultrasound",
    channels=("ultrasound",),
    classes=("nerve",),
    background="other tissue, and frames in which no nerve was marked",
    group_unit="subject: frames of a subject are from a video, then shuffled",
    expected_cases=5635,
    expected_groups=47,
    spacing_known=False,
    uses=(
        PaperUse(
            paper="rdiunet",
            says="2,326 images of 128x128x1",
            holds="5,635 frames of 47 subjects; the nerve is marked in 2,323 of them",
            choice="the 2,323 frames with a mask, within 3 of the paper's number",
        ),
    ),
    pitfalls=(
        "Runs in train_masks.csv count from 1 and go down the columns, not along the rows.",
        (
            "Masks come twice, as tif and as runs: the tif is read, and a row that says otherwise "
            "is refused; the runs alone will do."
        ),
        "59 % of the masks are empty; such frames are cases, and a paper's choice is its own.",
        (
            "Some frames of a subject are nearly the same, one with a mask and one without: "
            "nothing is filtered out."
        ),
        "train/*.tif are images and masks alike: a mask's name ends with _mask.",
        "As text, 10_1 comes before 1_1 or 2_1: numbers are sorted as numbers.",
        "Test images have no subject and no mask: they are not read.",
    ),
)

HOW = (
    "Accept the rules of the competition at Kaggle, run `kaggle competitions download -c "
    f"{COMPETITION}`, unpack the archive, and run `segrepro fetch us_nerve --from DIR`, where DIR "
    "is the folder that holds `train`."
)

SOURCES = (
    Source(
        path=f"{COMPETITION}.zip",
        client="kaggle",
        reference=COMPETITION,
        unpinned="Kaggle states no checksum, and the rules forbid others to pass the archive on",
        unpack_to="",
        how=HOW,
    ),
)

TABLE = "train_masks.csv"
_OPTIONAL = ("test/*.tif", "sample_submission.csv")

LAYOUTS = (
    Layout(
        name="tif masks, as published",
        required=("train/*_mask.tif", "train/*_*.tif"),
        optional=(TABLE, *_OPTIONAL),
        expected_files={
            "train/*_mask.tif": 5635,
            "train/*.tif": 11270,
            "test/*.tif": 5508,
            TABLE: 1,
        },
    ),
    Layout(
        name="runs only",
        required=("train/*_*.tif", TABLE),
        optional=_OPTIONAL,
        expected_files={"train/*.tif": 5635, TABLE: 1},
    ),
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."
_NAME = re.compile(r"(\d+)_(\d+)(_mask)?")
_Key = tuple[int, int]
"""Subject and number of the frame."""


@dataclass(frozen=True)
class _Row:
    """A row of the table."""

    where: str
    runs: str


@dataclass(frozen=True)
class _Frame:
    key: _Key
    image: Path
    mask: Path | None
    row: _Row | None


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per training frame, marked or not, by subject and number."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the training frames with their masks.

    Parameters
    ----------
    raw
        Folder that holds ``train/``, and ``train_masks.csv`` if masks are to be compared with it.

    Raises
    ------
    UserError
        If there are no frames, a frame has no mask, or a mask or a row no frame.
    """
    images, masks = _files(raw / "train")
    rows = _rows(raw / TABLE) if (raw / TABLE).exists() else {}
    if not images:
        wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
        raise UserError(f"no nerve images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    for key in sorted(masks.keys() - images.keys()):
        raise UserError(f"{masks[key]} has no image.", _CURE)
    for key in sorted(rows.keys() - images.keys()):
        raise UserError(f"{rows[key].where} has no image {key[0]}_{key[1]}.tif.", _CURE)
    for key in sorted(images.keys() - (rows.keys() if rows else masks.keys())):
        raise UserError(f"{images[key]} has no {'row in ' + TABLE if rows else 'mask'}.", _CURE)
    return Listing(
        cases=tuple(
            _Frame(key, images[key], masks.get(key), rows.get(key)) for key in sorted(images)
        )
    )


def read_case(found: _Frame) -> Case:
    """Return one frame with its nerve, or an empty mask.

    Raises
    ------
    UserError
        If a file is broken, or image, mask and row do not match.
    """
    plane = grey_plane(read_picture(found.image, ["TIFF"]), found.image)
    masks = []
    if found.mask:
        stored = grey_plane(read_picture(found.mask, ["TIFF"]), found.mask)
        if stored.shape != plane.shape:
            raise UserError(
                f"{found.image} has shape {plane.shape}, but {found.mask} has {stored.shape}.",
                _CURE,
            )
        masks.append(is_foreground(stored, found.mask))
    if found.row:
        masks.append(_decoded(found.row, plane.shape[0], plane.shape[1]))
        if differing := int((masks[0] != masks[-1]).sum()):
            raise UserError(
                f"{found.row.where} differs from {found.mask} in {differing} pixels.", _CURE
            )
    subject, number = found.key
    return Case(
        case_id=f"{subject}_{number}",
        group_id=f"subject{subject:02d}",
        channels=plane[None],
        mask=masks[0].astype(np.uint8),
        spacing_mm=(1.0, 1.0),
    )


def _decoded(row: _Row, height: int, width: int) -> NDArray[np.bool_]:
    try:
        return decode_column_runs(row.runs, height=height, width=width)
    except (ValueError, OverflowError) as error:
        raise UserError(f"{row.where}: {str(error)[:100]}.", _CURE) from error


def _files(folder: Path) -> tuple[dict[_Key, Path], dict[_Key, Path]]:
    """Return images and masks by subject and number."""
    images: dict[_Key, Path] = {}
    masks: dict[_Key, Path] = {}
    for path in folder.glob("*.tif"):
        if path.name.startswith("."):
            continue
        name = _NAME.fullmatch(path.stem)
        if name is None:
            raise UserError(f"{path} is not named like 1_12.tif or 1_12_mask.tif.", _CURE)
        (masks if name[3] else images)[int(name[1]), int(name[2])] = path
    return images, masks


def _rows(path: Path) -> dict[_Key, _Row]:
    """Return the rows of the table by subject and number."""
    rows: dict[_Key, _Row] = {}
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            for entry in reader:
                key = int(entry["subject"]), int(entry["img"])
                # A row without a third field is cut short; an empty field is an empty mask.
                row = _Row(f"{path}, line {reader.line_num}", entry["pixels"].strip())
                if rows.setdefault(key, row) is not row:
                    raise UserError(f"{row.where}: the image {key[0]}_{key[1]} comes twice.", _CURE)
    except (OSError, KeyError, TypeError, AttributeError, ValueError, csv.Error) as error:
        raise UserError(f"{path} is no table of subject, img and pixels.", _CURE) from error
    if not rows:
        raise UserError(f"{path} has no rows.", _CURE)
    return rows
