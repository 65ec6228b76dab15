"""FracAtlas: radiographs of limbs, with outlines of the fractures."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image

from segrepro.datasets._pictures import (
    BrokenPictureError,
    decode_picture,
    grey_plane,
    read_content,
)
from segrepro.datasets._polygons import Outlined, filled, read_coco, read_vgg
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
from segrepro.errors import UserError
from segrepro.files import sha256_of

CATEGORY = "fractured"
END_OF_IMAGE = b"\xff\xd9"
"""The marker that ends a JPEG (ITU-T T.81, table B.1)."""
END_BYTES = 512
"""The marker must come within so many bytes of a file's end."""

CARD = Card(
    title="FracAtlas: fracture classification, localisation and segmentation in radiographs",
    licence="CC BY 4.0",
    terms="Free for any use; cite Abedeen et al. 2023.",
    citation=(
        "Abedeen I, Rahman MA, Prottyasha FZ, Ahmed T, Chowdhury TM, Shatabda S. FracAtlas: a "
        "dataset for fracture classification, localization and segmentation of musculoskeletal "
        "radiographs. Scientific Data 10: 521, 2023. doi:10.1038/s41597-023-02432-4"
    ),
    url="https://doi.org/10.6084/m9.figshare.22363012",
    modality="radiography",
    channels=("grey",),
    classes=("fracture",),
    background="elsewhere, and radiographs without a fracture",
    group_unit=(
        "image, with its exact copies: no patient is named, so other views of a patient cannot "
        "be kept together"
    ),
    # 4,083 less 79 that are broken; 12 sets of exact copies, of which two lose a copy to these.
    expected_cases=4004,
    expected_groups=3991,
    spacing_known=False,
    uses=(
        PaperUse(
            paper="reunet",
            says="500 images out of 717 with fractures, random 60:20:20 split, 256x256x3",
            holds="717 fractured images with 922 outlines (719 with 924 in the release of 2026)",
            choice=(
                "fractured images, exact copies on one side of a split; which 500 were used is "
                "not said"
            ),
        ),
    ),
    pitfalls=(
        (
            "Two fractured and 23 other images carry an EXIF rotation, and the outlines belong to "
            "the turned picture: it is turned first."
        ),
        "COCO's category and first annotation have the id 0, which some readers take for none.",
        (
            "VGG's file lacks five of COCO's 922 outlines: COCO's is read, VGG's only where "
            "COCO's is absent."
        ),
        "Four outlines reach a little over the border: they are cut off there.",
        (
            "79 JPEGs without fractures are left out: 59 are truncated; 20 more can be decoded, "
            f"but no end marker lies in their last {END_BYTES} bytes: foreign bytes follow it."
        ),
        (
            "Some JPEGs are grey, most are RGB with three equal channels: one channel is kept, "
            "after a check that they are equal."
        ),
        "27 files are exact copies of each other, in 12 sets: a set is one group.",
        (
            "The release of 2026 keeps two fractured images among the others as well: the "
            "fractured ones count."
        ),
        "dataset.csv of the first release calls IMG0003298 not fractured: the folder counts.",
        "Fractures are small, 0.34 % of the pixels in the median.",
    ),
)

HOW = (
    "Download FracAtlas.zip at the publisher's page, unpack it, and run `segrepro fetch fracatlas "
    "--from DIR`, where DIR is the folder that holds `images` and `Annotations`."
)

SOURCES = (
    Source(
        path="FracAtlas.zip",
        url="https://ndownloader.figshare.com/files/65518038",
        sha256="b67ec2d290a022b3dcf47f78e9a37f7edcc80592c0571f439355bf00bd9f0e23",
        bytes=338_436_460,
        unpack_to="",
        how=HOW,
    ),
)

COCO = "Annotations/COCO JSON/COCO_fracture_masks.json"
VGG = "Annotations/VGG JSON/VGG_fracture_masks.json"
TOP = "FracAtlas"
"""The folder inside the archive."""
_IMAGES = ("images/Fractured/*.jpg",)
_REST = (
    "images/Non_fractured/*.jpg",
    "Annotations/PASCAL VOC/*.xml",
    "Annotations/YOLO/*.txt",
    "Utilities/*.ipynb",
    "Utilities/Fracture Split/*.csv",
    "dataset.csv",
)


