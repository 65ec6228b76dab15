"""Synthetic mammograms in the layout of INbreast.

Pictures are an eighth as high and wide as published: 416 x 320 pixels of 0.56 mm instead of
3328 x 2560 of 0.07 mm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation
from scipy import ndimage

from segrepro.files import write_bytes, write_text
from segrepro.phantoms._dicom import new_image, new_uid, write_dicom
from segrepro.progress import progress

ROOT = "INbreast Release 1.0"
HEIGHT, WIDTH, PIXEL_MM, BITS = 416, 320, 0.56, 14
VIEWS = (("R", "CC"), ("R", "MLO"), ("L", "CC"), ("L", "MLO"))
IMAGES_PER_PATIENT = 2
FIRST_NUMBER = 20500000
COLUMNS = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads"

Picture = NDArray[np.float64]
Outline = NDArray[np.float64]


@dataclass
class _Finding:
    """A region as it stands in the XML file."""

    name: str
    points: Outline
    """Shape (N, 2): x, y in pixels."""


@dataclass
class _Breast:
    grey: Picture
    """0 to 1, shape (H, W), the chest wall on the left."""
    inside: NDArray[np.bool_]
    findings: list[_Finding] = field(default_factory=list)


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write mammograms, outlines, the table, and stubs of what is not read.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Mammograms that become cases, two of a patient. Every seventh is normal and has no
        outlines. One more has none although it is not normal, so that nobody can say what is on
        it; its view is FB.
    seed
        Equal seeds give equal bytes.
    """
    root = raw / ROOT
    rows = [COLUMNS]
    seeds = np.random.SeedSequence(seed).spawn(cases + 1)
    tokens = [np.random.default_rng(own).bytes(8).hex() for own in seeds[::IMAGES_PER_PATIENT]]
    for index, own in progress(enumerate(seeds), total=cases + 1, what="phantom inbreast"):
        rng = np.random.default_rng(own)
        number = str(FIRST_NUMBER + 37 * index)
        unknown = index == cases
        side, view = ("R", "FB") if unknown else VIEWS[index % len(VIEWS)]
        breast = _breast(view, rng)
        kind = index % (len(DRAWN) + 1)
        if not unknown and kind < len(DRAWN):
            DRAWN[kind](breast, rng)
        name = f"{number}_{tokens[index // IMAGES_PER_PATIENT]}_MG_{side}_{view}_ANON.dcm"
        _write_picture(root / "AllDICOMs" / name, breast, side=side, rng=rng)
        if breast.findings:
            _write_outlines(root, number, _facing(breast.findings, side), odd=index == 0)
        assessment = "4a" if breast.findings else ("2" if unknown else "1")
        # A blank density is padded; a semester, not a month, follows the year.
        density = "     " if index == 1 else str(1 + index % 4)
        date = "200901" if index % 2 else "200902"
        rows.append(f"removed;removed;{side};{view};{date};{number};{density};{assessment}")
    # A blank row and a footer, which name no file.
    rows += [";;;;;;;", f"{cases + 1} images;;;;;;;"]
    write_text(root / "INbreast.csv", "\n".join(rows) + "\n")
    write_text(root / "MedicalReports" / f"{FIRST_NUMBER}.txt", "A synthetic report.\n")
    write_bytes(root / "INbreast.xls", b"\xd0\xcf\x11\xe0 a stub")
    _write_pectoral_muscle(root / "PectoralMuscle", FIRST_NUMBER + 37)


def _breast(view: str, rng: np.random.Generator) -> _Breast:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    depth, half = rng.uniform(0.62, 0.8) * WIDTH, rng.uniform(0.36, 0.44) * HEIGHT
    reach = np.hypot(columns / depth, (rows - HEIGHT / 2 - rng.uniform(-12, 12)) / half)
    inside = reach < 1
    gland = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 12)
    fine = ndimage.gaussian_filter(rng.standard_normal((HEIGHT, WIDTH)), 2.5)
    gland, fine = gland / gland.std(), fine / fine.std()
    grey = 0.3 + 0.05 * gland + 0.03 * fine
    grey += 0.12 * np.clip(1 - reach, 0, 0.4) * (1 + gland)
    grey *= np.clip((1 - reach) / 0.12, 0, 1) ** 0.4
    if view in {"MLO", "ML"}:
        muscle = columns < (0.42 * HEIGHT - rows) * 0.55
        grey = np.where(muscle & inside, 0.55 + 0.02 * fine, grey)
    return _Breast(np.where(inside, grey, 0.0), inside)


