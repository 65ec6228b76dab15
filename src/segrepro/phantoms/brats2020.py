"""Synthetic gliomas in the layout of BraTS 2020, on the reduced grid of `_brats`."""

from pathlib import Path

import numpy as np

from segrepro.files import write_text
from segrepro.phantoms._brats import patient, write_case
from segrepro.progress import progress

TRAINING = "MICCAI_BraTS2020_TrainingData"
VALIDATION = "MICCAI_BraTS2020_ValidationData"
ODD_NUMBER, ODD_NAME = 355, "W39_1998.09.19_Segm.nii"
YEARS = (2017, 2018)
COLUMNS = (
    "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,"
    "BraTS_2019_subject_ID,BraTS_2020_subject_ID"
)


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write training cases, one validation case and the tables.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Training cases. Of two or more, the last is number 355 with its odd file name; of four or
        more, the first two are scans of one patient.
    seed
        Equal seeds give equal bytes.
    """
    seeds = np.random.SeedSequence(seed).spawn(cases + 1)
    numbers = list(range(1, cases + 1))
    if cases > 1:
        numbers[-1] = ODD_NUMBER
    for number, own in progress(
        zip(numbers, seeds[1:], strict=True), total=cases, what="phantom brats2020"
    ):
        folder = raw / TRAINING / f"BraTS20_Training_{number:03d}"
        name = ODD_NAME if number == ODD_NUMBER else f"{folder.name}_seg.nii.gz"
        write_case(folder, patient(np.random.default_rng(own)), segmentation=name)
    validation = raw / VALIDATION / "BraTS20_Validation_001"
    write_case(validation, patient(np.random.default_rng(seeds[0])), segmentation=None)
    _write_tables(raw, numbers)


def _write_tables(raw: Path, numbers: list[int]) -> None:
    rows = [_row(index, number, len(numbers)) for index, number in enumerate(numbers)]
    write_text(raw / TRAINING / "name_mapping.csv", "\n".join([COLUMNS, *rows]) + "\n")
    survival = [
        f"BraTS20_Training_{number:03d},{50 + index}.5,{300 + 10 * index},GTR"
        for index, number in enumerate(numbers)
    ]
    head = "Brats20ID,Age,Survival_days,Extent_of_Resection"
    write_text(raw / TRAINING / "survival_info.csv", "\n".join([head, *survival]) + "\n")
    write_text(
        raw / VALIDATION / "name_mapping_validation_data.csv",
        "BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,"
        "BraTS_2019_subject_ID,BraTS_2020_subject_ID\nNA,NA,NA,NA,BraTS20_Validation_001\n",
    )
    write_text(
        raw / VALIDATION / "survival_evaluation.csv",
        "BraTS20ID,Age,ResectionStatus\nBraTS20_Validation_001,61.2,GTR\n",
    )


def _row(index: int, number: int, cases: int) -> str:
    grade = "LGG" if index % 4 == 3 else "HGG"
    here = f"BraTS20_Training_{number:03d}"
    if cases > 3 and index < 2:
        older = [f"Brats{year % 100}_TCIA01_9{index}_1" for year in YEARS]
        return f"{grade},{','.join(older)},TCGA-XX-0001,BraTS19_TCIA01_9{index}_1,{here}"
    if index % 3 == 2:  # new in 2020
        return f"{grade},NA,NA,NA,NA,{here}"
    older = [f"Brats{year % 100}_CBICA_X{chr(65 + index % 26)}_1" for year in YEARS]
    return f"{grade},{','.join(older)},NA,BraTS19_CBICA_X{chr(65 + index % 26)}_1,{here}"
