"""KiTS23: 489 abdominal CT volumes with kidneys, renal tumours and renal cysts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from segrepro.datasets._nifti import read_volumes
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.datasets._volumes import check_one_grid, labels_of, stacked
from segrepro.errors import UserError

NUMBERS = (*range(300), *range(400, 589))
"""Of the cases that have public labels; 589 to 698 are the private test cases."""
NAME = re.compile(r"case_\d{5}")
LABELS = {0: 0, 1: 1, 2: 2, 3: 3}
"""Stored value to label: 1 kidney, 2 tumour, 3 cyst."""
ROOTS = ("dataset", ".")

COMMIT = "c1088353084c17b8882a11db71429e7c022b7785"
"""Of neheller/kits23: labels and table are part of the publisher's repository."""
LABEL_URL = f"https://raw.githubusercontent.com/neheller/kits23/{COMMIT}/dataset"
IMAGE_URL = "https://huggingface.co/datasets/neheller/KiTS-Challenge-Imaging/resolve/main/images"

HOW = (
    "Clone https://github.com/neheller/kits23, run its `kits23_download_data`, then `segrepro "
    "fetch kits23 --from DIR`, where DIR is the clone."
)

CARD = Card(
    title="KiTS23: kidney and kidney tumor segmentation challenge 2023, training data",
    licence="CC BY-NC-SA 4.0",
    terms="Not for commercial use; share alike; publications cite Heller et al.",
    citation=(
        "Heller N, Isensee F, Trofimova D, et al. The KiTS21 challenge: automatic segmentation of "
        "kidneys, renal tumors, and renal cysts in corticomedullary-phase CT. 2023. "
        "arXiv:2307.01984"
    ),
    url="https://kits-challenge.org/kits23/",
    modality="CT, late arterial and nephrogenic phase, in Hounsfield units",
    channels=("CT",),
    classes=("kidney", "tumour", "cyst"),
    background="everything else",
    group_unit="case: one patient each",
    expected_cases=489,
    expected_groups=489,
    uses=(
        PaperUse(
            paper="reunet",
            says=(
                "600 images; annotations for 589 patients; kidney, tumour and cyst; random "
                "60:20:20 split of images"
            ),
            holds=(
                "489 public cases; 588 is the last number. 32,989 slices carry any label, 12,182 "
                "tumour, 4,677 cyst"
            ),
            choice=(
                "slices with a label, a fixed count in all, chosen by a seed; the plain classes, "
                "not the nested regions of the challenge; the random split leaks patients, so a "
                "grouped one stands beside it"
            ),
        ),
    ),
    pitfalls=(
        "Axis 0 is the slice axis (axis codes IPL), and the affine has no origin.",
        "Three cases are not 512 pixels wide: 00160 (796), 00419 (651) and 00425 (632).",
        "Images are whole numbers stored as 64-bit floats: they become 16-bit integers.",
        "The download leaves cases without imaging.nii.gz: the missing ones are counted and named.",
        "To delete a case folder and download it again deletes its label, which is not downloaded.",
        "Labels of KiTS19 have the same case numbers but other outlines: never mix the two.",
        "The challenge scores nested regions (kidney and mass, mass, tumour), papers the classes.",
    ),
)


def _sources() -> Iterator[Source]:
    yield Source(
        path="dataset/kits23.json",
        url=f"{LABEL_URL}/kits23.json",
        sha256="c747c720a1c8ea6476050b73eb4cc298f4030e1be0d43df1540601ffb1e9924b",
        bytes=1310350,
        how=HOW,
    )
    for name in (f"case_{number:05d}" for number in NUMBERS):
        yield Source(
            path=f"dataset/{name}/segmentation.nii.gz",
            url=f"{LABEL_URL}/{name}/segmentation.nii.gz",
            unpinned="the address holds the commit, which fixes the bytes",
            how=HOW,
        )
        yield Source(
            path=f"dataset/{name}/imaging.nii.gz",
            url=f"{IMAGE_URL}/{name}.nii.gz",
            unpinned="the publisher states no SHA-256 of an image",
            how=HOW,
        )


SOURCES = tuple(_sources())


def _layout(name: str, below: str) -> Layout:
    images, labels = f"{below}case_*/imaging.nii.gz", f"{below}case_*/segmentation.nii.gz"
    return Layout(
        name=name,
        required=(images, labels),
        optional=(f"{below}case_*/instances/*.nii.gz", f"{below}kits23.json"),
        expected_files={
            images: len(NUMBERS),
            labels: len(NUMBERS),
            f"{below}case_*/instances/*.nii.gz": 5203,
            f"{below}kits23.json": 1,
        },
    )


LAYOUTS = (
    _layout("a clone of the publisher's repository, images downloaded", "dataset/"),
    _layout("the case folders alone", ""),
)


@dataclass(frozen=True)
class _Scan:
    case_id: str
    image: Path
    mask: Path


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per patient, in the order of their numbers."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the cases that have an image and a label.

    Parameters
    ----------
    raw
        Folder that holds either layout.

    Raises
    ------
    UserError
        If no case is there, or an image or a label of one is missing.
    """
    for root in ROOTS:
        folders = sorted(path for path in (raw / root).glob("case_*") if path.is_dir())
        if folders:
            break
    else:
        wanted = " or ".join(layout.required[1] for layout in LAYOUTS)
        raise UserError(f"no KiTS23 cases in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    scans = tuple(_scan(folder) for folder in folders)
    _check_complete(scans, raw)
    return Listing(cases=scans)


def _scan(folder: Path) -> _Scan:
    if NAME.fullmatch(folder.name) is None:
        raise UserError(
            f"{folder} is not named like case_00000.", "Remove it, or give it its name back."
        )
    return _Scan(folder.name, folder / "imaging.nii.gz", folder / "segmentation.nii.gz")


def _check_complete(scans: tuple[_Scan, ...], raw: Path) -> None:
    if lost := [scan.mask for scan in scans if not scan.mask.is_file()]:
        raise UserError(
            f"{len(lost)} of {len(scans)} cases in {raw} have no label, the first is {lost[0]}.",
            "Labels are part of the publisher's repository: in the clone, run `git checkout "
            "dataset`, then `segrepro fetch kits23` again.",
        )
    if missing := [scan.image for scan in scans if not scan.image.is_file()]:
        raise UserError(
            f"{len(missing)} of {len(scans)} cases in {raw} have no image, the first is "
            f"{missing[0]}.",
            "Run the publisher's `kits23_download_data` (or `segrepro fetch kits23`) again: it "
            "gets what is missing.",
        )


def read_case(found: _Scan) -> Case:
    """Return one patient's volume.

    Raises
    ------
    UserError
        If a file is broken, image and label lie on different grids, or the label holds others
        than the values 0 to 3.
    """
    image, mask = read_volumes((found.image, found.mask)).values()
    check_one_grid({found.image: image, found.mask: mask})
    return Case(
        case_id=found.case_id,
        group_id=found.case_id,
        channels=stacked({found.image: image}),
        mask=labels_of(mask.values, LABELS, found.mask),
        spacing_mm=image.spacing_mm,
        affine=image.affine,
    )