def _blob(rng: np.random.Generator, radius: tuple[float, float]) -> tuple[Picture, Outline]:
    """Return how far each pixel is from a lumpy centre, in radii, and the outline at 1."""
    x = rng.uniform(0.22, 0.42) * WIDTH
    y = HEIGHT / 2 + rng.uniform(-0.16, 0.16) * HEIGHT
    size, phases = rng.uniform(*radius), rng.uniform(0, 2 * np.pi, 3)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)

    def lumps(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        waves = (
            np.sin(order * angle + phase) for order, phase in zip((2, 3, 5), phases, strict=True)
        )
        return np.asarray(size * (1 + 0.09 * sum(waves)))

    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    distance = np.hypot(columns - x, rows - y)
    far = distance / lumps(np.arctan2(rows - y, columns - x))
    around = lumps(angles)[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])
    return far, np.array([x, y]) + around


def _mass(breast: _Breast, rng: np.random.Generator) -> None:
    far, outline = _blob(rng, (15, 27))
    breast.grey += 0.3 * np.clip(1.15 - far, 0, 0.4) / 0.4
    breast.findings.append(_Finding("Mass", outline))


def _spiculated_mass(breast: _Breast, rng: np.random.Generator) -> None:
    far, outline = _blob(rng, (13, 18))
    centre = outline.mean(axis=0)
    rays = 0.5 + 0.5 * np.cos(11 * _angle(centre))
    breast.grey += 0.17 * rays * np.clip(2.4 - far, 0, 1.4) / 1.4
    breast.grey += 0.3 * np.clip(1.15 - far, 0, 0.4) / 0.4
    breast.findings.append(_Finding("Espiculated Region", centre + 2.3 * (outline - centre)))
    breast.findings.append(_Finding("Mass", outline))


def _distortion(breast: _Breast, rng: np.random.Generator) -> None:
    far, outline = _blob(rng, (28, 36))
    rays = np.cos(9 * _angle(outline.mean(axis=0)))
    breast.grey += 0.14 * rays * np.clip(1.1 - far, 0, 1)
    breast.findings.append(_Finding("Distortion", outline))


def _asymmetry(breast: _Breast, rng: np.random.Generator) -> None:
    far, outline = _blob(rng, (34, 44))
    breast.grey += 0.26 * np.clip(1.3 - far, 0, 0.8)
    breast.findings.append(_Finding("Assymetry", outline))


def _calcifications(breast: _Breast, rng: np.random.Generator) -> None:
    _, outline = _blob(rng, (26, 34))
    for name, count in (
        ("Point 1", 1),
        ("Calcification", 2),
        ("Calcifications", 9),
        ("Unnamed", 7),
    ):
        centre = outline[rng.integers(len(outline))]
        angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
        reach = 0.6 if count < 3 else 3.2
        points = centre + reach * np.column_stack([np.cos(angles), np.sin(angles)])
        _brighten(breast, centre, 1.0 if count < 3 else 2.4)
        breast.findings.append(_Finding(name, points))


def _cluster(breast: _Breast, rng: np.random.Generator) -> None:
    _, outline = _blob(rng, (20, 28))
    centre = outline.mean(axis=0)
    breast.findings.append(_Finding("Cluster", outline))
    for _ in range(26):
        spot = centre + rng.uniform(-0.55, 0.55) * (outline[rng.integers(len(outline))] - centre)
        _brighten(breast, spot, rng.uniform(0.7, 1.3))
    breast.findings.append(_Finding("Calcification", np.array([spot])))


DRAWN = (
    _spiculated_mass,
    _calcifications,
    _cluster,
    _distortion,
    _asymmetry,
    _mass,
)
"""Every seventh mammogram gets none of them: it is normal."""


def _angle(centre: NDArray[np.float64]) -> NDArray[np.float64]:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.asarray(np.arctan2(rows - centre[1], columns - centre[0]))


