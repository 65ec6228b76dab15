"""A metric on the held-out fold after each epoch, one panel per data set."""

from collections.abc import Mapping
from math import ceil, isnan
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from segrepro.claims import ledger
from segrepro.claims.results import CONSTANT, datasets_run, run_folder, run_means
from segrepro.errors import UserError
from segrepro.figures import _style
from segrepro.protocol.stages import FigureStage, RunRef

_PANELS_PER_ROW = 3


def draw(
    stage: FigureStage,
    *,
    results: Path,
    claims: Path,
    slices: Mapping[str, Path],  # noqa: ARG001 - every kind of figure is called alike
) -> Figure:
    """Draw one panel per data set; see `caption`."""
    datasets = datasets_run(stage.part)
    columns = min(len(datasets), _PANELS_PER_ROW)
    rows = ceil(len(datasets) / columns)
    figure = _style.new_figure(2.2 + 2.9 * columns, 0.5 + 2.6 * rows)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    constant = _constants(stage, results)
    published = _published(stage, claims) if _comparable(stage) else None
    for axis, (dataset, label) in zip(axes, datasets.items(), strict=False):
        curves = {m: _curves(stage, results, dataset, m) for m in stage.part.models}
        for rank, (model, curves_of_model) in enumerate(curves.items()):
            if not curves_of_model.empty:
                _draw_model(axis, curves_of_model, rank, stage.part.models[model])
                if published is not None:
                    last_epoch = len(curves_of_model)
                    _draw_published(axis, published, dataset, model, rank, last_epoch)
        axis.axhline(
            constant[dataset], color=_style.GREY, linewidth=1, linestyle=(0, (2, 2)),
            label="class everywhere",
        )  # fmt: skip
        _label(axis, f"{label} (synthetic)" if stage.part.synthetic else label, stage)
        _fit(axis, pd.concat(curves.values(), axis=1), constant[dataset])
    for axis in axes[len(datasets) :]:
        axis.set_axis_off()
    _legend(figure, with_paper=published is not None)
    return figure


def caption(stage: FigureStage) -> str:
    """Return what the figure shows."""
    part = stage.part
    what = f"{stage.spec.metric.capitalize()} in % on the held-out fold after each epoch"
    text = [
        f"{what}: the line is the mean over folds, the band runs from the lowest to the highest.",
        "The worst tenth of the epochs may lie below the panel.",
        "Dotted: the class predicted everywhere, without a network.",
    ]
    if _comparable(stage):
        text.append("Diamonds: the paper's final numbers with their spread.")
    if part.synthetic:
        text.append("The images are synthetic.")
    return " ".join(text)


def _comparable(stage: FigureStage) -> bool:
    return not stage.part.synthetic and not stage.part.shortened


def _published(stage: FigureStage, claims: Path) -> pd.DataFrame:
    rows = ledger.read(claims)
    return rows[rows["metric"] == stage.spec.metric]


def _curves(stage: FigureStage, results: Path, dataset: str, model: str) -> pd.DataFrame:
    """Return epochs down, runs across, in percent."""
    runs = [r for r in stage.part.runs if (r.dataset, r.model) == (dataset, model)]
    curves = {run.run: _read_curve(stage, results, run) for run in runs}
    return 100 * pd.DataFrame(curves)


def _read_curve(stage: FigureStage, results: Path, run: RunRef) -> "pd.Series[float]":
    path = run_folder(results, run) / "history.csv"
    column = f"selection_{stage.spec.metric}"
    try:
        history = pd.read_csv(path).set_index("epoch")
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            f"no readable history in {path}.", "Train the run again (snakemake does)."
        ) from error
    if column not in history or history[column].isna().all():
        raise UserError(
            f"{path} follows no {stage.spec.metric} over the epochs.",
            f"Set recipe.monitor to {stage.spec.metric}, or take figure {stage.name} out.",
        )
    return history[column]


def _constants(stage: FigureStage, results: Path) -> dict[str, float]:
    means = run_means(stage.part, results)
    chosen = means[(means["predictor"] == CONSTANT) & (means["metric"] == stage.spec.metric)]
    return {str(k): 100 * v for k, v in chosen.groupby("dataset")["mean"].mean().items()}


def _draw_model(axis: Axes, curves: pd.DataFrame, rank: int, label: str) -> None:
    colour = _style.MODEL_COLOURS[rank % len(_style.MODEL_COLOURS)]
    line = _style.MODEL_LINES[rank % len(_style.MODEL_LINES)]
    axis.fill_between(
        curves.index, curves.min(axis=1), curves.max(axis=1), color=colour, alpha=0.18, linewidth=0
    )
    # A line through one epoch cannot be seen.
    marker = "o" if len(curves) < 10 else ""
    axis.plot(
        curves.index, curves.mean(axis=1), color=colour, linestyle=line, label=label,
        marker=marker, markersize=3.5,
    )  # fmt: skip


def _draw_published(
    axis: Axes, published: pd.DataFrame, dataset: str, model: str, rank: int, last_epoch: int
) -> None:
    rows = published[(published["dataset"] == dataset) & (published["variant"] == model)]
    for value, spread in zip(rows["published"], rows["published_spread"], strict=True):
        axis.errorbar(
            # Just right of the last epoch, and one model beside the other.
            last_epoch * (1.03 + 0.03 * rank), value, None if isnan(spread) else spread,
            color=_style.MODEL_COLOURS[rank % len(_style.MODEL_COLOURS)], marker="D",
            markersize=3.5, elinewidth=1.2, capsize=3,
        )  # fmt: skip


def _legend(figure: Figure, *, with_paper: bool) -> None:
    found = [axis.get_legend_handles_labels() for axis in figure.axes]
    # A network may be missing from the first panel, and is drawn alike in all of them.
    by_label = {label: handle for pair in found for handle, label in zip(*pair, strict=True)}
    handles = list(by_label.values())
    if with_paper:
        diamond = Line2D(
            [], [], color=_style.GREY, marker="D", markersize=3.5, linestyle="none", label="paper"
        )
        handles.append(diamond)
    figure.legend(handles=handles, loc="outside lower center", ncols=4)


def _label(axis: Axes, title: str, stage: FigureStage) -> None:
    axis.set_title(title, loc="left")
    axis.set_xlabel("Epoch")
    axis.set_ylabel(f"{stage.spec.metric.capitalize()} (%)")
    axis.grid(visible=True, axis="y")


def _fit(axis: Axes, curves: pd.DataFrame, constant: float) -> None:
    """Spend the height on the epochs that matter: the lowest tenth of them may leave the panel."""
    low = min(constant, float(curves.min(axis=1).quantile(0.1)))
    high = max(axis.get_ylim()[1], constant + 1)
    axis.set_ylim(low - 0.08 * (high - low), high)
    epochs = len(curves)
    ticks = MaxNLocator(nbins=6, integer=True).tick_values(1, epochs)
    axis.set_xticks([tick for tick in ticks if 1 <= tick <= epochs])
