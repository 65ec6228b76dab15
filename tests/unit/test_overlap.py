"""Overlap metrics, on four pixels."""

import numpy as np
import pytest

from segrepro import metrics
from segrepro.errors import UserError
from segrepro.metrics._types import Mask
from segrepro.metrics.overlap import (
    METRICS,
    accuracy,
    dice,
    jaccard,
    precision,
    recall,
    specificity,
)


def mask(bits: str) -> Mask:
    return np.array([bit == "1" for bit in bits], dtype=np.bool_)


# One pixel right, one invented, one missed, one left alone.
PREDICTION, REFERENCE = mask("1100"), mask("1010")


@pytest.mark.parametrize(
    ("metric", "value"),
    [
        (jaccard, 1 / 3),
        (dice, 2 / 4),
        (precision, 1 / 2),
        (recall, 1 / 2),
        (specificity, 1 / 2),
        (accuracy, 2 / 4),
    ],
)
def test_one_of_each_kind_of_pixel(metric: metrics.Metric, value: float) -> None:
    assert metric(PREDICTION, REFERENCE, when_both_empty=1.0) == value


def test_precision_is_of_the_prediction_and_recall_of_the_reference() -> None:
    found, whole = mask("1000"), mask("1110")
    assert precision(found, whole, when_both_empty=1.0) == 1
    assert recall(found, whole, when_both_empty=1.0) == 1 / 3


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_perfect_prediction_scores_one(name: str) -> None:
    assert METRICS[name](REFERENCE, REFERENCE, when_both_empty=0.0) == 1


@pytest.mark.parametrize("metric", [jaccard, dice, precision, recall])
def test_two_empty_masks_score_what_was_asked_for(metric: metrics.Metric) -> None:
    for value in (0.0, 1.0):
        assert metric(mask("0000"), mask("0000"), when_both_empty=value) == value
    assert np.isnan(metric(mask("0000"), mask("0000"), when_both_empty=float("nan")))


@pytest.mark.parametrize("metric", [jaccard, dice, precision, recall])
def test_a_missed_object_and_a_false_alarm_both_score_zero(metric: metrics.Metric) -> None:
    assert metric(mask("0000"), mask("0100"), when_both_empty=1.0) == 0
    assert metric(mask("0100"), mask("0000"), when_both_empty=1.0) == 0


def test_specificity_is_the_recall_of_the_background() -> None:
    assert specificity(mask("1111"), mask("1111"), when_both_empty=0.5) == 0.5
    assert specificity(mask("1110"), mask("1111"), when_both_empty=0.5) == 0
    assert specificity(mask("0000"), mask("0000"), when_both_empty=0.5) == 1


def test_accuracy_counts_two_empty_masks_as_right() -> None:
    assert accuracy(mask("0000"), mask("0000"), when_both_empty=0.0) == 1


@pytest.mark.parametrize("name", sorted(METRICS))
def test_a_mask_of_0_and_255_is_refused(name: str) -> None:
    grey = np.array([0, 255, 255, 0], dtype=np.uint8)
    with pytest.raises(ValueError, match="uint8, not bool"):
        METRICS[name](grey, REFERENCE, when_both_empty=1.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(METRICS))
def test_different_shapes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        METRICS[name](PREDICTION[:3], REFERENCE, when_both_empty=1.0)


@pytest.mark.parametrize("name", sorted(METRICS))
def test_masks_without_pixels_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no pixels"):
        METRICS[name](mask(""), mask(""), when_both_empty=1.0)


def test_a_metric_is_found_by_name_and_knows_its_module() -> None:
    assert metrics.get("jaccard") is jaccard
    assert metrics.module_of("jaccard") == "segrepro.metrics.overlap"


def test_an_unknown_metric_gets_the_list() -> None:
    with pytest.raises(UserError, match="jacard") as caught:
        metrics.get("jacard")
    assert "Did you mean 'jaccard'?" in caught.value.cure