def _brighten(breast: _Breast, centre: NDArray[np.float64], radius: float) -> None:
    column, row = np.rint(centre).astype(int)
    box = np.s_[max(0, row - 8) : row + 9, max(0, column - 8) : column + 9]
    rows, columns = np.mgrid[box]
    distance = np.hypot(columns - centre[0], rows - centre[1])
    breast.grey[box] += 0.5 * np.exp(-((distance / (radius + 0.3)) ** 2))


def _facing(findings: Sequence[_Finding], side: str) -> list[_Finding]:
    """Mirror the outlines of a left breast, whose chest wall is on the right of the picture."""
    if side == "R":
        return list(findings)
    mirror = np.array([-1.0, 1.0])
    shift = np.array([WIDTH - 1.0, 0.0])
    return [_Finding(finding.name, finding.points * mirror + shift) for finding in findings]


def _write_picture(path: Path, breast: _Breast, *, side: str, rng: np.random.Generator) -> None:
    grey = breast.grey + 0.012 * rng.standard_normal(breast.grey.shape)
    pixels = np.where(breast.inside, np.clip(grey, 0.02, 1), 0) * ((1 << BITS) - 1)
    pixels = pixels if side == "R" else pixels[:, ::-1]
    dataset = new_image(
        np.ascontiguousarray(np.rint(pixels).astype(np.uint16)),
        sop_class=DigitalMammographyXRayImageStorageForPresentation,
        uid=new_uid(rng),
        bits=BITS,
    )
    dataset.Modality, dataset.PatientName, dataset.PatientID = "MG", "", "removed"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = new_uid(rng), new_uid(rng)
    dataset.ImagerPixelSpacing = [PIXEL_MM, PIXEL_MM]
    write_dicom(path, dataset)


def _write_outlines(root: Path, number: str, findings: Sequence[_Finding], *, odd: bool) -> None:
    """Write an OsiriX export; an odd one states one point more than its first region has."""
    regions = "".join(
        _region(index, finding, extra=int(odd and index == 0))
        for index, finding in enumerate(findings)
    )
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>Images</key><array><dict>
<key>ImageIndex</key><integer>0</integer>
<key>NumberOfROIs</key><integer>{len(findings)}</integer>
<key>ROIs</key><array>{regions}</array>
</dict></array></dict></plist>
"""
    write_text(root / "AllXML" / f"{number}.xml", text)
    write_bytes(root / "AllROI" / f"{number}.roi", b"a stub")


def _region(index: int, finding: _Finding, *, extra: int) -> str:
    pixels = "".join(f"<string>({x:.6f}, {y:.6f})</string>" for x, y in finding.points)
    millimetres = "".join(
        f"<string>({x * PIXEL_MM:.6f}, {y * PIXEL_MM:.6f}, 0.000000)</string>"
        for x, y in finding.points
    )
    kind = 19 if len(finding.points) == 1 else 15
    # Only some regions have a length: what follows it is then not where it is in others.
    length = "<key>Length</key><real>1.5</real>" if index % 2 else ""
    return f"""<dict><key>Area</key><real>0.1</real>
<key>Center</key><string>(0.000000, 0.000000, 0.000000)</string>
<key>Dev</key><real>1</real><key>IndexInImage</key><integer>{index}</integer>{length}
<key>Max</key><real>9</real><key>Mean</key><real>5</real><key>Min</key><real>1</real>
<key>Name</key><string>{finding.name}</string>
<key>NumberOfPoints</key><integer>{len(finding.points) + extra}</integer>
<key>Point_mm</key><array>{millimetres}</array>
<key>Point_px</key><array>{pixels}</array>
<key>Total</key><real>0</real><key>Type</key><integer>{kind}</integer></dict>
"""


def _write_pectoral_muscle(folder: Path, number: int) -> None:
    points = "".join(f"<string>{{{x}, {y}}}</string>" for x, y in ((0, 0), (90, 0), (0, 170)))
    text = f"""<?xml version="1.0" encoding="UTF-8"?>
<plist version="1.0"><array><dict><key>Name</key><string>Pectoral Muscle</string>
<key>ROIPoints</key><array>{points}</array></dict></array></plist>
"""
    write_text(folder / "Pectoral Muscle XML" / f"{number}_muscle.xml", text)
    write_bytes(folder / "Pectoral Muscle ROI" / f"{number}_muscle.roi", b"a stub")
