"""The ledger: every published number, ours beside it, and a verdict."""

import csv
import io
from math import isnan, nan
from pathlib import Path

import pandas as pd

from segrepro.claims.results import CONSTANT, LAST, complexity, run_means
from segrepro.claims.verdict import Evidence, judge
from segrepro.errors import UserError
from segrepro.files import write_json, write_text
from segrepro.protocol.paper import Claim
from segrepro.protocol.stages import ClaimsStage
from segrepro.protocol.study import DEMO
from segrepro.statistics.intervals import relative_improvement_percent, t_interval

COLUMNS = (
    "claim_id", "paper", "source", "dataset", "model", "variant", "class", "metric", "published",
    "published_spread", "ours", "ours_low", "ours_high", "n_runs", "verdict", "reason",
)  # fmt: skip
IMPROVEMENT = "_relative_improvement"
"""What the metric's name ends with in the row of a relative improvement."""
PARAMETERS = "parameters"
_DECIMALS = {"percent": 4, "fraction": 6, "count": 0}


def fill(stage: ClaimsStage, *, results: Path, out: Path, metrics: Path | None = None) -> None:
    """Read the scores and counts of a study, judge every claim of its paper, write ``claims.csv``.

    Parameters
    ----------
    results
        The folder ``results/{study}``.
    out
        The ledger, ``claims.csv``.
    metrics
        Where to write our numbers alone, claim id to number, as JSON for ``dvc metrics``.

    Raises
    ------
    UserError
        If a run of the study has no scores, or one of its models no count.
    """
    means = run_means(stage.part, results)
    counts = {
        model: float(complexity(stage.part, results, model)["parameters_total"])
        for model in stage.part.models
    }
    rows = [_row(stage, claim, means, counts) for claim in stage.claims]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    if metrics is not None:
        write_json(metrics, {row["claim_id"]: float(row["ours"]) for row in rows if row["ours"]})
    write_text(out, text.getvalue())


def read(path: Path) -> pd.DataFrame:
    """Return a ledger; numbers as floats, ``nan`` for an empty cell, texts never ``nan``."""
    numbers = ("published", "published_spread", "ours", "ours_low", "ours_high", "n_runs")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column in numbers:
        frame[column] = pd.to_numeric(frame[column])
    return frame


def metric_name(claim: Claim) -> str:
    """Return what the ledger's metric column says: the metric, and what is made of it."""
    if claim.measure == "relative_improvement":
        return claim.metric + IMPROVEMENT
    return PARAMETERS if claim.measure == "parameters" else claim.metric


def _row(
    stage: ClaimsStage, claim: Claim, means: pd.DataFrame, counts: dict[str, float]
) -> dict[str, str]:
    missing = _missing(stage, claim)
    evidence = None if missing else _evidence(stage, claim, means, counts)
    judgement = judge(
        claim,
        evidence,
        synthetic=stage.part.synthetic,
        shortened=stage.part.shortened,
        missing=missing,
    )
    numbers = evidence or Evidence(ours=nan)
    decimals = _DECIMALS[claim.unit]
    return {
        "claim_id": claim.id,
        "paper": stage.part.study.removesuffix(DEMO),
        "source": claim.source,
        "dataset": claim.dataset or "",
        "model": stage.networks[claim.model],
        "variant": claim.model,
        "class": claim.class_ or "",
        "metric": metric_name(claim),
        "published": _number(claim.published, decimals),
        "published_spread": _number(nan if claim.spread is None else claim.spread, decimals),
        "ours": _number(numbers.ours, decimals),
        "ours_low": _number(numbers.low, decimals),
        "ours_high": _number(numbers.high, decimals),
        "n_runs": str(numbers.n_runs) if numbers.n_runs else "",
        "verdict": judgement.verdict,
        "reason": judgement.reason,
    }


def _number(value: float, decimals: int) -> str:
    return "" if isnan(value) else f"{value:.{decimals}f}"


def _missing(stage: ClaimsStage, claim: Claim) -> str:
    """Return why there is nothing of ours to set beside a claim; empty if there is."""
    for name in (claim.dataset, claim.model, claim.baseline):
        if name is not None and name in stage.absent:
            return stage.absent[name]
    if claim.measure == "parameters":
        return "" if claim.model in stage.part.models else f"{claim.model} is not in this run"
    ran = {(run.dataset, run.model) for run in stage.part.runs}
    for model in filter(None, (claim.model, claim.baseline)):
        if (f"{claim.dataset}{stage.suffix}", model) not in ran:
            return f"{model} was not run on {claim.dataset}"
    return ""


def _evidence(
    stage: ClaimsStage, claim: Claim, means: pd.DataFrame, counts: dict[str, float]
) -> Evidence:
    if claim.measure == "parameters":
        return Evidence(ours=counts[claim.model])
    reported = stage.part.checkpoint
    dataset = f"{claim.dataset}{stage.suffix}"
    ours, per_run = _value(means, claim, dataset, reported)
    low, high = t_interval(per_run)
    return Evidence(
        ours=ours,
        low=low,
        high=high,
        n_runs=len(per_run),
        last_epoch=nan if reported == LAST else _value(means, claim, dataset, LAST)[0],
        # The class predicted everywhere is the same for both networks: no improvement to speak of.
        constant=nan if claim.baseline else _value(means, claim, dataset, CONSTANT)[0],
    )


def _value(
    means: pd.DataFrame, claim: Claim, dataset: str, predictor: str
) -> tuple[float, list[float]]:
    """Return a claim's number as one predictor gives it, and the same number run by run."""
    new = _of_model(means, claim, dataset, predictor, claim.model)
    if claim.baseline is None:
        scale = 100.0 if claim.unit == "percent" else 1.0
        return scale * float(new.mean()), [scale * float(value) for value in new]
    base = _of_model(means, claim, dataset, predictor, claim.baseline)
    new, base = new.align(base, join="inner")
    pairs = zip(new, base, strict=True)
    return (
        # Of the means, as the paper's own columns give it; run by run only for the interval.
        relative_improvement_percent(float(new.mean()), float(base.mean())),
        [relative_improvement_percent(float(n), float(b)) for n, b in pairs],
    )


def _of_model(
    means: pd.DataFrame, claim: Claim, dataset: str, predictor: str, model: str
) -> "pd.Series[float]":
    chosen = means[
        (means["dataset"] == dataset)
        & (means["model"] == model)
        & (means["metric"] == claim.metric)
        & (means["predictor"] == predictor)
    ]
    if claim.class_ is not None:
        chosen = chosen[chosen["class"] == claim.class_]
    if chosen.empty:
        raise UserError(
            f"claim {claim.id}: no {claim.metric} of {model} on {dataset} by {predictor!r}.",
            "Name its metric and class in the paper's scoring and datasets, and score again.",
        )
    return chosen.groupby("run", sort=True)["mean"].mean()
