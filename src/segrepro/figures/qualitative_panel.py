"""Images, their masks, and every network's prediction with its errors in colour."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from segrepro.claims.results import LAST, datasets_run, run_folder
from segrepro.errors import UserError
from segrepro.figures import _style
from segrepro.protocol.stages import FigureStage, RunRef
from segrepro.slices.store import SliceStore

_INSIDE = "#f2f2f2"
_OUTSIDE = "#262626"
_UNREADABLE = (OSError, EOFError, KeyError, ValueError, BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True)
class _Row:
    """One image: what is shown of it."""

    label: str
    image: NDArray[np.uint8]
    truth_hw: NDArray[np.bool_]
    predictions_hw: dict[str, NDArray[np.bool_]]
    scores: dict[str, float]


def draw(
    stage: FigureStage,
    *,
    results: Path,
    claims: Path,  # noqa: ARG001 - every kind of figure is called alike
    slices: Mapping[str, Path],
) -> Figure:
    """Draw one row per image and one column per network; see `caption`."""
    rows = [
        row
        for name in datasets_run(stage.part)
        for row in _rows(stage, results, slices[name], name)
    ]
    models = [m for m in stage.part.models if any(m in row.predictions_hw for row in rows)]
    columns = 2 + len(models)
    figure = _style.new_figure(0.4 + 2.0 * columns, 0.5 + 2.05 * len(rows))
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for axes_of_row, row in zip(axes, rows, strict=True):
        _draw_row(axes_of_row, row, models)
    heads = ["Image", "Truth", *(stage.part.models[model] for model in models)]
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head)
    _legend(figure, sorted({classes[0] for classes in stage.classes.values()}))
    return figure


def caption(stage: FigureStage) -> str:
    """Return what the figure shows."""
    metric = stage.spec.metric
    which = "the last epoch" if stage.part.checkpoint == LAST else "the best epoch"
    text = [
        f"Images of the first fold, ranked by {metric} (mean over networks): the lowest, the",
        f"highest and evenly between. Beneath a prediction stands its own {metric};",
        f"predictions are those of {which}.",
    ]
    if stage.part.synthetic:
        text.append("The images are synthetic.")
    return " ".join(text)


def _rows(stage: FigureStage, results: Path, slices: Path, dataset: str) -> list[_Row]:
    runs = _first_runs(stage, dataset)
    class_, *others = stage.classes[dataset]
    predictions = {run.model: _read_predictions(stage, results, run, class_) for run in runs}
    scores = _scores(stage, results, runs, class_)
    store = SliceStore.open(slices)
    ranked = _evenly_ranked(scores.mean(axis=1), stage.spec.cases)
    places = store.indices_of_slices(slice_id for slice_id, _ in ranked)
    rows = []
    for (slice_id, rank), place in zip(ranked, places, strict=True):
        shown_as = f"{slice_id}, {class_}" if others else slice_id
        rows.append(
            _Row(
                label=f"{shown_as}\n{_in_words(rank, len(scores))}",
                image=_shown(np.asarray(store.images[place])),
                truth_hw=np.asarray(store.masks[place]) == store.label_of(class_),
                predictions_hw={model: found[slice_id] for model, found in predictions.items()},
                scores={str(m): float(scores[m][slice_id]) for m in scores.columns},
            )
        )
    return rows


def _first_runs(stage: FigureStage, dataset: str) -> list[RunRef]:
    """Return each model's run of the same name, so that all predict the same images."""
    runs = [run for run in stage.part.runs if run.dataset == dataset]
    return [run for run in runs if run.run == runs[0].run]


