"""What a metric is."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


class Metric(Protocol):
    """Compares a prediction with a reference."""

    def __call__(self, prediction: Mask, reference: Mask, *, when_both_empty: float) -> float:
        """Return the value; `when_both_empty` is returned if neither mask holds a pixel."""
        ...
