"""Learning rates and early stopping, as pure functions of what a run has been through.

Nothing is kept between steps: a run that was stopped finds the same numbers in its history.
"""

import math
from collections.abc import Iterator, Sequence

from segrepro.protocol.recipe import (
    Cosine,
    EarlyStopping,
    Poly,
    Recipe,
    ReduceOnPlateau,
    Watched,
)
from segrepro.training._learner import Epoch


def learning_rate(recipe: Recipe, history: Sequence[Epoch], *, step: int, steps: int) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    recipe
        Its optimiser's rate, and its schedule.
    history
        The epochs that are over.
    step
        Of all epochs, counted from 0.
    steps
        Of all epochs of the recipe together.
    """
    rate, schedule = recipe.optimiser.learning_rate, recipe.schedule
    if isinstance(schedule, Poly):
        return float(rate * (1 - step / steps) ** schedule.power)
    if isinstance(schedule, Cosine):
        share = (1 + math.cos(math.pi * step / steps)) / 2
        return schedule.minimum + (rate - schedule.minimum) * share
    if isinstance(schedule, ReduceOnPlateau):
        return _reduced(rate, schedule, history)
    return rate


def is_over(recipe: Recipe, history: Sequence[Epoch]) -> bool:
    """Say whether a run has come to its last epoch or stops early after the last one there is."""
    if len(history) >= recipe.epochs:
        return True
    return recipe.early_stopping is not None and _is_exhausted(recipe.early_stopping, history)


def _reduced(rate: float, schedule: ReduceOnPlateau, history: Sequence[Epoch]) -> float:
    waited = 0
    for improved in improvements(history, schedule.watches, min_delta=schedule.min_delta):
        waited = 0 if improved else waited + 1
        if waited == schedule.patience:
            rate, waited = max(rate * schedule.factor, schedule.minimum), 0
    return rate


def _is_exhausted(stopping: EarlyStopping, history: Sequence[Epoch]) -> bool:
    waited = 0
    for improved in improvements(history, stopping.watches, min_delta=stopping.min_delta):
        waited = 0 if improved else waited + 1
    return waited >= stopping.patience


def improvements(history: Sequence[Epoch], watched: Watched, *, min_delta: float) -> Iterator[bool]:
    """Yield for each epoch whether it was better than the best before, by more than `min_delta`.

    Raises
    ------
    ValueError
        If what is watched was not measured.
    """
    sign = 1 if watched == "selection_monitor" else -1
    best = -math.inf
    for epoch in history:
        value = getattr(epoch, watched)
        if value is None:
            raise ValueError(f"epoch {epoch.epoch} has no {watched}")
        improved = sign * value > best + min_delta
        if improved:
            best = sign * value
        yield improved
