"""Score predictions: every slice, class, metric and predictor, beside a constant prediction."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segrepro import metrics
from segrepro.errors import UserError
from segrepro.files import write_bytes
from segrepro.progress import progress
from segrepro.protocol.stages import ScoreStage
from segrepro.slices.store import SliceStore

CONSTANT = "constant"
"""Predicts the class at every pixel: the reference that every result is shown beside."""
COLUMNS = ("case_id", "slice_id", "group_id", "class", "metric", "predictor", "value")
_NOT_PREDICTORS = ("slice_ids", "classes")
_CURE = "Run `segrepro predict` again."
Row = tuple[str, str, str, str, str, str, float]


def score(stage: ScoreStage, *, predictions: Path, slices: Path, out: Path) -> None:
    """Write one row per predictor, slice, class and metric, in this order, the constant last.

    Parameters
    ----------
    stage
        Classes, metrics and the convention for empty masks.
    predictions
        ``predictions.npz`` of a run.
    slices
        Folder of the slice store that was predicted.
    out
        ``scores.parquet`` to write.

    Raises
    ------
    UserError
        If the predictions are broken, or of other slices, classes or another size.
    """
    store = SliceStore.open(slices)
    try:
        with np.load(predictions, allow_pickle=False) as arrays:
            rows = list(_rows(stage, arrays, store))
    except FileNotFoundError as error:
        raise UserError(f"there is no {predictions}.", "Run `segrepro predict` first.") from error
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise UserError(f"{predictions} cannot be scored: {error}.", _CURE) from error
    write_bytes(out, pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(index=False))


def _rows(stage: ScoreStage, arrays: Any, store: SliceStore) -> Iterator[Row]:  # noqa: ANN401 - NpzFile
    slice_ids = [str(name) for name in arrays["slice_ids"]]
    classes = tuple(str(name) for name in arrays["classes"])
    if classes != stage.classes:
        raise ValueError(f"its classes are {', '.join(classes)}, not {', '.join(stage.classes)}")
    places = store.indices_of_slices(slice_ids)
    names = [name for name in arrays.files if name not in _NOT_PREDICTORS]
    shape = (len(places), len(classes), *store.masks.shape[1:])
    for name in progress([*names, CONSTANT], total=len(names) + 1, what="score"):
        # broadcast_to: the constant prediction takes one byte, not a copy of all masks.
        predicted = np.broadcast_to(np.True_, shape) if name == CONSTANT else arrays[name]
        _check_array(name, predicted, shape)
        yield from _rows_of(name, predicted, places, stage, store)


def _check_array(name: str, predicted: NDArray[Any], shape: tuple[int, ...]) -> None:
    if predicted.shape != shape or predicted.dtype != np.bool_:
        raise ValueError(
            f"{name!r} is {predicted.dtype} of shape {predicted.shape}, not bool of shape {shape}"
        )


def _rows_of(
    predictor: str,
    predicted: NDArray[np.bool_],
    places: list[int],
    stage: ScoreStage,
    store: SliceStore,
) -> Iterator[Row]:
    functions = {name: metrics.get(name) for name in stage.metrics}
    labels = [store.label_of(name) for name in stage.classes]
    table = store.table[["case_id", "slice_id", "group_id"]].to_numpy()
    for position, place in enumerate(places):
        case_id, slice_id, group_id = (str(value) for value in table[place])
        labelled = np.asarray(store.masks[place])
        for k, (class_name, label) in enumerate(zip(stage.classes, labels, strict=True)):
            for metric, function in functions.items():
                value = function(
                    predicted[position, k],
                    labelled == label,
                    when_both_empty=stage.when_both_empty,
                )
                yield case_id, slice_id, group_id, class_name, metric, predictor, float(value)
