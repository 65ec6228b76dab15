"""Scoring two slices of four pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from segrepro.errors import UserError
from segrepro.inference.score import COLUMNS, score
from segrepro.protocol.stages import ScoreStage

STAGE = ScoreStage(classes=("rim", "cell"), metrics=("recall", "jaccard"), when_both_empty=1.0)
# Labels: 1 cell, 2 rim.
MASKS = np.array([[[1, 1], [0, 2]], [[0, 0], [0, 2]]], dtype=np.uint8)


@pytest.fixture
def slices(tmp_path: Path) -> Path:
    np.save(tmp_path / "masks.npy", MASKS)
    np.save(tmp_path / "images.npy", MASKS[:, np.newaxis])
    table = {
        "slice_id": ["s0", "s1"],
        "case_id": ["c0", "c1"],
        "group_id": ["g", "g"],
        "pixels_cell": [2, 0],
        "pixels_rim": [1, 1],
    }
    pd.DataFrame(table).to_parquet(tmp_path / "slices.parquet")
    return tmp_path


def write(slices: Path, order: tuple[int, ...], **predictors: NDArray[Any]) -> Path:
    path = slices / "predictions.npz"
    ids = np.array([f"s{index}" for index in order])
    arrays = {"slice_ids": ids, "classes": np.array(STAGE.classes), **predictors}
    np.savez(path, allow_pickle=False, **arrays)
    return path


def perfect(order: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.stack([MASKS[list(order)] == label for label in (2, 1)], axis=1)


def scores(slices: Path, predictions: Path) -> pd.DataFrame:
    score(STAGE, predictions=predictions, slices=slices, out=slices / "scores.parquet")
    return pd.read_parquet(slices / "scores.parquet")


def test_a_perfect_prediction_scores_one_everywhere(slices: Path) -> None:
    table = scores(slices, write(slices, (0, 1), last=perfect((0, 1))))
    assert (table[table["predictor"] == "last"]["value"] == 1).all()


def test_slices_are_paired_by_name_not_by_position(slices: Path) -> None:
    table = scores(slices, write(slices, (1, 0), last=perfect((1, 0))))
    assert (table[table["predictor"] == "last"]["value"] == 1).all()


def test_the_rows_come_in_a_fixed_order_with_the_constant_last(slices: Path) -> None:
    table = scores(slices, write(slices, (1,), last=perfect((1,)), best=perfect((1,))))
    assert tuple(table.columns) == COLUMNS
    assert table["predictor"].tolist() == ["last"] * 4 + ["best"] * 4 + ["constant"] * 4
    assert table["class"].tolist() == ["rim", "rim", "cell", "cell"] * 3
    assert table["metric"].tolist() == ["recall", "jaccard"] * 6
    assert set(table["case_id"] + table["slice_id"] + table["group_id"]) == {"c1s1g"}


def test_the_constant_prediction_says_the_class_everywhere(slices: Path) -> None:
    table = scores(slices, write(slices, (0,), last=perfect((0,))))
    constant = table[table["predictor"] == "constant"]
    # Of four pixels one is rim and two are cell.
    assert constant["value"].tolist() == [1, 1 / 4, 1, 2 / 4]


def test_the_convention_for_empty_masks_comes_from_the_protocol(slices: Path) -> None:
    predictions = write(slices, (1,), last=perfect((1,)))
    stage = STAGE.model_copy(update={"when_both_empty": 0.25})
    score(stage, predictions=predictions, slices=slices, out=slices / "scores.parquet")
    table = pd.read_parquet(slices / "scores.parquet")
    cell = table[(table["class"] == "cell") & (table["predictor"] == "last")]
    assert cell["value"].tolist() == [0.25, 0.25]


def test_scoring_twice_gives_the_same_bytes(slices: Path) -> None:
    predictions = write(slices, (0, 1), last=perfect((0, 1)))
    scores(slices, predictions)
    first = (slices / "scores.parquet").read_bytes()
    scores(slices, predictions)
    assert (slices / "scores.parquet").read_bytes() == first


def refusal(slices: Path, predictions: Path) -> str:
    with pytest.raises(UserError) as caught:
        scores(slices, predictions)
    assert not (slices / "scores.parquet").exists()
    return caught.value.fact


def test_predictions_that_are_not_boolean_are_refused(slices: Path) -> None:
    wrong = perfect((0,)).astype(np.uint8)
    assert "uint8" in refusal(slices, write(slices, (0,), last=wrong))


def test_predictions_of_another_size_are_refused(slices: Path) -> None:
    assert "(1, 2, 2, 1)" in refusal(slices, write(slices, (0,), last=perfect((0,))[..., :1]))


def test_predictions_of_unknown_slices_are_refused(slices: Path) -> None:
    assert "'s7'" in refusal(slices, write(slices, (7,), last=perfect((0,))))


def test_predictions_of_other_classes_are_refused(slices: Path) -> None:
    path = slices / "predictions.npz"
    np.savez(path, slice_ids=["s0"], classes=["cell", "rim"], last=perfect((0,)))
    assert "cell, rim" in refusal(slices, path)


def test_broken_predictions_are_named(slices: Path) -> None:
    path = write(slices, (0,), last=perfect((0,)))
    path.write_bytes(path.read_bytes()[:-100])
    assert str(path) in refusal(slices, path)


def test_missing_predictions_say_what_to_run(slices: Path) -> None:
    assert "there is no" in refusal(slices, slices / "predictions.npz")
