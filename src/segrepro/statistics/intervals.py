"""Mean, spread and interval of a handful of runs."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def mean_and_spread(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and the sample standard deviation (n - 1).

    Returns
    -------
    tuple
        The spread of one value is ``nan``; of no values both are.
    """
    array = np.asarray(values, dtype=np.float64)
    mean = float(array.mean()) if array.size else math.nan
    spread = float(array.std(ddof=1)) if array.size > 1 else math.nan
    return mean, spread


def t_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return Student's t interval of the mean.

    Runs of a cross-validation share training cases, so the true interval is wider than this one.

    Parameters
    ----------
    values
        One per run.
    confidence
        Between 0 and 1.

    Returns
    -------
    tuple
        Lower and upper end; ``nan`` both for fewer than two values.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}, not between 0 and 1")
    if len(values) < 2:
        return math.nan, math.nan
    mean, spread = mean_and_spread(values)
    quantile = float(stats.t.ppf((1 + confidence) / 2, df=len(values) - 1))
    margin = quantile * spread / math.sqrt(len(values))
    return mean - margin, mean + margin


def relative_improvement_percent(new: float, base: float) -> float:
    """Return by how much `new` exceeds `base`, in percent of `base`; ``nan`` if that is 0."""
    return 100 * (new - base) / base if base else math.nan
