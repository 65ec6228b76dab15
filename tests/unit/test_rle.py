"""Runs of pixels, and their masks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segrepro.datasets._rle import decode_column_runs
from segrepro.phantoms.us_nerve import _runs


def test_runs_go_down_the_columns_and_count_from_1() -> None:
    mask = decode_column_runs("2 3 10 1", height=4, width=3)
    #                   1 5  9
    #                   2 6 10
    #                   3 7 11
    #                   4 8 12
    assert mask.astype(int).tolist() == [[0, 0, 0], [1, 0, 1], [1, 0, 0], [1, 0, 0]]


def test_a_run_goes_on_in_the_next_column() -> None:
    mask = decode_column_runs("4 2", height=4, width=3)
    assert np.argwhere(mask).tolist() == [[0, 1], [3, 0]]


def test_no_runs_are_an_empty_mask() -> None:
    assert not decode_column_runs("", height=4, width=3).any()


def test_the_last_pixel_is_the_lower_right_one() -> None:
    assert np.argwhere(decode_column_runs("12 1", height=4, width=3)).tolist() == [[3, 2]]


@pytest.mark.parametrize(
    "text", ["1", "1 2 3", "a b", "0 1", "12 2", "-3 1", "3 0", "5 2 6 1", "5 1 2 1", "9" * 5000]
)
def test_what_is_no_list_of_runs_inside_the_picture_is_refused(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        decode_column_runs(text, height=4, width=3)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0))
def test_what_the_phantom_writes_is_what_is_read(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.5
    np.testing.assert_array_equal(decode_column_runs(_runs(mask), height=height, width=width), mask)
