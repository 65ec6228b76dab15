"""Murphy-lab nuclei: fluorescence microscopy of two cell lines, nuclei outlined by hand."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from segrepro.datasets._pictures import grey_plane, read_content, read_picture
from segrepro.datasets._types import (
    Card,
    Case,
    Layout,
    Listing,
    PaperUse,
    Remark,
    Source,
    read_all,
)
from segrepro.datasets._xcf import flattened
from segrepro.errors import UserError

CELL_LINES = ("gnf", "ic100")
LEAST_PIXELS = 32
"""A closed outline with fewer pixels inside is a slip of the pen (the publisher's script)."""
UNLABELLED = ("gnf/dna-31", "gnf/dna-43", "ic100/dna-25")
"""The publisher's images without a mask; the first two are blank."""
COMMIT = "9629f3a8829982726327802af55ab6ae7a2b5316"
REPOSITORY = "Coelho2009_ISBI_NuclearSegmentation"

CARD = Card(
    title="Murphy Lab nuclei: hand-segmented nuclei of U2OS and NIH3T3 cells",
    licence="none stated",
    terms="The authors ask to be cited when the images are used.",
    citation=(
        "Coelho LP, Shariff A, Murphy RF. Nuclear segmentation in microscope cell images: a "
        "hand-segmented dataset and comparison of algorithms. IEEE International Symposium on "
        "Biomedical Imaging, 518-521, 2009. doi:10.1109/ISBI.2009.5193098"
    ),
    url=f"https://github.com/luispedro/{REPOSITORY}",
    modality="fluorescence microscopy",
    channels=("DNA stain",),
    classes=("nucleus",),
    background="outside nuclei, and the outlines themselves",
    group_unit="image",
    expected_cases=97,
    expected_groups=97,
    spacing_known=False,
    uses=(
        PaperUse(
            paper="multiresunet",
            says="97 images with 4,009 cells, 5-fold cross-validation, 256x256",
            holds="97 images with 4,031 labelled objects, 1349x1030 (gnf) and 1344x1024 (ic100)",
            choice="all 97, objects united into one mask (label > 0)",
        ),
    ),
    pitfalls=(
        "A label image holds 1, 2, 3, ...: more than 0 is nucleus; nothing is divided by 255.",
        "Images are RGB with three equal channels: one is kept.",
        (
            "gnf/dna-31, gnf/dna-43 (both blank) and ic100/dna-25 have no mask: they are left "
            "out, with a remark."
        ),
        (
            "The hand-drawn xcf files hold red outlines on a layer over the image; an outline "
            "becomes background, so that touching nuclei stay apart."
        ),
        (
            "Where label image and xcf are both there, the label image is read, and the xcf must "
            "give the same mask."
        ),
        (
            "A third folder, ksr, and the outlines of other raters are not among the publisher's "
            "97: they are not read."
        ),
    ),
)

HOW = (
    f"Clone {CARD.url} and run `segrepro fetch murphy --from DIR`, where DIR is the folder of the "
    "clone."
)

SOURCES = (
    Source(
        path="murphy.zip",
        url=f"https://codeload.github.com/luispedro/{REPOSITORY}/zip/{COMMIT}",
        unpinned=(
            "GitHub packs the archive anew when asked and may pack it otherwise; the commit in "
            "its address names the content"
        ),
        unpack_to="",
        how=HOW,
    ),
)

IMAGES, LABELS, OUTLINES = (
    "data/images/dna-images",
    "data/preprocessed-data",
    "data/images/segmented-lpc",
)
ARCHIVE = f"{REPOSITORY}-{COMMIT}"
"""The folder inside the archive."""


def _layout(name: str, masks: str, ending: str, other: tuple[str, ...], top: str = "") -> Layout:
    required = [f"{top}{folder}/gnf/*.{end}" for folder, end in ((IMAGES, "png"), (masks, ending))]
    counts = {
        f"{top}{folder}/{line}/*.{end}": count
        for folder, end, per_line in (
            (IMAGES, "png", (50, 50)),
            (masks, ending, (48, 49)),
        )
        for line, count in zip(CELL_LINES, per_line, strict=True)
    }
    return Layout(
        name=name,
        required=tuple(required),
        optional=tuple(
            f"{top}{pattern}"
            for pattern in (f"{IMAGES}/*/*.png", f"{masks}/*/*.{ending}", *other, "README.rst")
        ),
        expected_files=counts,
    )


LAYOUTS = (
    _layout("label images, as cloned", LABELS, "png", (f"{OUTLINES}/*/*.xcf",)),
    _layout(
        "label images, in the folder of GitHub's archive",
        LABELS,
        "png",
        (f"{OUTLINES}/*/*.xcf",),
        f"{ARCHIVE}/",
    ),
    _layout("hand-drawn xcf files only", OUTLINES, "xcf", ()),
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."
_NAME = re.compile(r"dna-(\d+)")


@dataclass(frozen=True)
class _Image:
    cell_line: str
    number: int
    path: Path
    label: Path | None
    outlines: Path | None


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per image with a mask, gnf before ic100, by number."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the images with a mask; remarks name those without and what is compared.

    Parameters
    ----------
    raw
        Folder that holds ``data/``, or GitHub's folder with it.

    Raises
    ------
    UserError
        If there are no images, an image has no mask (but for the three that the publisher ships
        without one), or a mask no image.
    """
    root = raw / ARCHIVE if (raw / ARCHIVE).is_dir() else raw
    cases, remarks = [], []
    for cell_line in CELL_LINES:
        images = _files(root / IMAGES / cell_line, "png")
        labels = _files(root / LABELS / cell_line, "png")
        outlines = _files(root / OUTLINES / cell_line, "xcf")
        if stray := sorted((labels.keys() | outlines.keys()) - images.keys()):
            mask = labels.get(stray[0]) or outlines[stray[0]]
            raise UserError(f"{mask} has no image in {root / IMAGES / cell_line}.", _CURE)
        for number, path in sorted(images.items()):
            found = _Image(cell_line, number, path, labels.get(number), outlines.get(number))
            if found.label or found.outlines:
                cases.append(found)
                continue
            if f"{cell_line}/{path.stem}" not in UNLABELLED:
                raise UserError(f"{path} has no label image and no xcf.", _CURE)
            text = "left out because the publisher gives no mask for it"
            remarks.append(Remark(path=path.relative_to(raw).as_posix(), remark=text))
    if not cases:
        wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
        raise UserError(f"no Murphy images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    if both := sum(found.label is not None and found.outlines is not None for found in cases):
        text = f"{both} xcf files are compared with their label images; a difference is an error"
        folder = (root / OUTLINES).relative_to(raw).as_posix()
        remarks.append(Remark(path=folder, remark=text))
    return Listing(cases=tuple(cases), remarks=tuple(remarks))


def read_case(found: _Image) -> Case:
    """Return one image with its nuclei.

    Raises
    ------
    UserError
        If a file is broken, image and mask differ in size, or label image and xcf in their mask.
    """
    plane = grey_plane(read_picture(found.path, ["PNG"]), found.path)
    masks = {}
    if found.outlines:
        drawn = flattened(read_content(found.outlines), found.outlines)
        masks[found.outlines] = nuclei(drawn) > 0
    if found.label:
        masks[found.label] = grey_plane(read_picture(found.label, ["PNG"]), found.label) > 0
    for path, mask in masks.items():
        if mask.shape != plane.shape:
            raise UserError(
                f"{found.path} has shape {plane.shape}, but {path} has {mask.shape}.", _CURE
            )
    *others, (_, chosen) = masks.items()
    for path, mask in others:
        if differing := int((mask != chosen).sum()):
            raise UserError(f"{path} differs from {found.label} in {differing} pixels.", _CURE)
    case_id = f"{found.cell_line}-dna-{found.number}"
    return Case(
        case_id=case_id,
        group_id=case_id,
        channels=plane[None],
        mask=chosen.astype(np.uint8),
        spacing_mm=(1.0, 1.0),
        site=found.cell_line,
    )


def nuclei(drawn: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the nuclei 1, 2, 3, ... inside red outlines that were drawn over a grey image.

    Parameters
    ----------
    drawn
        Red, green and blue, shape (H, W, 3).

    Returns
    -------
    labels
        Shape (H, W). Outlines and what lies outside all of them, the largest piece, are 0, and so
        is what has fewer than `LEAST_PIXELS` pixels. Pieces that touch at a corner are two.
    """
    outline = drawn[..., 0] > drawn[..., 1]
    pieces, count = ndimage.label(~outline)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    kept = sizes >= LEAST_PIXELS
    kept[0] = False
    if count:
        kept[1 + np.argmax(sizes[1:])] = False
    numbers = np.where(kept, np.cumsum(kept), 0).astype(np.int32)
    return np.asarray(numbers[pieces])


def _files(folder: Path, ending: str) -> dict[int, Path]:
    """Return the files of a folder by their number; as text, dna-10 would come before dna-2."""
    files = {}
    for path in folder.glob(f"*.{ending}"):
        if path.name.startswith("."):
            continue
        name = _NAME.fullmatch(path.stem)
        if name is None:
            raise UserError(f"{path} is not named like dna-12.{ending}.", _CURE)
        files[int(name[1])] = path
    return files