def _below(folder: str, patterns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{folder}/{pattern}" for pattern in patterns)


LAYOUTS = (
    Layout(
        name="COCO outlines",
        required=(*_IMAGES, COCO),
        optional=(VGG, *_REST),
        expected_files={"images/Fractured/*.jpg": 717, "images/Non_fractured/*.jpg": 3366, COCO: 1},
    ),
    Layout(
        name="COCO outlines, version 7 of 2026 in the folder of its archive",
        required=_below(TOP, (*_IMAGES, COCO)),
        optional=_below(TOP, (VGG, *_REST)),
        expected_files={
            f"{TOP}/images/Fractured/*.jpg": 719,
            f"{TOP}/images/Non_fractured/*.jpg": 3366,
            f"{TOP}/{COCO}": 1,
        },
    ),
    Layout(
        name="VGG outlines only",
        required=(*_IMAGES, VGG),
        optional=_REST,
        expected_files={"images/Fractured/*.jpg": 717, "images/Non_fractured/*.jpg": 3366, VGG: 1},
    ),
)

_CURE = f"Compare it with the published files ({CARD.url}), then run `segrepro fetch` again."
_NAME = re.compile(r"IMG\d{7}")


@dataclass(frozen=True)
class _Radiograph:
    path: Path
    name: str
    """Relative to the raw folder."""
    group_id: str
    fractured: bool
    outlined: Outlined


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per whole radiograph, fractured or not, by image number."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the radiographs; remarks name the exact copies and what has outlines but no image.

    Parameters
    ----------
    raw
        Folder that holds ``images/`` and ``Annotations/``, or the folder ``FracAtlas`` with them.

    Raises
    ------
    UserError
        If there are no fractured images or no outlines, or an image and its outlines contradict
        each other.
    """
    root = raw / TOP if (raw / TOP).is_dir() else raw
    fractured, others = _images(root / "images/Fractured"), _images(root / "images/Non_fractured")
    outlines, source = _outlines(root)
    if not fractured:
        _refuse_empty(raw)
    for name in sorted(fractured.keys() - outlines.keys()):
        raise UserError(f"{fractured[name]} has no outline in {source}.", _CURE)
    for name in sorted((outlines.keys() & others.keys()) - fractured.keys()):
        raise UserError(f"{others[name]} has outlines in {source}, but is not fractured.", _CURE)
    images = others | fractured
    groups, remarks = _groups(images, raw)
    remarks += [
        Remark(path=others[name].relative_to(raw).as_posix(), remark=f"{name} is also fractured")
        for name in sorted(fractured.keys() & others.keys())
    ]
    if lost := sorted(outlines.keys() - fractured.keys()):
        text = f"{len(lost)} of the {len(outlines)} outlined images are absent, such as {lost[0]}"
        remarks.append(Remark(path=source.relative_to(raw).as_posix(), remark=text))
    return Listing(
        cases=tuple(
            _Radiograph(
                path=images[name],
                name=images[name].relative_to(raw).as_posix(),
                group_id=groups[name],
                fractured=name in fractured,
                outlined=outlines.get(name, Outlined(())),
            )
            for name in sorted(images)
        ),
        remarks=tuple(remarks),
    )


def read_case(found: _Radiograph) -> Case | Remark:
    """Return one radiograph, upright, with its fractures filled; or a remark if it is broken.

    Raises
    ------
    UserError
        If a fractured image is broken (the published ones are not), is in colour, or has another
        size than its outlines were drawn on.
    """
    try:
        image = _whole(read_content(found.path), found.path)
    except BrokenPictureError as error:
        if found.fractured:
            raise
        return Remark(path=found.name, remark=f"left out because it is broken: {error.reason}")
    if found.outlined.size not in {None, image.size}:
        raise UserError(
            f"{found.path} is {image.size} pixels wide and high, its outlines were drawn on "
            f"{found.outlined.size}.",
            _CURE,
        )
    plane = grey_plane(image, found.path)
    height, width = plane.shape
    return Case(
        case_id=found.path.stem,
        group_id=found.group_id,
        channels=plane[None],
        mask=filled(found.outlined.polygons, height=height, width=width, path=found.path),
        spacing_mm=(1.0, 1.0),
    )


def official_split(raw: Path) -> dict[str, str]:
    """Return the publisher's split of the fractured images: case id to train, valid or test.

    Raises
    ------
    UserError
        If a file of the split is missing or no table, or names an image twice.
    """
    root = raw / TOP if (raw / TOP).is_dir() else raw
    subsets: dict[str, str] = {}
    for subset in ("train", "valid", "test"):
        path = root / "Utilities/Fracture Split" / f"{subset}.csv"
        try:
            with path.open(newline="", encoding="utf-8") as handle:
                names = [Path(row["image_id"]).stem for row in csv.DictReader(handle)]
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise UserError(f"{path} is missing or has no column image_id.", _CURE) from error
        for name in names:
            if subsets.setdefault(name, subset) != subset:
                raise UserError(f"{path}: {name} is also in {subsets[name]}.", _CURE)
    return subsets


def _whole(content: bytes, path: Path) -> Image:
    image = decode_picture(content, path, ["JPEG"])
    if END_OF_IMAGE not in content[-END_BYTES:]:
        raise BrokenPictureError(path, f"no end marker in its last {END_BYTES} bytes")
    return image


def _refuse_empty(raw: Path) -> None:
    wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
    raise UserError(f"no FracAtlas images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")


def _images(folder: Path) -> dict[str, Path]:
    """Return the radiographs of a folder by their names; macOS's hidden copies are no images."""
    found = {path.stem: path for path in folder.glob("*.jpg") if not path.name.startswith(".")}
    for name, path in found.items():
        if not _NAME.fullmatch(name):
            raise UserError(f"{path} is not named like IMG0000019.jpg.", _CURE)
    return found


def _outlines(root: Path) -> tuple[dict[str, Outlined], Path]:
    """Return the outlines by name of image, and the file that they are from."""
    coco, vgg = root / COCO, root / VGG
    if coco.exists():
        outlines, source = read_coco(coco, category=CATEGORY), coco
    elif vgg.exists():
        outlines, source = read_vgg(vgg, category=CATEGORY), vgg
    else:
        raise UserError(f"no outlines in {root}: looked for {COCO} or {VGG}.", f"{CARD.url}: {HOW}")
    if empty := sorted(name for name, outlined in outlines.items() if not outlined.polygons):
        raise UserError(f"{source} has no outline for {empty[0]}.", _CURE)
    return {Path(name).stem: outlined for name, outlined in outlines.items()}, source


def _groups(images: Mapping[str, Path], raw: Path) -> tuple[dict[str, str], list[Remark]]:
    """Return each image's group: the first name among those that have the same bytes."""
    copies: dict[str, list[str]] = defaultdict(list)
    for name in sorted(images):
        copies[_digest(images[name])].append(name)
    groups = {name: names[0] for names in copies.values() for name in names}
    remarks = [
        Remark(
            path=images[names[0]].relative_to(raw).as_posix(),
            remark=f"the same bytes as {', '.join(names[1:])}: one group",
        )
        for names in copies.values()
        if len(names) > 1
    ]
    return groups, remarks


def _digest(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", _CURE) from error
