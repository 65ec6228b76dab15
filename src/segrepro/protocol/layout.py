"""Where by-hand commands look and write, relative to the project's root.

The rules name their files themselves; a test holds that both agree.
"""

from pathlib import Path

PAPERS = Path("config/papers")


def raw(dataset: str) -> Path:
    """Return the folder of a data set's published bytes."""
    return Path("data/raw") / dataset


def manifest(dataset: str) -> Path:
    """Return the list of a data set's published bytes."""
    return Path("data/raw") / f"{dataset}.manifest.csv"


def cases(dataset: str) -> Path:
    """Return the folder of a data set's converted cases."""
    return Path("data/cases") / dataset


def slices(dataset: str, slicing: str) -> Path:
    """Return the folder of a data set's slices."""
    return Path("data/slices") / dataset / slicing


def split(study: str, dataset: str) -> Path:
    """Return a study's split of a data set."""
    return Path("data/splits") / study / f"{dataset}.csv"


def results(study: str) -> Path:
    """Return the folder of a study's results."""
    return Path("results") / study


def run(study: str, dataset: str, model: str, name: str) -> Path:
    """Return the folder of a run."""
    return results(study) / dataset / model / name
