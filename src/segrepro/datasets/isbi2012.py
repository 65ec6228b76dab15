"""ISBI-2012: 30 labelled sections of fly nerve cord, transmission electron microscopy."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._images import read_grey_png, read_page, read_stack
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.errors import UserError

SECTIONS_PER_GROUP = 6
SPACING_MM = (4e-6, 4e-6)  # 4 nm by 4 nm; the sections are 50 nm apart

HOW = (
    "Register at the challenge page, download the files, and run `segrepro fetch isbi2012 "
    "--from DIR`, where DIR is the folder that holds them."
)

CARD = Card(
    title="ISBI 2012 challenge: segmentation of neuronal structures in EM stacks",
    licence="non-commercial research use",
    terms=(
        "Free for generating or testing non-commercial image segmentation software; "
        "publications cite Cardona et al. 2010."
    ),
    citation=(
        "Cardona A, Saalfeld S, Preibisch S, et al. An integrated micro- and macroarchitectural "
        "analysis of the Drosophila brain by computer-assisted serial section electron "
        "microscopy. PLoS Biology 8(10): e1000502, 2010. doi:10.1371/journal.pbio.1000502"
    ),
    url="https://imagej.net/events/isbi-2012-segmentation-challenge",
    modality="serial section transmission electron microscopy",
    channels=("EM",),
    classes=("cell",),
    background="membrane",
    group_unit=(
        f"block of {SECTIONS_PER_GROUP} consecutive sections: sections lie 50 nm apart, so "
        "neighbours are near copies of each other"
    ),
    expected_cases=30,
    expected_groups=5,
    uses=(
        PaperUse(
            paper="multiresunet",
            says="30 images, 5-fold cross-validation, 256x256, best epoch on the fold",
            holds="30 consecutive sections of one piece of tissue",
            choice=(
                "blocks of six sections instead of random ones, and the last epoch beside the "
                "best one on the reported fold"
            ),
        ),
    ),
    pitfalls=(
        "Cells, not membranes, are labelled 255, and cover 73 to 83 % of a section.",
        "A stack has 30 pages; a reader that stops at the first sees one section.",
        "Some copies keep labels as JPEG, or images of half size: they are refused.",
    ),
)

SOURCES = (
    Source(path="train-volume.tif", how=HOW),
    Source(path="train-labels.tif", how=HOW),
    Source(path="test-volume.tif", how=HOW),
)

LAYOUTS = (
    Layout(
        name="tif stacks, as published",
        required=("train-volume.tif", "train-labels.tif"),
        optional=("test-volume.tif",),
        expected_files={"*.tif": 3},
    ),
    Layout(
        name="png copies, one file per section",
        required=("train/image/*.png", "train/label/*.png"),
        optional=("test/*.png",),
        expected_files={"train/image/*.png": 30, "train/label/*.png": 30, "test/*.png": 30},
    ),
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per labelled section, in section order, the same from both layouts."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the labelled sections.

    Parameters
    ----------
    raw
        Folder that holds either layout. If it holds both, the stacks are read.

    Raises
    ------
    UserError
        If neither layout is there, or images and labels do not match.
    """
    images, labels = _read_layout(raw)
    if odd := sorted(images.keys() ^ labels.keys()):
        has, lacks = ("image", "label") if odd[0] in images else ("label", "image")
        raise UserError(f"section {odd[0]} in {raw} has no {lacks}, only the {has}.", _CURE)
    return Listing(
        cases=tuple(_Section(number, images[number], labels[number]) for number in sorted(images))
    )


def read_case(found: "_Section") -> Case:
    """Return one section.

    Raises
    ------
    UserError
        If a file is broken, or image and label do not match.
    """
    image, label = found.image.read(), found.label.read()
    if image.shape != label.shape:
        raise UserError(
            f"{found.image} has shape {image.shape}, but {found.label} has {label.shape}.", _CURE
        )
    if image.dtype != np.uint8:
        raise UserError(f"{found.image} is {image.dtype}, not uint8.", _CURE)
    return Case(
        case_id=f"section{found.number:02d}",
        group_id=f"block{found.number // SECTIONS_PER_GROUP}",
        channels=image[np.newaxis],
        mask=_cells(label, str(found.label)),
        spacing_mm=SPACING_MM,
    )


@dataclass(frozen=True)
class _Plane:
    """Where the pixels of a section lie."""

    path: Path
    page: int | None = None
    """In a stack; ``None`` for a png."""

    def __str__(self) -> str:
        return str(self.path) if self.page is None else f"{self.path}, page {self.page}"

    def read(self) -> NDArray[Any]:
        return read_grey_png(self.path) if self.page is None else read_page(self.path, self.page)


@dataclass(frozen=True)
class _Section:
    number: int
    image: _Plane
    label: _Plane


_Planes = dict[int, _Plane]


def _read_layout(raw: Path) -> tuple[_Planes, _Planes]:
    volume, label_volume = raw / "train-volume.tif", raw / "train-labels.tif"
    if volume.exists() and label_volume.exists():
        images, labels = _stack(volume), _stack(label_volume)
        if len(images) != len(labels):
            raise UserError(
                f"{volume} has {len(images)} pages and {label_volume} has {len(labels)}.", _CURE
            )
        return images, labels
    images, labels = _folder(raw / "train" / "image"), _folder(raw / "train" / "label")
    if not images and not labels:
        wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
        raise UserError(f"no ISBI-2012 images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    return images, labels


def _stack(path: Path) -> _Planes:
    return {number: _Plane(path, number) for number in range(len(read_stack(path)))}


def _folder(folder: Path) -> _Planes:
    planes: _Planes = {}
    for path in folder.glob("*.png"):
        # Numbers, not text: as text, section 10 comes before section 2.
        if not path.stem.isdecimal():
            raise UserError(f"{path} is not named by a section number.", _CURE)
        planes[int(path.stem)] = _Plane(path)
    return planes


def _cells(label: NDArray[Any], name: str) -> NDArray[np.uint8]:
    """Return 1 inside cells (255, or 1, in the file) and 0 on membranes."""
    values = np.unique(label)
    if not (set(values.tolist()) <= {0, 255} or set(values.tolist()) <= {0, 1}):
        shown = ", ".join(str(value) for value in values[:6])
        raise UserError(
            f"{name} is no label image: it holds {len(values)} values ({shown}, ...), not 0 and "
            "255; labels saved as JPEG look like this.",
            _CURE,
        )
    cells: NDArray[np.uint8] = (label != 0).astype(np.uint8)
    return cells
