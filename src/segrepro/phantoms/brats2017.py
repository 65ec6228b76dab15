"""Synthetic gliomas in the layout of BraTS 2017, on the reduced grid of `_brats`."""

from pathlib import Path

import numpy as np

from segrepro.files import write_text
from segrepro.phantoms._brats import patient, write_case
from segrepro.progress import progress

TRAINING = "Brats17TrainingData"
SITES = ("TCIA", "CBICA", "2013")


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write training cases of high and lower grade and the table of survival.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Training cases, every third of lower grade. Of four or more, the second is another scan of
        the first patient.
    seed
        Equal seeds give equal bytes.
    """
    seeds = np.random.SeedSequence(seed).spawn(cases)
    names = [_name(index, cases) for index in range(cases)]
    for index, own in progress(enumerate(seeds), total=cases, what="phantom brats2017"):
        folder = raw / TRAINING / ("LGG" if index % 3 == 2 else "HGG") / names[index]
        synthetic = patient(np.random.default_rng(own))
        write_case(folder, synthetic, segmentation=f"{folder.name}_seg.nii.gz")
    rows = [f"{name},{40 + index}.25,{200 + 7 * index}" for index, name in enumerate(names)]
    write_text(
        raw / TRAINING / "survival_data.csv", "\n".join(["Brats17ID,Age,Survival", *rows]) + "\n"
    )


def _name(index: int, cases: int) -> str:
    if cases > 3 and index == 1:
        return "Brats17_TCIA_900_2"
    return f"Brats17_{SITES[index % 3]}_{900 + index}_1"
