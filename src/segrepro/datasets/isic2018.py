"""ISIC 2018, task 1: dermoscopic images with outlines of the lesion."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from segrepro.datasets._pictures import (
    colour_planes,
    grey_plane,
    is_foreground,
    read_picture,
)
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.errors import UserError

CARD = Card(
    title="ISIC 2018 challenge, task 1: lesion boundary segmentation",
    licence="CC0 (images of ISIC 2017) and CC BY-NC 4.0 (images of HAM10000)",
    terms=(
        "Free for non-commercial research; each archive holds the attribution and the licence of "
        "its images."
    ),
    citation=(
        "Codella N, Rotemberg V, Tschandl P, et al. Skin lesion analysis toward melanoma "
        "detection 2018: a challenge hosted by the International Skin Imaging Collaboration. "
        "arXiv:1902.03368, 2019. Tschandl P, Rosendahl C, Kittler H. The HAM10000 dataset. "
        "Scientific Data 5: 180161, 2018. doi:10.1038/sdata.2018.161"
    ),
    url="https://challenge.isic-archive.com/data/#2018",
    modality="dermoscopy",
    channels=("red", "green", "blue"),
    classes=("lesion",),
    background="skin, hair and frame",
    group_unit="image: the archives name neither patient nor lesion, though some lesions recur",
    expected_cases=2594,
    expected_groups=2594,
    spacing_known=False,
    uses=(
        PaperUse(
            paper="multiresunet",
            says="2594 images, 5-fold cross-validation, 256x192 (width x height)",
            holds="2,594 training images of many sizes, 100 for validation, 1,000 for the test",
            choice="the training images; 192 rows by 256 columns",
        ),
        PaperUse(
            paper="rdiunet",
            says="2,594 images of 128x128x1",
            holds="2,594 training images, in colour",
            choice="the training images; how colour became one channel is not said",
        ),
    ),
    pitfalls=(
        "Ids are not contiguous: images and masks are paired by id, never by position.",
        (
            "ISIC_*_superpixels.png beside the images (as in the release of 2017) are neither "
            "images nor masks: they are not read."
        ),
        "Masks are ISIC_*_segmentation.png; those of task 2 end otherwise and are not read.",
        "Images have up to 30 million pixels; more than 64 million are refused undecoded.",
        "A mask holds 0 and 255; any other value is refused, not rounded.",
        "The paper prints width before height: 256x192 is 192 rows.",
    ),
)

HOW = (
    "Download the archives of task 1 at the publisher's page, unpack them side by side, and run "
    "`segrepro fetch isic2018 --from DIR`, where DIR is the folder that holds theirs."
)

_AT = "https://isic-challenge-data.s3.amazonaws.com/2018"
_MIRROR = "https://isic-archive.s3.amazonaws.com/challenges/2018"


def _source(name: str, sha256: str, size: int) -> Source:
    return Source(
        path=f"{name}.zip",
        url=f"{_AT}/{name}.zip",
        mirrors=(f"{_MIRROR}/{name}.zip",),
        sha256=sha256,
        bytes=size,
        unpack_to="",
        how=HOW,
    )


IMAGES, MASKS = "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"

SOURCES = (
    _source(
        IMAGES,
        "80f98572347a2d7a376227fa9eb2e4f7459d317cb619865b8b9910c81446675f",
        11_165_358_566,
    ),
    _source(MASKS, "99f8b2bb3c4d6af483362010715f7e7d5d122d9f6c02cac0e0d15bef77c7604c", 27_402_895),
)
"""The training archives, which the papers use; those for validation and test are not."""

_OTHER_PARTS = tuple(
    f"{folder}/{pattern}"
    for part in ("Validation", "Test")
    for folder, pattern in (
        (f"ISIC2018_Task1-2_{part}_Input", "ISIC_*.jpg"),
        (f"ISIC2018_Task1_{part}_GroundTruth", "ISIC_*_segmentation.png"),
    )
)

LAYOUTS = (
    Layout(
        name="the folders of the archives",
        required=(f"{IMAGES}/ISIC_*.jpg", f"{MASKS}/ISIC_*_segmentation.png"),
        optional=(
            f"{IMAGES}/ISIC_*_superpixels.png",
            f"{IMAGES}/*.csv",
            "ISIC2018_Task1*/*.txt",
            *_OTHER_PARTS,
        ),
        expected_files={
            f"{IMAGES}/ISIC_*.jpg": 2594,
            f"{MASKS}/ISIC_*_segmentation.png": 2594,
        },
    ),
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."
_ID = re.compile(r"ISIC_\d{7}")
_MASK_ENDING = "_segmentation"


@dataclass(frozen=True)
class _Lesion:
    image_id: str
    image: Path
    mask: Path


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per training image, by id."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the training images with their masks, paired by id.

    Parameters
    ----------
    raw
        Folder that holds the folders of the training archives.

    Raises
    ------
    UserError
        If there are none, or an image has no mask or a mask no image.
    """
    images = _files(raw / IMAGES, "*.jpg", "")
    masks = _files(raw / MASKS, f"*{_MASK_ENDING}.png", _MASK_ENDING)
    if not images and not masks:
        wanted = " + ".join(LAYOUTS[0].required)
        raise UserError(f"no ISIC 2018 images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    if odd := sorted(images.keys() ^ masks.keys()):
        has, lacks = (images, "mask") if odd[0] in images else (masks, "image")
        raise UserError(f"{has[odd[0]]} has no {lacks}; {len(odd)} files are alone.", _CURE)
    return Listing(cases=tuple(_Lesion(name, images[name], masks[name]) for name in sorted(images)))


def read_case(found: _Lesion) -> Case:
    """Return one image with its lesion.

    Raises
    ------
    UserError
        If a file is broken, too large to be true or no mask, or the sizes differ.
    """
    channels = colour_planes(read_picture(found.image, ["JPEG"]), found.image)
    plane = grey_plane(read_picture(found.mask, ["PNG"]), found.mask)
    if plane.shape != channels.shape[1:]:
        raise UserError(
            f"{found.image} has shape {channels.shape[1:]}, but {found.mask} has {plane.shape}.",
            _CURE,
        )
    return Case(
        case_id=found.image_id,
        group_id=found.image_id,
        channels=channels,
        mask=is_foreground(plane, found.mask).astype(np.uint8),
        spacing_mm=(1.0, 1.0),
    )


def _files(folder: Path, pattern: str, ending: str) -> dict[str, Path]:
    """Return the files of a folder by the id in their name."""
    files = {}
    for path in folder.glob(pattern):
        if path.name.startswith("."):
            continue
        image_id = path.stem.removesuffix(ending)
        if not _ID.fullmatch(image_id):
            raise UserError(f"{path} is not named like ISIC_0000000{ending}{path.suffix}.", _CURE)
        files[image_id] = path
    return files
