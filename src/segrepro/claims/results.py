"""What the runs of a study scored: the tables, figures and the ledger all read it here."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from segrepro.errors import UserError
from segrepro.protocol.stages import RunRef, StudyPart

CONSTANT = "constant"
"""The predictor that predicts the class everywhere: the reference beside every result."""
LAST = "last"
"""The predictor with the weights of the last epoch, which are chosen on nothing."""


def run_folder(results: Path, run: RunRef) -> Path:
    """Return the folder of a run below ``results/{study}``."""
    return results / run.dataset / run.model / run.run


def datasets_run(part: StudyPart) -> dict[str, str]:
    """Return name and label of each data set that has a run; there must be one."""
    named = {run.dataset for run in part.runs}
    found = {name: label for name, label in part.datasets.items() if name in named}
    if not found:
        raise UserError(
            f"study {part.study} has no run with these settings.",
            "Widen datasets= and models=, or leave this table or figure out.",
        )
    return found


def run_means(part: StudyPart, results: Path) -> pd.DataFrame:
    """Return the mean over images of every metric, run by run.

    Returns
    -------
    DataFrame
        Columns dataset, model, run, class, metric, predictor, mean (a fraction, as scored) and
        images (how many the mean is over). Images without a value (``nan``) do not count.
    """
    frames = []
    for run in part.runs:
        scores = _read_scores(run_folder(results, run) / "scores.parquet", part.study, run)
        grouped = scores.groupby(["class", "metric", "predictor"], observed=True, sort=False)
        means = grouped["value"].agg(mean="mean", images="count").reset_index()
        means.insert(0, "dataset", run.dataset)
        means.insert(1, "model", run.model)
        means.insert(2, "run", run.run)
        frames.append(means)
    columns = ["dataset", "model", "run", "class", "metric", "predictor", "mean", "images"]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def images_scored(part: StudyPart, results: Path) -> dict[str, int]:
    """Return, per data set, how many different images the runs held out and scored."""
    images: dict[str, set[str]] = {dataset: set() for dataset in part.datasets}
    for run in part.runs:
        scores = _read_scores(run_folder(results, run) / "scores.parquet", part.study, run)
        images[run.dataset].update(scores["slice_id"].astype(str))
    return {dataset: len(found) for dataset, found in images.items()}


def _read_scores(path: Path, study: str, run: RunRef) -> pd.DataFrame:
    address = f"{study}/{run.dataset}/{run.model}/{run.run}"
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise UserError(
            f"no readable scores in {path}.", f"Make them with `segrepro score {address}`."
        ) from error


def read_json(path: Path, *, cure: str) -> dict[str, Any]:
    """Return the object in a JSON file, or say how to make that file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"no readable JSON in {path}.", cure) from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object.", cure)
    return content


def complexity(part: StudyPart, results: Path, model: str) -> dict[str, Any]:
    """Return size and speed of a model of the study, as ``segrepro complexity`` wrote them."""
    return read_json(
        results / "complexity" / f"{model}.json",
        cure=f"Make it with `segrepro complexity {part.study}/{model}`.",
    )
