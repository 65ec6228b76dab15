"""ATLAS R2.0: 655 T1-weighted brain scans after a stroke, with traced lesions."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.datasets._nifti import CURE, read_volumes
from segrepro.datasets._types import Card, Case, Layout, Listing, PaperUse, Source, read_all
from segrepro.datasets._volumes import check_one_grid, stacked
from segrepro.errors import UserError

ROOTS = ("ATLAS_2", ".")
SPACE = "_space-MNI152NLin2009aSym"
IMAGE, MASK = f"{SPACE}_T1w.nii", f"{SPACE}_label-L_desc-T1lesion_mask.nii"
"""Ends of file names, perhaps followed by ``.gz``."""
ARCHIVE = "ATLAS_R2.0_encrypted.tar.gz"

HOW = (
    "Fill in the form at the publisher's page, which sends a password; set the environment "
    "variable ATLAS_PASSWORD to it and run `segrepro fetch atlas2`, or unpack the archive "
    "yourself and run `segrepro fetch atlas2 --from DIR`."
)

CARD = Card(
    title="ATLAS R2.0: anatomical tracings of lesions after stroke",
    licence="by request, research use",
    terms=(
        "Free for research after a form; the password must not be passed on; publications cite "
        "Liew et al. 2022."
    ),
    citation=(
        "Liew S-L, Lo BP, Donnelly MR, et al. A large, curated, open-source stroke neuroimaging "
        "dataset to improve lesion segmentation algorithms. Scientific Data 9: 320, 2022. "
        "doi:10.1038/s41597-022-01401-7"
    ),
    url="https://fcon_1000.projects.nitrc.org/indi/retro/atlas.html",
    modality="MRI, T1-weighted, intensities normalised, in MNI space (MNI152NLin2009aSym, 1 mm)",
    channels=("T1",),
    classes=("lesion",),
    background="everything else",
    group_unit="subject (`sub-`), whose sessions stay together; the site is the cohort (`R001`)",
    expected_cases=655,
    expected_groups=655,
    uses=(
        PaperUse(
            paper="ken",
            says=(
                '"Release 2.0, consisting of 304 T1-weighted MRIs"; crops that contain the '
                "lesion, made 124x124, padded to 128"
            ),
            holds="655 training cases with a mask; 304 is the size of releases 1.1 and 1.2",
            choice=(
                "release 2.0, cropped round the lesion as in the paper, which tells the network "
                "where test lesions are, and whole slices beside it"
            ),
        ),
    ),
    pitfalls=(
        "The folders are full of hidden files, some named like volumes: they are left aside.",
        "Testing/ has images without masks; nothing of it becomes a case.",
        "Masks are 0 and 1, some as floats after resampling: the border is at 0.5.",
        "Release 1 had labels that did not lie on their images, so affines are compared.",
        "A subject may have several sessions: they are one group.",
        "Some lesions are so small that a slice holds a handful of voxels.",
    ),
)

SOURCES = (
    Source(
        path=ARCHIVE,
        url=f"https://fcon_1000.projects.nitrc.org/indi/retro/ATLAS/releases/R2.0/{ARCHIVE}",
        sha256="b9cdf26486e7dd325d5d6617f2218204bbaa0b649dbca03e729a41a449bef671",
        unpack_to="",
        password_variable="ATLAS_PASSWORD",  # noqa: S106 - the name of a variable
        how=HOW,
    ),
)


def _layout(name: str, below: str) -> Layout:
    training, testing = f"{below}Training/R*", f"{below}Testing/R*"
    sessions = "sub-*/ses-*/anat"
    images, masks = f"{training}/{sessions}/*{IMAGE}*", f"{training}/{sessions}/*{MASK}*"
    tests = f"{testing}/{sessions}/*{IMAGE}*"
    return Layout(
        name=name,
        required=(images, masks),
        optional=(
            tests,
            f"{training}/dataset_description.json",
            f"{testing}/dataset_description.json",
            f"{below}*MetaData.csv",
        ),
        expected_files={images: 655, masks: 655, tests: 300},
    )


LAYOUTS = (
    _layout("the unpacked archive", "ATLAS_2/"),
    _layout("the folders Training and Testing alone", ""),
)


@dataclass(frozen=True)
class _Session:
    case_id: str
    subject: str
    cohort: str
    image: Path
    mask: Path


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per session, by cohort and subject."""
    return read_all(list_cases(raw), read_case)


def list_cases(raw: Path) -> Listing:
    """Return the training sessions.

    Parameters
    ----------
    raw
        Folder that holds either layout.

    Raises
    ------
    UserError
        If no session is there, or one has an image or a mask, but not both.
    """
    for training in (raw / root / "Training" for root in ROOTS):
        images, masks = _files(training, IMAGE), _files(training, MASK)
        if images or masks:
            break
    else:
        wanted = " or ".join(layout.required[0] for layout in LAYOUTS)
        raise UserError(f"no ATLAS sessions in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    if odd := sorted(images.keys() ^ masks.keys()):
        path, lacks = (images[odd[0]], "mask") if odd[0] in images else (masks[odd[0]], "image")
        raise UserError(f"{path} has no {lacks} beside it.", CURE)
    return Listing(
        cases=tuple(
            _Session(
                case_id=name,
                subject=name.split("_")[0],
                cohort=cohort,
                image=images[cohort, name],
                mask=masks[cohort, name],
            )
            for cohort, name in sorted(images)
        )
    )


def _files(training: Path, end: str) -> dict[tuple[str, str], Path]:
    """Return the files whose names end so, by cohort and what their names begin with."""
    files: dict[tuple[str, str], Path] = {}
    for path in sorted(training.glob(f"R*/sub-*/ses-*/anat/sub-*{end}*")):
        if path.name.endswith((end, f"{end}.gz")):
            cohort = path.relative_to(training).parts[0]
            files.setdefault((cohort, path.name.partition(SPACE)[0]), path)
    return files


def read_case(found: _Session) -> Case:
    """Return one session.

    Raises
    ------
    UserError
        If a file is broken, image and mask lie on different grids, or the mask is none.
    """
    image, mask = read_volumes((found.image, found.mask)).values()
    check_one_grid({found.image: image, found.mask: mask})
    return Case(
        case_id=found.case_id,
        group_id=found.subject,
        channels=stacked({found.image: image}),
        mask=_lesion(mask.values, found.mask),
        spacing_mm=image.spacing_mm,
        affine=image.affine,
        site=found.cohort,
    )


def _lesion(values: NDArray[Any], path: Path) -> NDArray[np.uint8]:
    low, high = values.min(), values.max()
    # Not "low < 0 or high > 1": a value that is no number must not pass.
    if not (low >= -0.01 and high <= 1.01):
        raise UserError(
            f"{path} is no lesion mask: its values run from {low:g} to {high:g}, not from 0 to 1.",
            CURE,
        )
    lesion: NDArray[np.uint8] = (values > 0.5).astype(np.uint8)
    return lesion
