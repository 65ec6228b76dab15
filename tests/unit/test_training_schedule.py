"""Learning rates and early stopping."""

import pytest
from pydantic import ValidationError

from segrepro.protocol.recipe import Recipe
from segrepro.training._learner import Epoch
from segrepro.training.schedule import is_over, learning_rate


def recipe(**words: object) -> Recipe:
    plain = {
        "epochs": 10,
        "batch_size": 4,
        "optimiser": {"name": "adam", "learning_rate": 0.8},
        "loss": {"name": "binary_cross_entropy"},
        "checkpoint": "last",
    }
    return Recipe.model_validate(plain | words)


def history(*losses: float) -> list[Epoch]:
    """Epochs with these losses on the selection part; the monitor is one minus the loss."""
    return [Epoch(number, 0.5, loss, 1 - loss, 0.8) for number, loss in enumerate(losses, start=1)]


def rate(step: int, schedule: dict[str, object], *losses: float) -> float:
    return learning_rate(recipe(schedule=schedule), history(*losses), step=step, steps=100)


def test_a_constant_rate_stays() -> None:
    assert rate(99, {"name": "constant"}) == 0.8


def test_poly_falls_to_half_at_half_of_the_steps_with_power_one() -> None:
    assert rate(0, {"name": "poly", "power": 1}) == 0.8
    assert rate(50, {"name": "poly", "power": 1}) == pytest.approx(0.4)


def test_cosine_is_half_way_between_its_ends_at_half_of_the_steps() -> None:
    cosine = {"name": "cosine", "minimum": 0.2}
    assert rate(0, cosine) == pytest.approx(0.8)
    assert rate(50, cosine) == pytest.approx(0.5)
    assert rate(100, cosine) == pytest.approx(0.2)


PLATEAU = {"name": "reduce_on_plateau", "factor": 0.5, "patience": 2, "min_delta": 0.01}


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((), 0.8),
        ((0.5, 0.5), 0.8),  # one epoch without an improvement
        ((0.5, 0.5, 0.5), 0.4),  # two
        ((0.5, 0.495, 0.495), 0.4),  # too small to count
        ((0.5, 0.5, 0.4, 0.4), 0.8),  # improved in between
        ((0.5, 0.5, 0.5, 0.5), 0.4),  # counting begins again
        ((0.5, 0.5, 0.5, 0.5, 0.5), 0.2),
    ],
)
def test_a_plateau_halves_the_rate(losses: tuple[float, ...], expected: float) -> None:
    assert rate(0, PLATEAU, *losses) == pytest.approx(expected)


def test_a_plateau_does_not_go_below_its_minimum() -> None:
    assert rate(0, PLATEAU | {"minimum": 0.3}, *[0.5] * 9) == 0.3


def test_of_the_monitor_more_is_better() -> None:
    rising = [0.5, 0.4, 0.3, 0.2]  # losses fall, so the monitor rises
    assert rate(0, PLATEAU | {"watches": "selection_monitor"}, *rising) == 0.8
    assert rate(0, PLATEAU | {"watches": "selection_monitor"}, *reversed(rising)) == 0.4


def test_a_run_is_over_after_its_epochs() -> None:
    assert not is_over(recipe(), history(*[0.1] * 9))
    assert is_over(recipe(), history(*[0.1] * 10))


def test_a_run_stops_early_when_its_patience_is_at_an_end() -> None:
    patient = recipe(early_stopping={"patience": 2})
    assert not is_over(patient, [])
    assert not is_over(patient, history(0.5, 0.5))
    assert is_over(patient, history(0.5, 0.5, 0.5))
    assert not is_over(patient, history(0.5, 0.5, 0.4))


def test_what_was_not_measured_cannot_be_watched() -> None:
    unmeasured = [Epoch(1, 0.5, None, None, 0.8)]
    with pytest.raises(ValueError, match="no selection_loss"):
        is_over(recipe(early_stopping={"patience": 1}), unmeasured)


@pytest.mark.parametrize(
    "words",
    [
        {"optimiser": {"name": "sgd", "nesterov": True}},
        {"accumulate": 5},
        {"optimiser": {"name": "lion"}},
        {"schedule": {"name": "poly", "powre": 1}},
        {"augmentation": {"flip_rows": 2}},
    ],
)
def test_words_that_make_no_sense_are_refused(words: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        recipe(**words)
