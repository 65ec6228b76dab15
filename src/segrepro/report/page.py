"""One self-contained HTML page per study: what was run on what, and what came out."""

import base64
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from segrepro import figures, tables
from segrepro.claims import ledger
from segrepro.claims.results import LAST, images_scored, read_json, run_folder, run_means
from segrepro.claims.verdict import VERDICTS
from segrepro.errors import UserError
from segrepro.files import write_text
from segrepro.protocol.stages import FigureStage, ReportStage, RunRef, TableStage
from segrepro.protocol.study import DEMO, PHANTOM


@dataclass(frozen=True)
class _Picture:
    title: str
    caption: str
    source: str
    """A data URI: the page loads nothing."""


def write_report(stage: ReportStage, *, results: Path, out: Path) -> None:
    """Read everything a study made, write ``report.html``.

    Parameters
    ----------
    results
        The folder ``results/{study}``.
    out
        The page.

    Raises
    ------
    UserError
        If a part of the study is not there yet.
    """
    write_text(out, _render(stage, _content(stage, results)))


def _render(stage: ReportStage, content: dict[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("segrepro", "report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(stage=stage, **content)


def _content(stage: ReportStage, results: Path) -> dict[str, Any]:
    claims = _read_ledger(stage, results)
    stamps = [(run, _stamp(stage, results, run)) for run in stage.part.runs]
    rows = [_claim_cells(row) for row in claims.to_dict(orient="records")]
    return {
        "images": images_scored(stage.part, results),
        "folds": _folds(stage),
        "verdicts": _counted(claims),
        "claims": [cells for cells in rows if cells["verdict"] != "not_run"],
        "not_run": [cells for cells in rows if cells["verdict"] == "not_run"],
        "tables": [(spec.title, shown) for spec, shown in _tables(stage, results)],
        "figures": _figures(stage, results),
        "optimism": _optimism(stage, results),
        "runs": [_run_cells(stage, run, stamp) for run, stamp in stamps],
        "warnings": sorted({stamp["warning"] for _, stamp in stamps if stamp.get("warning")}),
        "versions": _versions([stamp for _, stamp in stamps]),
        "paper": stage.part.study.removesuffix(DEMO),
        "commands": commands(stage),
        "one_run": _address(stage, stage.part.runs[0]) if stage.part.runs else "",
    }


def _read_ledger(stage: ReportStage, results: Path) -> pd.DataFrame:
    path = results / "claims.csv"
    if not path.is_file():
        raise UserError(f"no ledger {path}.", f"Make it with `segrepro claims {stage.part.study}`.")
    return ledger.read(path)


def _address(stage: ReportStage, run: RunRef) -> str:
    return f"{stage.part.study}/{run.dataset}/{run.model}/{run.run}"


def _stamp(stage: ReportStage, results: Path, run: RunRef) -> dict[str, Any]:
    path = run_folder(results, run) / "train.json"
    return read_json(path, cure=f"Make it with `segrepro train {_address(stage, run)}`.")


def _folds(stage: ReportStage) -> int:
    """Return how many runs a network has on a data set, at most."""
    pairs = [(run.dataset, run.model) for run in stage.part.runs]
    return max((pairs.count(pair) for pair in pairs), default=0)


def _counted(claims: pd.DataFrame) -> list[tuple[str, int]]:
    """Return how often each verdict was reached; verdicts that were not reached stay out."""
    counts = claims["verdict"].value_counts()
    return [(verdict, int(counts[verdict])) for verdict in VERDICTS if verdict in counts]


def _claim_cells(row: dict[Any, Any]) -> dict[str, str]:
    is_count = row["metric"] == ledger.PARAMETERS
    metric = row["metric"].replace("_", " ")
    # As printed: the paper gives up to four decimals.
    published = f"{row['published']:,.0f}" if is_count else f"{row['published']:g}"
    if not isnan(row["published_spread"]):
        published += f" ± {row['published_spread']:g}"
    ends = [_number(row[key], is_count=is_count) for key in ("ours_low", "ours_high")]
    return {
        "source": row["source"],
        "what": ", ".join(filter(None, (row["variant"], row["dataset"], row["class"], metric))),
        "published": published,
        "ours": _number(row["ours"], is_count=is_count),
        "interval": " to ".join(filter(None, ends)),
        "runs": "" if isnan(row["n_runs"]) else f"{row['n_runs']:.0f}",
        "verdict": row["verdict"],
        "reason": row["reason"],
    }


def _number(value: float, *, is_count: bool) -> str:
    text = "" if isnan(value) else f"{value:,.0f}" if is_count else f"{value:.2f}"
    return text.replace("-", "\N{MINUS SIGN}")


def _tables(stage: ReportStage, results: Path) -> list[tuple[Any, Any]]:
    return [
        (
            spec,
            tables.read(
                TableStage(part=stage.part, name=name, spec=spec), tables=results / "tables"
            ),
        )
        for name, spec in stage.tables.items()
    ]


def _figures(stage: ReportStage, results: Path) -> list[_Picture]:
    pictures = []
    for name, spec in stage.figures.items():
        path = results / "figures" / f"{name}.svg"
        if not path.is_file():
            raise UserError(
                f"no figure {path}.", f"Make it with `segrepro figures {stage.part.study} {name}`."
            )
        content = base64.b64encode(path.read_bytes()).decode("ascii")
        drawn = FigureStage(part=stage.part, name=name, spec=spec, classes={})
        source = f"data:image/svg+xml;base64,{content}"
        pictures.append(_Picture(spec.title, figures.caption(drawn), source))
    return pictures


def _optimism(stage: ReportStage, results: Path) -> str:
    """Return by how many points the chosen epoch beats the last one, over all runs."""
    if stage.part.checkpoint == LAST:
        return ""
    means = run_means(stage.part, results)
    means = means[means["metric"] == stage.recipe.monitor]
    by_predictor = means.groupby("predictor")["mean"].mean()
    if by_predictor.empty:  # The metric that chose the epoch is not among those scored.
        return ""
    points = 100 * float(by_predictor[stage.part.checkpoint] - by_predictor[LAST])
    return f"{points:.2f}"


def _run_cells(stage: ReportStage, run: RunRef, stamp: dict[str, Any]) -> tuple[str, ...]:
    best = stamp.get("best_epoch")
    return (
        run.dataset,
        stage.part.models[run.model],
        run.run,
        str(stage.recipe.epochs),
        "" if best is None else str(best),
        f"{stamp['seconds_total']:,.0f}",
        f"{stamp['images_per_second']:.1f}",
        f"{stamp['peak_memory_bytes'] / 1e6:,.0f}",
        f"{stamp['device']}, {stamp['threads']} threads",
        str(stamp["resumed_times"]),
    )


def _versions(stamps: list[dict[str, Any]]) -> list[str]:
    return sorted({f"{k} {v}" for stamp in stamps for k, v in stamp["versions"].items()})


def commands(stage: ReportStage) -> list[str]:
    """Return the commands that make this study again, from a clone of the repository."""
    part = stage.part
    datasets = [name.removesuffix(PHANTOM) for name in part.datasets]
    words = [
        f"tier={'demo' if part.synthetic else 'paper'}",
        f"papers={part.study.removesuffix(DEMO)}",
        f"datasets={','.join(datasets)}",
        f"models={','.join(part.models)}",
    ]
    if part.shortened:
        words.append(f"epochs={stage.recipe.epochs}")
        words.append(f"folds={_folds(stage)}")
        words.append(f"precision={stage.recipe.precision}")
    fetch = [] if part.synthetic else [f"segrepro fetch {name} --from DIR" for name in datasets]
    return [*fetch, f"snakemake --cores all --config {' '.join(words)}"]
