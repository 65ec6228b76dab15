"""INbreast: 410 digital mammograms with outlined findings."""

import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._contours import area, filled
from segrepro.datasets._dicom import CURE, UnfitError, grey_pixels, opened, pixel_spacing_mm
from segrepro.datasets._osirix import Region, read_regions
from segrepro.datasets._pseudonyms import pseudonym
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

ROOTS = ("INbreast Release 1.0", ".")
TABLE = "INbreast.csv"
NAME = re.compile(r"(?P<number>\d+)_(?P<token>[0-9a-f]+)_MG_[LR]_[A-Z]+_ANON\.dcm", re.IGNORECASE)
SPACING_MM = (0.07, 0.07)
"""Of the detector (Moreira et al. 2012, "Materials"), for headers that leave it out."""

CLASSES = (
    "mass",
    "calcification",
    "cluster",
    "distortion",
    "asymmetry",
    "spiculated region",
)
CLASS_OF = {
    "mass": "mass",
    "calcification": "calcification",
    "calcifications": "calcification",
    "unnamed": "calcification",
    "cluster": "cluster",
    "distortion": "distortion",
    "asymmetry": "asymmetry",
    "assymetry": "asymmetry",
    "spiculated region": "spiculated region",
    "espiculated region": "spiculated region",
}
"""What regions are called in the files, in lower case, and what they are."""
POINT_NAME = re.compile(r"point \d+")  # single calcifications that nobody named

HOW = (
    "Ask the Breast Research Group (INESC Porto, medicalresearch.inescporto.pt/breastresearch) "
    "for the data, and run `segrepro fetch inbreast --from DIR`, where DIR holds the folder "
    f'"{ROOTS[0]}".'
)

CARD = Card(
    title="INbreast: full-field digital mammographic database, release 1.0",
    licence="by request, research use",
    terms="For research only; do not pass it on; publications cite Moreira et al. 2012.",
    citation=(
        "Moreira IC, Amaral I, Domingues I, Cardoso A, Cardoso MJ, Cardoso JS. INbreast: toward a "
        "full-field digital mammographic database. Academic Radiology 19(2): 236-248, 2012. "
        "doi:10.1016/j.acra.2011.09.014"
    ),
    url="https://medicalresearch.inescporto.pt/breastresearch/index.php/Get_INbreast_Database",
    modality="full-field digital mammography, 14 bits",
    channels=("mammogram",),
    classes=CLASSES,
    background="everything else",
    group_unit="patient: the token in the file name, under a pseudonym; all views and exams of one",
    expected_cases=410,
    expected_groups=108,
    uses=(
        PaperUse(
            paper="reunet",
            says='250 images of 410 in CC and MLO views; "tumor annotations provided in XML files"',
            holds="343 images with outlined findings; those with a mass alone are about 107",
            choice=(
                "images with any outlined finding, 250 of them chosen by a seed, all classes as "
                "one; the paper names neither the findings nor the images"
            ),
        ),
    ),
    pitfalls=(
        "Outlines are found by their keys: extra ones shift every position in the file.",
        "Points are (x, y), not (row, column).",
        "Names are dirty (Assymetry, Espiculated Region, Point 3); an unknown one is refused.",
        "Regions of one or two points are single calcifications: their pixels are marked.",
        "Large regions are drawn first, so that small ones within them stay visible.",
        "Some points lie outside the picture: what is outside is cut off.",
        "Outlines of the pectoral muscle lie in another folder, in another form: not read.",
        "Beside CC and MLO there are FB and ML views.",
        "An image without outlines is normal only if the table says so; others are left out.",
        "The token in a file name is the patient's identity: it appears in no output.",
    ),
)

SOURCES = (Source(path=f"{ROOTS[0]}/{TABLE}", how=HOW),)


def _layout(name: str, below: str) -> Layout:
    images, outlines, table = f"{below}AllDICOMs/*.dcm", f"{below}AllXML/*.xml", f"{below}{TABLE}"
    return Layout(
        name=name,
        required=(images, outlines, table),
        optional=(
            f"{below}AllROI/*.roi",
            f"{below}MedicalReports/*",
            f"{below}PectoralMuscle/*/*",
            f"{below}INbreast.xls",
            f"{below}*.txt",
            f"{below}*.pdf",
        ),
        expected_files={images: 410, outlines: 343, table: 1},
    )


LAYOUTS = (
    _layout("the folder of the release", f"{ROOTS[0]}/"),
    _layout("its content alone", ""),
)


