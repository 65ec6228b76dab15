"""From stored intensities to those of a slice store; pure functions of arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.protocol.slicing import Intensity, Percentiles, Stored, Window, ZScore

Mapped = Callable[[NDArray[Any]], NDArray[Any]]


def mapping(how: Intensity, channel: NDArray[Any]) -> Mapped | None:
    """Return what turns intensities of a channel into floats of the wanted range, or ``None``.

    Parameters
    ----------
    how
        The protocol's word; with ``stored`` there is nothing to do.
    channel
        All intensities of a case: percentiles, mean and spread are taken over them, so that all
        slices of a case are treated alike.
    """
    if isinstance(how, Stored):
        return None
    if isinstance(how, Window):
        return _window(how.low, how.high)
    known = channel[channel != 0] if how.of == "foreground" else channel
    if isinstance(how, Percentiles):
        low, high = np.percentile(known, [how.low, how.high]) if known.size else (0.0, 1.0)
        return _window(float(low), float(high))
    return _z_score(known, only_foreground=how.of == "foreground")


def dtype_after(how: Intensity, stored: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which slices are kept."""
    if isinstance(how, Stored):
        return stored
    return np.dtype(np.float16 if isinstance(how, ZScore) else np.uint8)


def _window(low: float, high: float) -> Mapped:
    # A channel of one intensity has no range: all of it becomes 0.
    scale = 255 / (high - low) if high > low else 0.0
    return lambda values: np.clip((values.astype(np.float32) - low) * scale, 0, 255)


def _z_score(known: NDArray[Any], *, only_foreground: bool) -> Mapped:
    mean = float(known.mean(dtype=np.float64)) if known.size else 0.0
    spread = float(known.std(dtype=np.float64)) if known.size else 0.0

    def scored(values: NDArray[Any]) -> NDArray[Any]:
        scores = (values.astype(np.float32) - mean) / (spread or 1.0)
        return np.where(values == 0, 0, scores) if only_foreground else scores

    return scored
