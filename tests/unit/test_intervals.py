"""Means, spreads and intervals."""

import math

import pytest

from segrepro.statistics.intervals import (
    mean_and_spread,
    relative_improvement_percent,
    t_interval,
)


def test_the_spread_divides_by_n_minus_one() -> None:
    assert mean_and_spread([1.0, 3.0]) == (2.0, math.sqrt(2))


def test_one_run_has_a_mean_but_no_spread() -> None:
    mean, spread = mean_and_spread([0.5])
    assert mean == 0.5
    assert math.isnan(spread)


def test_no_runs_have_neither() -> None:
    assert all(math.isnan(value) for value in mean_and_spread([]))


def test_of_two_runs_the_interval_is_that_of_the_cauchy_quantile() -> None:
    # One degree of freedom: the 97.5 % quantile is tan(0.475 pi), here times a spread of
    # sqrt(2) over sqrt(2) runs.
    low, high = t_interval([1.0, 3.0])
    assert (low, high) == pytest.approx((2 - math.tan(0.475 * math.pi), 2 + 12.7062), rel=1e-4)


def test_of_five_runs_the_quantile_is_2_776() -> None:
    # Values of spread sqrt(5): the margin is the quantile of four degrees of freedom.
    values = [math.sqrt(10), -math.sqrt(10), 0.0, 0.0, 0.0]
    low, high = t_interval(values)
    assert high == pytest.approx(2.776, abs=0.001)
    assert low == pytest.approx(-high)


def test_equal_runs_have_an_interval_of_no_width() -> None:
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_fewer_than_two_runs_have_no_interval(values: list[float]) -> None:
    assert all(math.isnan(end) for end in t_interval(values))


def test_more_confidence_needs_a_wider_interval() -> None:
    assert t_interval([1.0, 2.0], confidence=0.99)[1] > t_interval([1.0, 2.0])[1]


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_that_is_no_share_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="not between 0 and 1"):
        t_interval([1.0, 2.0], confidence)


def test_improvement_is_in_percent_of_the_base() -> None:
    assert relative_improvement_percent(0.75, 0.5) == 50
    assert relative_improvement_percent(0.25, 0.5) == -50
    assert math.isnan(relative_improvement_percent(0.5, 0.0))
