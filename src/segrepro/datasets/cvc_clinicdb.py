"""CVC-ClinicDB: frames of colonoscopy videos, each with a polyp."""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._pictures import colour_planes, read_picture
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.errors import UserError

FIRST_FRAMES = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298, 318, 343, 364, 384),
    *(409, 429, 448, 467, 479, 504, 529, 547, 572, 592),
)
"""The first frame of each of the 29 sequences; each ends where the next begins.

From the converter of Dataset Ninja's CVC-612 (github.com/dataset-ninja/cvc-612).
"""
FRAMES = 612
THRESHOLD = 127
"""A mask's value above it is polyp."""

CARD = Card(
    title="CVC-ClinicDB: polyps in frames of colonoscopy videos",
    licence="research and education only",
    terms=(
        "For research and education; the images are property of the Hospital Clinic of Barcelona, "
        "the masks of the Computer Vision Center; cite Bernal et al. 2015."
    ),
    citation=(
        "Bernal J, Sanchez FJ, Fernandez-Esparrach G, Gil D, Rodriguez C, Vilarino F. WM-DOVA "
        "maps for accurate polyp highlighting in colonoscopy: validation vs. saliency maps from "
        "physicians. Computerized Medical Imaging and Graphics 43: 99-111, 2015. "
        "doi:10.1016/j.compmedimag.2015.02.007"
    ),
    url="https://polyp.grand-challenge.org/CVCClinicDB/",
    modality="colonoscopy",
    channels=("red", "green", "blue"),
    classes=("polyp",),
    background="mucosa, lumen and the frame's black border",
    group_unit=(
        "video sequence: its frames are near copies of each other; two sequences may show one "
        "patient, which is not public"
    ),
    expected_cases=FRAMES,
    expected_groups=len(FIRST_FRAMES),
    spacing_known=False,
    uses=(
        PaperUse(
            paper="multiresunet",
            says="612 images from 29 sequences, 5-fold cross-validation, 256x192",
            holds="612 frames of 384x288 in 29 sequences of 6 to 26 frames",
            choice="whole sequences in a fold; the paper's random folds part near copies",
        ),
    ),
    pitfalls=(
        "Frames of a sequence are near copies: a random split puts them on both sides.",
        "Names are not padded: frame 10 comes after frame 9, not after frame 1.",
        (
            "Masks are RGB in some copies and grey in others: the first channel is taken, and "
            f"more than {THRESHOLD} is polyp."
        ),
        "Black borders and interlacing are in the frames and stay there.",
        "Some texts say 31 sequences; the frames' numbers make 29.",
    ),
)

HOW = (
    "Download CVC-ClinicDB.rar at the publisher's page (or the copy balraj98/cvcclinicdb from "
    "Kaggle), unpack it, and run `segrepro fetch cvc_clinicdb --from DIR`, where DIR is the folder "
    "that holds `Original` and `Ground Truth`."
)

SOURCES = (
    Source(
        path="CVC-ClinicDB.rar",
        url="https://www.dropbox.com/s/p5qe9eotetjnbmq/CVC-ClinicDB.rar?dl=1",
        unpinned="neither the publisher nor any public loader states a checksum",
        unpack_to="",
        how=HOW,
    ),
)

IMAGES, MASKS = "Original", "Ground Truth"
_PLACES = (
    ("tif files, as published", "", "tif"),
    ("tif files in the folder of the archive", "CVC-ClinicDB/", "tif"),
    ("tif files of Kaggle's copy", "TIF/", "tif"),
    ("png files of Kaggle's copy", "PNG/", "png"),
    ("png files", "", "png"),
)
"""In words, the folder that holds the two folders, and the ending of the files."""

LAYOUTS = tuple(
    Layout(
        name=name,
        required=(f"{top}{IMAGES}/*.{ending}", f"{top}{MASKS}/*.{ending}"),
        optional=("metadata.csv", "class_dict.csv"),
        expected_files={
            f"{top}{IMAGES}/*.{ending}": FRAMES,
            f"{top}{MASKS}/*.{ending}": FRAMES,
        },
    )
    for name, top, ending in _PLACES
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."
_FORMATS = ["TIFF", "PNG"]


@dataclass(frozen=True)
class _Frame:
    number: int
    image: Path
    mask: Path


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per frame, by number."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the frames with their masks.

    Parameters
    ----------
    raw
        Folder that holds any of the layouts. If it holds several, the first one is read.

    Raises
    ------
    UserError
        If there are no frames, a frame has no mask or a mask no frame, or a number is unknown.
    """
    for _, top, ending in _PLACES:
        images = _files(raw / top / IMAGES, ending)
        masks = _files(raw / top / MASKS, ending)
        if images or masks:
            break
    else:
        wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
        raise UserError(
            f"no CVC-ClinicDB frames in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}"
        )
    if odd := sorted(images.keys() ^ masks.keys()):
        has, lacks = (images, "mask") if odd[0] in images else (masks, "image")
        raise UserError(f"{has[odd[0]]} has no {lacks}; {len(odd)} files are alone.", _CURE)
    return Listing(
        cases=tuple(_Frame(number, images[number], masks[number]) for number in sorted(images))
    )


def read_case(found: _Frame) -> Case:
    """Return one frame with its polyp.

    Raises
    ------
    UserError
        If a file is broken, not in colour or no mask, or the sizes differ.
    """
    channels = colour_planes(read_picture(found.image, _FORMATS), found.image)
    mask = _polyp(found.mask)
    if mask.shape != channels.shape[1:]:
        raise UserError(
            f"{found.image} has shape {channels.shape[1:]}, but {found.mask} has {mask.shape}.",
            _CURE,
        )
    return Case(
        case_id=f"frame{found.number:03d}",
        group_id=f"sequence{sequence_of(found.number):02d}",
        channels=channels,
        mask=mask,
        spacing_mm=(1.0, 1.0),
    )


def sequence_of(frame: int) -> int:
    """Return the number of the video sequence, 1 to 29, of a frame, 1 to 612."""
    return bisect_right(FIRST_FRAMES, frame)


def _polyp(path: Path) -> NDArray[np.uint8]:
    """Return 1 on the polyp and 0 elsewhere, from the first channel of a mask."""
    image = read_picture(path, _FORMATS)
    if image.mode not in {"L", "RGB"}:
        raise UserError(f"{path} has Pillow's mode {image.mode}, not 8-bit grey or RGB.", _CURE)
    first = np.asarray(image.getchannel(0))
    return (first > THRESHOLD).astype(np.uint8)


def _files(folder: Path, ending: str) -> dict[int, Path]:
    """Return the files of a folder by the frame's number; macOS's hidden copies are none."""
    files = {}
    for path in folder.glob(f"*.{ending}"):
        if path.name.startswith("."):
            continue
        if not (path.stem.isdecimal() and 1 <= int(path.stem) <= FRAMES):
            raise UserError(f"{path} is not named by a frame's number, 1 to {FRAMES}.", _CURE)
        files[int(path.stem)] = path
    return files