@dataclass(frozen=True)
class _Mammogram:
    number: str
    group_id: str
    image: Path
    outlines: Path | None
    """``None``: no findings."""


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per mammogram, in the order of their numbers."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the mammograms whose findings are known.

    Parameters
    ----------
    raw
        Folder that holds either layout.

    Raises
    ------
    UserError
        If files are missing or misnamed, or a region has an unknown name.
    """
    for root in (raw / name for name in ROOTS):
        if (root / "AllDICOMs").is_dir():
            break
    else:
        wanted = " or ".join(" + ".join(layout.required) for layout in LAYOUTS)
        raise UserError(f"no INbreast images in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    images, outlines = _images(root / "AllDICOMs"), _outlines(root / "AllXML")
    if lost := sorted(outlines.keys() - images.keys(), key=int):
        raise UserError(f"{outlines[lost[0]]} has no image in {root / 'AllDICOMs'}.", CURE)
    findings = _findings(root / TABLE)
    cases, remarks = [], []
    for number in sorted(images, key=int):
        path, token = images[number]
        found = _Mammogram(number, pseudonym("patient", token), path, outlines.get(number))
        name = f"{(root / 'AllXML').relative_to(raw).as_posix()}/{number}.xml"
        if found.outlines is not None:
            cases.append(found)
            remarks += [Remark(path=name, remark=text) for text in _oddities(found.outlines)]
        elif findings.get(number) == "normal":
            cases.append(found)
        else:
            why = findings.get(number, f"it has no row in {TABLE}")
            remarks.append(
                Remark(path=name, remark=f"is not there: {number} left out, because {why}")
            )
    return Listing(cases=tuple(cases), remarks=tuple(remarks))


def _images(folder: Path) -> dict[str, tuple[Path, str]]:
    """Return path and patient's token of each image, by its number."""
    images: dict[str, tuple[Path, str]] = {}
    for path in sorted(folder.glob("[!.]*.dcm")):
        name = NAME.fullmatch(path.name)
        # The message must not show the name: it holds the patient's token, or a stranger's name.
        if name is None:
            raise UserError(
                f"{folder} holds a file that is not named NUMBER_TOKEN_MG_SIDE_VIEW_ANON.dcm; its "
                f"name has {len(path.name)} characters.",
                "Remove it, or give it back the name that the publisher gave it.",
            )
        if name["number"] in images:
            raise UserError(f"{folder} holds image {name['number']} twice.", CURE)
        images[name["number"]] = (path, name["token"].lower())
    if not images:
        raise UserError(f"{folder} holds no images (*.dcm).", CURE)
    return images


def _outlines(folder: Path) -> dict[str, Path]:
    # This folder alone: the outlines of pectoral muscles lie in another and are other files.
    paths = sorted(folder.glob("[!.]*.xml"))
    if not paths:
        raise UserError(f"{folder} holds no outlines (*.xml).", CURE)
    for path in paths:
        if not path.stem.isdecimal():
            raise UserError(f"{path} is not named by the number of an image.", CURE)
    return {path.stem: path for path in paths}


def _findings(table: Path) -> Mapping[str, str]:
    """Return for each image ``"normal"``, or why it cannot be said what an image without XML is."""
    try:
        content = table.read_bytes()
    except OSError as error:
        raise UserError(
            f"cannot read {table}: {error.strerror}.",
            "It says which images without outlines are normal; if you have INbreast.xls only, "
            "save it as INbreast.csv, separated by semicolons.",
        ) from error
    text = content.decode("utf-8-sig", errors="replace")
    rows = csv.DictReader(io.StringIO(text), delimiter=";")
    rows.fieldnames = [name.strip().casefold() for name in rows.fieldnames or ()]
    if not {"file name", "bi-rads"} <= set(rows.fieldnames):
        raise UserError(
            f'{table} has no columns "File Name" and "Bi-Rads" separated by semicolons.', CURE
        )
    # The footer and blank rows name no file.
    named = ((str(row.get("file name") or "").strip(), row) for row in rows)
    return {number: _finding(row) for number, row in named if number.isdecimal()}


def _finding(row: Mapping[str, str | None]) -> str:
    """Return what a row says of an image that has no outlines."""
    if "lesion annotation status" in row:
        status = (row["lesion annotation status"] or "").strip().casefold()
        if status == "no annotation (normal)":
            return "normal"
        return f"{TABLE} says of its annotation: {status or 'nothing'}"
    assessment = (row["bi-rads"] or "").strip()
    # BI-RADS 1 is "negative": nothing to outline.
    return "normal" if assessment == "1" else f"{TABLE} gives it BI-RADS {assessment or 'nothing'}"


def _oddities(path: Path) -> Iterator[str]:
    """Yield what is odd about the regions of a file, after making sure that all are known."""
    for index, region in enumerate(read_regions(path), start=1):
        _label(region, path)
        if region.stated_points not in {None, len(region.points)}:
            yield (
                f"region {index} is said to have {region.stated_points} points, but has "
                f"{len(region.points)}, which are used"
            )


def _label(region: Region, path: Path) -> int:
    name = " ".join(region.name.split()).casefold()
    known = "calcification" if POINT_NAME.fullmatch(name) else CLASS_OF.get(name)
    if known is None:
        raise UserError(
            f"{path}: a region is called {region.name!r}, which is not known.",
            f"Compare it with the published file; known names: {', '.join(CLASS_OF)}, Point 1.",
        )
    return CLASSES.index(known) + 1


def read_case(found: _Mammogram) -> Case:
    """Return one mammogram.

    Raises
    ------
    UserError
        If a file is broken, or the image is not 14 bits of grey.
    """
    with opened(found.image, f"image {found.number} in {found.image.parent}") as dataset:
        pixels = grey_pixels(dataset)
        spacing_mm = pixel_spacing_mm(dataset, "PixelSpacing", "ImagerPixelSpacing")
        if pixels.dtype != np.uint16:
            raise UnfitError("does not hold 16 bits without a sign")
    regions = () if found.outlines is None else read_regions(found.outlines)
    labels = [_label(region, found.outlines) for region in regions] if found.outlines else []
    return Case(
        case_id=found.number,
        group_id=found.group_id,
        channels=pixels[np.newaxis],
        mask=painted(
            [(label, region.points) for label, region in zip(labels, regions, strict=True)],
            (pixels.shape[0], pixels.shape[1]),
        ),
        spacing_mm=spacing_mm or SPACING_MM,
    )


def painted(
    regions: list[tuple[int, NDArray[np.float64]]], shape: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the labels of regions, small ones on top of large ones.

    Parameters
    ----------
    regions
        Label and points (N, 2), x and y in pixels.
    shape
        Rows and columns.
    """
    mask = np.zeros(shape, np.uint8)
    for label, points in sorted(regions, key=lambda region: area(region[1]), reverse=True):
        mask[filled(points, shape)] = label
    return mask
