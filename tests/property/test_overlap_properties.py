"""What holds for the overlap of every two masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from segrepro.metrics._types import Mask
from segrepro.metrics.overlap import METRICS, dice, jaccard, precision, recall

shapes = npst.array_shapes(max_dims=3, max_side=6)
pairs = shapes.flatmap(lambda shape: st.tuples(*[npst.arrays(np.bool_, shape)] * 2))
conventions = st.sampled_from([0.0, 1.0])


@given(pairs, conventions)
def test_values_lie_between_zero_and_one(pair: tuple[Mask, Mask], empty: float) -> None:
    for metric in METRICS.values():
        assert 0 <= metric(*pair, when_both_empty=empty) <= 1


@given(pairs, conventions)
def test_jaccard_is_never_above_dice(pair: tuple[Mask, Mask], empty: float) -> None:
    assert jaccard(*pair, when_both_empty=empty) <= dice(*pair, when_both_empty=empty)


@given(pairs)
def test_dice_follows_from_jaccard(pair: tuple[Mask, Mask]) -> None:
    overlap = jaccard(*pair, when_both_empty=1.0)
    expected = 2 * overlap / (1 + overlap)
    assert dice(*pair, when_both_empty=1.0) == pytest.approx(expected)


@given(pairs, conventions)
def test_jaccard_and_dice_do_not_mind_which_mask_is_which(
    pair: tuple[Mask, Mask], empty: float
) -> None:
    one, other = pair
    for metric in (jaccard, dice):
        there = metric(one, other, when_both_empty=empty)
        assert there == metric(other, one, when_both_empty=empty)


@given(pairs, conventions)
def test_precision_one_way_is_recall_the_other_way(pair: tuple[Mask, Mask], empty: float) -> None:
    one, other = pair
    there = precision(one, other, when_both_empty=empty)
    assert there == recall(other, one, when_both_empty=empty)


@given(pairs, conventions, st.integers(1, 3))
def test_a_border_of_background_changes_nothing(
    pair: tuple[Mask, Mask], empty: float, width: int
) -> None:
    padded = [np.pad(mask, width) for mask in pair]
    for metric in (jaccard, dice, precision, recall):
        inside = metric(*pair, when_both_empty=empty)
        assert metric(*padded, when_both_empty=empty) == inside
