"""BraTS 2020: 369 labelled gliomas in four MRI sequences each."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from segrepro.datasets._brats import CHANNELS, CLASSES, PITFALLS, Scan, case_folders, read_scan
from segrepro.datasets._brats import scan_in as _scan_in
from segrepro.datasets._nifti import CURE
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

TRAINING = "MICCAI_BraTS2020_TrainingData"
ROOTS = (TRAINING, f"BraTS2020_TrainingData/{TRAINING}")
PREFIX = "BraTS20_Training_"
TABLE = "name_mapping.csv"
KAGGLE = "awsaf49/brats20-dataset-training-validation"

HOW = (
    "Request the training data from the challenge (CBICA's portal or Synapse), or take the Kaggle "
    f"copy (`kaggle datasets download -d {KAGGLE}`), then run `segrepro fetch brats2020 --from "
    "DIR|ARCHIVE`."
)

CARD = Card(
    title="BraTS 2020: multimodal brain tumour segmentation challenge, training data",
    licence="by request, research use",
    terms=(
        "For research, after registration; publications cite Menze et al. 2015, "
        "Bakas et al. 2017 and Bakas et al. 2018."
    ),
    citation=(
        "Menze BH, Jakab A, Bauer S, et al. The multimodal brain tumor image segmentation "
        "benchmark (BRATS). IEEE Transactions on Medical Imaging 34(10): 1993-2024, 2015. "
        "doi:10.1109/TMI.2014.2377694. Bakas S, Akbari H, Sotiras A, et al. Advancing The Cancer "
        "Genome Atlas glioma MRI collections with expert segmentation labels and radiomic "
        "features. Scientific Data 4: 170117, 2017. doi:10.1038/sdata.2017.117"
    ),
    url="https://www.med.upenn.edu/cbica/brats2020/data.html",
    modality="MRI (FLAIR, T1, T1 with contrast agent, T2), skull stripped, one 1 mm grid per case",
    channels=CHANNELS,
    classes=CLASSES,
    background="everything else",
    group_unit="patient: the TCGA or TCIA id of name_mapping.csv where there is one, else the case",
    expected_cases=369,
    expected_groups=369,
    uses=(
        PaperUse(
            paper="reunet",
            says=(
                "2,400 images; T1, T2 and FLAIR stacked as three channels; NCR/NET, ET and ED; "
                "random 60:20:20 split of images"
            ),
            holds="369 labelled cases of 155 slices each",
            choice=(
                "about 6.5 slices a case, chosen by a seed; T1ce is not used, although ET is "
                "defined on it; the random split leaks patients, so a grouped one stands beside it"
            ),
        ),
    ),
    pitfalls=(
        "The segmentation of BraTS20_Training_355 is called W39_1998.09.19_Segm.nii.",
        "There are 369 cases; some code assumes 371.",
        "The challenge ships .nii.gz, the Kaggle copy .nii: both are read.",
        "Validation cases have no segmentation and are left aside.",
        *PITFALLS,
    ),
)

SOURCES = (
    Source(
        path="brats20-dataset-training-validation.zip",
        client="kaggle",
        reference=KAGGLE,
        unpack_to="",
        unpinned="Kaggle states no SHA-256, and the challenge none either",
        how=HOW,
    ),
)


def _patterns(root: str, folders: str, suffixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{root}/{folders}*/*_{suffix}.nii*" for suffix in suffixes)


def _layout(name: str, root: str) -> Layout:
    validation = root.replace("Training", "Validation")
    channels = ("flair", "t1", "t1ce", "t2")
    return Layout(
        name=name,
        required=_patterns(root, PREFIX, (*channels, "seg")),
        optional=(
            f"{root}/{PREFIX}*/*_Segm.nii*",
            f"{root}/{TABLE}",
            f"{root}/survival_info.csv",
            *_patterns(validation, "BraTS20_Validation_", channels),
            f"{validation}/*.csv",
        ),
        expected_files={f"{root}/{PREFIX}*/*.nii*": 5 * 369, f"{root}/{TABLE}": 1},
    )


LAYOUTS = (
    _layout("folders of the challenge", ROOTS[0]),
    _layout("Kaggle's copy, one folder deeper", ROOTS[1]),
)


def iter_cases(raw: Path) -> Iterator[Case]:
    """Yield one case per training patient, in the order of their numbers."""
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
        If no case is there, a file of one is missing, or the table is not the published one.
    """
    for root in (raw / name for name in ROOTS):
        if folders := case_folders(root, PREFIX):
            break
    else:
        wanted = " or ".join(f"{root}/{PREFIX}*" for root in ROOTS)
        raise UserError(f"no BraTS 2020 cases in {raw}: looked for {wanted}.", f"{CARD.url}: {HOW}")
    rows = _rows(root / TABLE)
    cases = []
    for folder in folders:
        row = rows.get(folder.name, {})
        cases.append(_scan_in(folder, group_id=_group(folder.name, row), site=_site(row)))
    return Listing(cases=tuple(cases), remarks=tuple(_remarks(raw, root, folders, rows)))


def read_case(found: Scan) -> Case:
    """Return one patient's volumes; see `segrepro.datasets._brats.read_scan`."""
    return read_scan(found)


_Rows = Mapping[str, Mapping[str, str]]


def _rows(path: Path) -> _Rows:
    """Return the rows of the table by 2020 id, none if it is not there."""
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            return {row["BraTS_2020_subject_ID"].strip(): row for row in csv.DictReader(handle)}
    except (KeyError, AttributeError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(
            f"{path} is not the published table: it has no readable column BraTS_2020_subject_ID.",
            CURE,
        ) from error


def _known(row: Mapping[str, str], column: str) -> str:
    value = (row.get(column) or "").strip()
    return "" if value.upper() in {"NA", "NAN"} else value


def _group(case_id: str, row: Mapping[str, str]) -> str:
    return _known(row, "TCGA_TCIA_subject_ID") or case_id


def _site(row: Mapping[str, str]) -> str:
    """Return what earlier editions say in the id: ``CBICA`` in ``BraTS19_CBICA_AAB_1``."""
    for year in (2019, 2018, 2017):
        parts = _known(row, f"BraTS_{year}_subject_ID").split("_")
        if len(parts) > 2:
            return parts[1]
    return ""


def _remarks(raw: Path, root: Path, folders: list[Path], rows: _Rows) -> Iterator[Remark]:
    table = (root / TABLE).relative_to(raw).as_posix()
    if not rows:
        yield Remark(path=table, remark="is not there: each case is taken for another patient")
    elif unlisted := [folder.name for folder in folders if folder.name not in rows]:
        yield Remark(
            path=table,
            remark=(
                f"does not list {len(unlisted)} of the cases, the first is {unlisted[0]}: each is "
                "taken for another patient"
            ),
        )
