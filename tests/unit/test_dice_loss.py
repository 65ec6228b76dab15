"""The soft Dice loss: of four pixels two are wanted, and all are found half."""

from typing import Any

import pytest
import torch
from torch import Tensor

from segrepro import losses
from segrepro.errors import UserError

HALF = torch.zeros(1, 1, 2, 2)
TWO_OF_FOUR = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
SURE = 60.0


def dice(logits: Tensor, targets: Tensor, **options: Any) -> float:  # noqa: ANN401 - as in a recipe
    return losses.build("dice", options)(logits, targets).item()


def test_half_of_each_pixel_overlaps_by_one() -> None:
    assert dice(HALF, TWO_OF_FOUR) == pytest.approx(1 - 2 * 1 / (2 + 2), abs=1e-5)


def test_squares_of_halves_are_quarters() -> None:
    assert dice(HALF, TWO_OF_FOUR, squared=True) == pytest.approx(1 - 2 * 1 / (1 + 2), abs=1e-5)


def test_smoothing_is_added_above_and_below() -> None:
    found = dice(HALF, TWO_OF_FOUR, smoothing=1)
    assert found == pytest.approx(1 - (2 * 1 + 1) / (2 + 2 + 1))


def test_nothing_found_where_nothing_is_costs_nothing() -> None:
    assert dice(HALF - SURE, torch.zeros(1, 1, 2, 2)) == pytest.approx(0, abs=1e-6)


def test_a_full_image_found_and_a_single_pixel_missed() -> None:
    targets = torch.ones(2, 1, 2, 2)
    targets[1, 0] = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    logits = torch.full((2, 1, 2, 2), SURE)
    logits[1] = -SURE
    assert dice(logits, targets, over="image") == pytest.approx((0 + 1) / 2, abs=1e-4)
    assert dice(logits, targets, over="batch") == pytest.approx(1 - 2 * 4 / (4 + 5), abs=1e-4)


def test_a_softmax_of_equal_logits_is_a_half_too() -> None:
    targets = torch.cat([1 - TWO_OF_FOUR, TWO_OF_FOUR], dim=1)
    found = dice(torch.full((1, 2, 2, 2), 7.0), targets, outputs="softmax")
    assert found == pytest.approx(0.5, abs=1e-5)


def test_without_the_background_its_mistakes_cost_nothing() -> None:
    targets = torch.cat([1 - TWO_OF_FOUR, TWO_OF_FOUR], dim=1)
    logits = torch.cat([HALF, SURE * (2 * TWO_OF_FOUR - 1)], dim=1)
    assert dice(logits, targets, background=False) == pytest.approx(0, abs=1e-5)
    assert dice(logits, targets, background=True) == pytest.approx((0.5 + 0) / 2, abs=1e-5)


@pytest.mark.parametrize("options", [{"outputs": "softmax"}, {"background": False}])
def test_a_single_output_has_no_background(options: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="the network has one"):
        dice(HALF, TWO_OF_FOUR, **options)


def test_no_smoothing_at_all_is_refused() -> None:
    with pytest.raises(UserError, match="'smoothing'"):
        dice(HALF, TWO_OF_FOUR, smoothing=0)
