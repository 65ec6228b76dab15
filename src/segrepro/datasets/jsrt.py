"""JSRT and SCR: chest radiographs, with masks of the lungs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._pictures import (
    grey_plane,
    is_foreground,
    read_content,
    read_picture,
)
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.errors import UserError

SIDE = 2048
"""Pixels of a radiograph, in rows and in columns."""
MASK_SIDE = 1024
HIGHEST = 4095
"""Of the 12 bits that are used."""
SPACING_MM = (0.175, 0.175)
LUNGS = ("left lung", "right lung")
ORGANS = (*LUNGS, "heart", "left clavicle", "right clavicle")
FOLDS = ("fold1", "fold2")

CARD = Card(
    title="JSRT chest radiographs with the masks of SCR",
    licence="research and education only",
    terms=(
        "JSRT: registration, research only. SCR: free for research and education, no "
        "redistribution; cite Shiraishi et al. 2000 and van Ginneken et al. 2006."
    ),
    citation=(
        "Shiraishi J, Katsuragawa S, Ikezoe J, et al. Development of a digital image database for "
        "chest radiographs with and without a lung nodule. American Journal of Roentgenology "
        "174(1): 71-74, 2000. van Ginneken B, Stegmann MB, Loog M. Segmentation of anatomical "
        "structures in chest radiographs using supervised methods: a comparative study on a "
        "public database. Medical Image Analysis 10(1): 19-40, 2006."
    ),
    url="https://www.isi.uu.nl/Research/Databases/SCR/",
    modality="radiography",
    channels=("brightness",),
    classes=("lung",),
    background="everything else, heart and clavicles outside the lungs among it",
    group_unit="image, which is a patient",
    expected_cases=247,
    expected_groups=247,
    uses=(
        PaperUse(
            paper="rdiunet",
            says="247 images of 256x256x1, lung regions",
            holds="247 radiographs of 2048x2048, masks of 1024x1024 for five organs",
            choice="both lungs as one class, both grids made 2048x2048, then 256x256",
        ),
    ),
    pitfalls=(
        (
            "An .IMG file has no header: 2048 x 2048 big-endian numbers of 16 bits, of which 12 "
            "are used. Another size, or a number above 4095 (a wrong byte order), is refused."
        ),
        (
            "A larger number is darker on display: the channel is 4095 - number, so that bone is "
            "bright (1 - number/4096, times 4096, less one)."
        ),
        (
            "Masks have half the radiographs' size: each of their pixels becomes four, which "
            "loses nothing."
        ),
        "Masks are gif with a palette: its colours count, not the indices in the file.",
        "The left lung is the patient's left, on the right of the picture; both are united.",
        (
            "Clavicles lie over the lungs, and one label cannot be both: only the lungs, which "
            "the paper uses, are kept, and they are whole; heart and clavicles are not read."
        ),
        "JPCLN016 is missing from a set of landmarks, not from these masks: there are 247.",
        (
            "JSRT's own Segmentation01 and Segmentation02 hold other masks, made for courses: "
            "they are not SCR and are not read."
        ),
        (
            "CLNDAT_EN.txt and CNNDAT_EN.TXT hold ages and sexes, with lines that only a carriage "
            "return ends: they are not read."
        ),
    ),
)

HOW = (
    "Register at JSRT (http://db.jsrt.or.jp/eng.php) for All247images and at SCR's page for the "
    "masks, unpack both, and run `segrepro fetch jsrt --from DIR`, where DIR is the folder that "
    "holds `All247images` and `scratch`."
)

IMAGES, MASKS = "All247images", "scratch"

SOURCES = (
    Source(path=IMAGES, unpack_to="", how=HOW),
    Source(path=MASKS, unpack_to="", how=HOW),
)

LAYOUTS = (
    Layout(
        name="raw radiographs and the folders of SCR",
        required=(
            f"{IMAGES}/JPC*.IMG",
            *(f"{MASKS}/fold*/masks/{lung}/JPC*.gif" for lung in LUNGS),
        ),
        optional=(f"{MASKS}/fold*/masks/*/JPC*.gif", "**/CLNDAT_EN.txt", "**/CNNDAT_EN.TXT"),
        expected_files={
            f"{IMAGES}/JPCLN*.IMG": 154,
            f"{IMAGES}/JPCNN*.IMG": 93,
            **{f"{MASKS}/fold*/masks/{organ}/JPC*.gif": 247 for organ in ORGANS},
        },
    ),
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."
_NAME = re.compile(r"JPC[LN]N\d{3}")


@dataclass(frozen=True)
class _Radiograph:
    name: str
    image: Path
    masks: tuple[Path, ...]
    fold: str


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per radiograph, those with a nodule first."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the radiographs with the masks of both lungs.

    Parameters
    ----------
    raw
        Folder that holds ``All247images/`` and ``scratch/``.

    Raises
    ------
    UserError
        If there are none, a radiograph has not one mask per lung, or a mask no radiograph.
    """
    images = _files(raw / IMAGES, "IMG")
    masks = {
        (fold, lung): _files(raw / MASKS / fold / "masks" / lung, "gif")
        for fold in FOLDS
        for lung in LUNGS
    }
    if not images:
        wanted = " + ".join(LAYOUTS[0].required)
        raise UserError(f"no JSRT images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    for files in masks.values():
        if stray := sorted(files.keys() - images.keys()):
            raise UserError(f"{files[stray[0]]} has no image in {raw / IMAGES}.", _CURE)
    found = []
    for name, image in sorted(images.items()):
        fold = _fold(image, [fold for fold in FOLDS if name in masks[fold, LUNGS[0]]])
        if name not in masks[fold, LUNGS[1]]:
            raise UserError(f"{image} has no mask of its {LUNGS[1]} in {fold}.", _CURE)
        paths = tuple(masks[fold, lung][name] for lung in LUNGS)
        found.append(_Radiograph(name, image, paths, fold))
    return Listing(cases=tuple(found))


def read_case(found: _Radiograph) -> Case:
    """Return one radiograph, bone bright, with both lungs as one class.

    Raises
    ------
    UserError
        If a file is broken or no mask, or has another size than the published ones.
    """
    plane = brightness(read_content(found.image), found.image)
    lung = np.zeros((MASK_SIDE, MASK_SIDE), dtype=bool)
    for path in found.masks:
        lung |= _mask(path)
    factor = SIDE // MASK_SIDE
    return Case(
        case_id=found.name,
        group_id=found.name,
        channels=plane[None],
        mask=lung.repeat(factor, axis=0).repeat(factor, axis=1).astype(np.uint8),
        spacing_mm=SPACING_MM,
    )


def official_split(raw: Path) -> dict[str, str]:
    """Return the fold, ``fold1`` or ``fold2``, in which SCR keeps the masks of each case."""
    return {found.name: found.fold for found in list_cases(raw).cases}


def brightness(content: bytes, path: Path) -> NDArray[np.uint16]:
    """Return the radiograph in the bytes of an .IMG file, shape (2048, 2048), 0 to 4095.

    Parameters
    ----------
    content, path
        The bytes; the path is for the message.

    Returns
    -------
    plane
        4095 less the stored number: bright where little radiation reached the film.

    Raises
    ------
    UserError
        If the number of bytes is not that of such a file, or a number needs more than 12 bits.
    """
    expected = 2 * SIDE * SIDE
    if len(content) != expected:
        raise UserError(f"{path} has {len(content)} bytes, not {expected}.", _CURE)
    stored = np.frombuffer(content, dtype=">u2").reshape(SIDE, SIDE)
    if (highest := int(stored.max())) > HIGHEST:
        raise UserError(
            f"{path} holds {highest}, but 12 bits end at {HIGHEST}: its bytes may be swapped.",
            _CURE,
        )
    return (HIGHEST - stored).astype(np.uint16)


def _mask(path: Path) -> NDArray[np.bool_]:
    image = read_picture(path, ["GIF"])
    # The numbers in the file are indices into its palette.
    plane = grey_plane(image.convert("RGB"), path)
    if plane.shape != (MASK_SIDE, MASK_SIDE):
        raise UserError(
            f"{path} has shape {plane.shape}, not {(MASK_SIDE, MASK_SIDE)}.",
            _CURE,
        )
    return is_foreground(plane, path)


def _fold(image: Path, folds: list[str]) -> str:
    if len(folds) != 1:
        where = " and ".join(folds) or "no fold"
        raise UserError(f"{image} has the mask of its {LUNGS[0]} in {where}, not in one.", _CURE)
    return folds[0]


def _files(folder: Path, ending: str) -> dict[str, Path]:
    """Return the files of a folder by name; macOS's hidden copies are none."""
    files = {path.stem: path for path in folder.glob(f"*.{ending}") if path.name[0] != "."}
    for name, path in files.items():
        if not _NAME.fullmatch(name):
            raise UserError(f"{path} is not named like JPCLN001.{ending}.", _CURE)
    return files
