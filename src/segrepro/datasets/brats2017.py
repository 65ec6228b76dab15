"""BraTS 2017: 285 labelled gliomas (210 high grade, 75 lower grade), four MRI sequences each."""

import re
from collections.abc import Iterator
from pathlib import Path

from segrepro.datasets._brats import (
    CHANNELS,
    CLASSES,
    PITFALLS,
    Scan,
    case_folders,
    read_scan,
    scan_in,
)
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.errors import UserError

TRAINING = "Brats17TrainingData"
ROOTS = (TRAINING, ".")
GRADES = ("HGG", "LGG")
PREFIX = "Brats17_"
NAME = re.compile(rf"(?P<patient>{PREFIX}(?P<site>[A-Za-z0-9]+)_[A-Za-z0-9]+)_\d+")

HOW = (
    "Request the training data from the challenge (CBICA's portal), then run `segrepro fetch "
    f"brats2017 --from DIR|ARCHIVE`; DIR holds {TRAINING}/HGG and {TRAINING}/LGG."
)

CARD = Card(
    title="BraTS 2017: multimodal brain tumour segmentation challenge, training data",
    licence="by request, research use",
    terms=(
        "For research, after registration; publications cite Menze et al. 2015 and "
        "Bakas et al. 2017."
    ),
    citation=(
        "Menze BH, Jakab A, Bauer S, et al. The multimodal brain tumor image segmentation "
        "benchmark (BRATS). IEEE Transactions on Medical Imaging 34(10): 1993-2024, 2015. "
        "doi:10.1109/TMI.2014.2377694. Bakas S, Akbari H, Sotiras A, et al. Advancing The Cancer "
        "Genome Atlas glioma MRI collections with expert segmentation labels and radiomic "
        "features. Scientific Data 4: 170117, 2017. doi:10.1038/sdata.2017.117"
    ),
    url="https://www.med.upenn.edu/sbia/brats2017/data.html",
    modality="MRI (FLAIR, T1, T1 with contrast agent, T2), skull stripped, one 1 mm grid per case",
    channels=CHANNELS,
    classes=CLASSES,
    background="everything else",
    group_unit="patient: the case's name without the number of the scan",
    expected_cases=285,
    expected_groups=285,
    uses=(
        PaperUse(
            paper="multiresunet",
            says="210 HGG + 75 LGG, 240x240x155 made 80x80x48, 5-fold, best epoch on the fold",
            holds="210 + 75 cases of 240x240x155 voxels",
            choice=(
                "a factor of 3 in the plane and 155/48 across; the paper does not name the region "
                "that is the tumour: all labels above 0"
            ),
        ),
    ),
    pitfalls=(
        "The number at the end of a name is that of the scan: the patient is what stands before.",
        *PITFALLS,
    ),
)

SOURCES = (
    Source(
        path=f"{TRAINING}.zip",
        unpack_to="",
        unpinned="the challenge states no SHA-256",
        how=HOW,
    ),
)


def _layout(name: str, root: str, folders: str) -> Layout:
    below = "" if root == "." else f"{root}/"
    return Layout(
        name=name,
        required=tuple(
            f"{below}{folders}/{PREFIX}*/*_{suffix}.nii*"
            for suffix in ("flair", "t1", "t1ce", "t2", "seg")
        ),
        optional=(f"{below}survival_data.csv",),
        expected_files={
            f"{below}HGG/{PREFIX}*/*.nii*": 5 * 210,
            f"{below}LGG/{PREFIX}*/*.nii*": 5 * 75,
        },
    )


LAYOUTS = (
    _layout("folders of the challenge", ROOTS[0], "?GG"),
    _layout("the folders HGG and LGG alone", ROOTS[1], "?GG"),
)


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per scan: high grade first, by name."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the training cases.

    Parameters
    ----------
    raw
        Folder that holds either layout.

    Raises
    ------
    UserError
        If no case is there, a file of one is missing, or a name is not of the published form.
    """
    for root in ROOTS:
        folders = [
            folder for grade in GRADES for folder in case_folders(raw / root / grade, PREFIX)
        ]
        if folders:
            return Listing(cases=tuple(_scan(folder) for folder in folders))
    wanted = " or ".join(
        f"{(Path(root) / grade).as_posix()}/{PREFIX}*" for root in ROOTS for grade in GRADES
    )
    raise UserError(f"no BraTS 2017 cases in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")


def _scan(folder: Path) -> Scan:
    name = NAME.fullmatch(folder.name)
    if name is None:
        raise UserError(
            f"{folder} is not named like Brats17_SITE_PATIENT_SCAN.",
            "Give it back the name that the publisher gave it.",
        )
    return scan_in(folder, group_id=name["patient"], site=name["site"])


def read_case(found: Scan) -> Case:
    """Return one scan's volumes; see `segrepro.datasets._brats.read_scan`."""
    return read_scan(found)