def _read_predictions(
    stage: FigureStage, results: Path, run: RunRef, class_: str
) -> dict[str, NDArray[np.bool_]]:
    """Return masks of shape (H, W) by slice."""
    path = run_folder(results, run) / "predictions.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            channel = [str(name) for name in archive["classes"]].index(class_)
            masks = archive[stage.part.checkpoint][:, channel]
            return dict(zip(map(str, archive["slice_ids"]), masks, strict=True))
    except _UNREADABLE as error:
        address = f"{stage.part.study}/{run.dataset}/{run.model}/{run.run}"
        raise UserError(
            f"no readable predictions of {class_!r} in {path}.",
            f"Make them with `segrepro predict {address}`.",
        ) from error


def _scores(stage: FigureStage, results: Path, runs: list[RunRef], class_: str) -> pd.DataFrame:
    """Return slices down, models across."""
    columns = {}
    for run in runs:
        scores = pd.read_parquet(run_folder(results, run) / "scores.parquet")
        chosen = scores[
            (scores["class"] == class_)
            & (scores["metric"] == stage.spec.metric)
            & (scores["predictor"] == stage.part.checkpoint)
        ]
        columns[run.model] = chosen.set_index("slice_id")["value"]
    return pd.DataFrame(columns).sort_index()


def _evenly_ranked(scores: "pd.Series[float]", wanted: int) -> list[tuple[str, int]]:
    """Return `wanted` slices with their ranks, from the lowest score (rank 0) to the highest."""
    order = scores.sort_values(kind="stable").index
    ranks = np.unique(np.linspace(0, len(order) - 1, num=wanted).round().astype(int))
    return [(str(order[rank]), int(rank)) for rank in ranks]


def _in_words(rank: int, of: int) -> str:
    if of > 1 and rank in (0, of - 1):
        return f"{'lowest' if rank == 0 else 'highest'} of {of}"
    return f"rank {rank + 1} of {of}"


def _shown(image_chw: NDArray[Any]) -> NDArray[np.uint8]:
    """Return (H, W, 3) of a colour image, else (H, W) of its first channel, stretched to 8 bits."""
    chosen = np.moveaxis(image_chw, 0, -1) if image_chw.shape[0] == 3 else image_chw[0]
    low, high = float(chosen.min()), float(chosen.max())
    scaled = (chosen.astype(np.float64) - low) / (high - low or 1.0)
    return (255 * scaled).round().astype(np.uint8)


def _painted(truth: NDArray[np.bool_], prediction: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (H, W, 3): what was found, what was left, and the two kinds of error."""
    picture = np.empty((*truth.shape, 3))
    picture[truth & prediction] = to_rgb(_INSIDE)
    picture[~truth & ~prediction] = to_rgb(_OUTSIDE)
    picture[~truth & prediction] = to_rgb(_style.FALSE_POSITIVE)
    picture[truth & ~prediction] = to_rgb(_style.FALSE_NEGATIVE)
    return picture


def _draw_row(axes: NDArray[Any], row: _Row, models: list[str]) -> None:
    pictures: list[NDArray[Any]] = [row.image, _painted(row.truth_hw, row.truth_hw)]
    notes = ["", ""]
    for model in models:
        prediction = row.predictions_hw.get(model, np.zeros_like(row.truth_hw))
        pictures.append(_painted(row.truth_hw, prediction))
        notes.append(f"{row.scores[model]:.3f}" if model in row.scores else "not run")
    for axis, picture, note in zip(axes, pictures, notes, strict=True):
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        _without_ticks(axis)
        axis.set_xlabel(note, labelpad=2)
    axes[0].set_ylabel(row.label)


def _without_ticks(axis: Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    for spine in axis.spines.values():
        spine.set_visible(False)


def _legend(figure: Figure, classes: list[str]) -> None:
    inside = " or ".join(classes)
    patches = [
        Patch(facecolor=_INSIDE, edgecolor=_style.GREY, linewidth=0.6, label=inside),
        Patch(facecolor=_OUTSIDE, label="background"),
        Patch(facecolor=_style.FALSE_POSITIVE, label="false positive"),
        Patch(facecolor=_style.FALSE_NEGATIVE, label="false negative"),
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=4)
