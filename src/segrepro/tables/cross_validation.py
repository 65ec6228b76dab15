"""Mean and standard deviation over the folds, the paper's numbers and ours side by side."""

from collections.abc import Hashable
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd

from segrepro.claims import ledger
from segrepro.claims.results import CONSTANT, LAST, run_means
from segrepro.errors import UserError
from segrepro.protocol.recipe import Checkpoint
from segrepro.protocol.stages import StudyPart, TableStage
from segrepro.protocol.study import PHANTOM
from segrepro.statistics.intervals import mean_and_spread
from segrepro.tables import _display
from segrepro.tables._display import Display

_OURS: dict[Checkpoint, str] = {
    "best_on_reported_fold": "Ours, best epoch",
    "best_validation": "Ours",
    "last": "Ours",
}


def compute(stage: TableStage, *, results: Path, claims: Path) -> pd.DataFrame:
    """Return one row per data set, model and class; all measures in percent.

    ``ours`` is what the paper's own way of choosing an epoch gives, ``last`` the last epoch,
    ``optimism`` their difference, ``constant`` the class predicted everywhere.
    """
    metric = stage.spec.metric
    published = ledger.read(claims)
    means = run_means(stage.part, results)
    means = means[means["metric"] == metric]
    groups = means.groupby(["dataset", "model", "class"], sort=False)
    rows = []
    for (dataset, model, class_), scores in groups:
        base = str(dataset).removesuffix(PHANTOM)
        mine = published[
            (published["dataset"] == base)
            & (published["variant"] == model)
            & (published["class"] == class_)
        ]
        rows.append(
            {
                "dataset": dataset,
                "dataset_label": stage.part.datasets[str(dataset)],
                "model": model,
                "model_label": stage.part.models[str(model)],
                "class": class_,
                **_scores(scores, stage.part),
                **_published(mine, metric),
            }
        )
    if not rows:
        raise UserError(
            f"study {stage.part.study} has no scores of {metric!r}.",
            "Name it in the paper's scoring.metrics, or widen datasets= and models=.",
        )
    return pd.DataFrame(rows)


def _scores(scores: pd.DataFrame, part: StudyPart) -> dict[str, float]:
    reported = scores[scores["predictor"] == part.checkpoint]
    ours, ours_spread = _percent(scores, part.checkpoint)
    last, last_spread = _percent(scores, LAST)
    return {
        "runs": len(reported),
        "images": int(reported["images"].sum()),
        "ours_percent": ours,
        "ours_spread_percent": ours_spread,
        "last_percent": last,
        "last_spread_percent": last_spread,
        "optimism_percent": ours - last,
        "constant_percent": _percent(scores, CONSTANT)[0],
    }


def _percent(scores: pd.DataFrame, predictor: str) -> tuple[float, float]:
    values = scores.loc[scores["predictor"] == predictor, "mean"].tolist()
    mean, spread = mean_and_spread(values)
    return 100 * mean, 100 * spread


def _published(rows: pd.DataFrame, metric: str) -> dict[str, float]:
    def first(name: str, column: str) -> float:
        values = rows.loc[rows["metric"] == name, column]
        return float(values.iloc[0]) if len(values) else nan

    return {
        "paper_percent": first(metric, "published"),
        "paper_spread_percent": first(metric, "published_spread"),
        "improvement_percent": first(metric + ledger.IMPROVEMENT, "ours"),
        "paper_improvement_percent": first(metric + ledger.IMPROVEMENT, "published"),
    }


def display(frame: pd.DataFrame, stage: TableStage) -> Display:
    """Return the cells: ``mean ± standard deviation`` in percent."""
    chosen = stage.part.checkpoint != LAST
    header = ["Data set", "Model", "Paper", _OURS[stage.part.checkpoint]]
    header += ["Ours, last epoch", "Best, less last"] if chosen else []
    header += ["Class everywhere", "Improvement, paper", "Improvement, ours", "Runs"]
    many_classes = frame.groupby("dataset")["class"].nunique().gt(1).any()
    rows = tuple(
        _cells(row, chosen=chosen, with_class=bool(many_classes))
        for row in frame.to_dict(orient="records")
    )
    return Display(header=tuple(header), rows=rows, texts=2, notes=_notes(stage))


def _cells(row: dict[Hashable, Any], *, chosen: bool, with_class: bool) -> tuple[str, ...]:
    def value(column: str) -> float:
        return float(row[f"{column}_percent"])

    def pair(column: str) -> str:
        return _display.mean_and_spread(value(column), value(f"{column}_spread"))

    label = f"{row['dataset_label']}, {row['class']}" if with_class else str(row["dataset_label"])
    cells = [label, str(row["model_label"]), pair("paper"), pair("ours")]
    if chosen:
        cells += [pair("last"), _display.number(value("optimism"), signed=True)]
    cells.append(_display.number(value("constant")))
    cells += [_display.number(value(c)) for c in ("paper_improvement", "improvement")]
    return (*cells, str(row["runs"]))


def _notes(stage: TableStage) -> tuple[str, ...]:
    part = stage.part
    metric = stage.spec.metric.capitalize()
    notes = [
        f"{metric} in %: mean ± standard deviation over folds of the means over images.",
        "Improvement: relative, over the baseline, in %.",
    ]
    if part.checkpoint == "best_on_reported_fold":
        notes.append(
            "The best epoch is chosen on the fold that is reported, as the paper did: that is"
            " optimistic. The last epoch is chosen on nothing."
        )
    notes.append("Class everywhere: every pixel predicted as the class, without a network.")
    if part.synthetic:
        notes.append("Ours are on synthetic images, the paper's on real ones: no comparison.")
    if part.shortened:
        notes.append(f"Ours are from shortened runs: {', '.join(part.shortened)}.")
    return tuple(notes)
