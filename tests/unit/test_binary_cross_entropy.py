"""Equations 2 and 3 of the MultiResUNet paper, and the mean that its code takes instead."""

import math

import pytest
import torch

from segrepro import losses
from segrepro.errors import UserError

NAME = "binary_cross_entropy"


def test_not_knowing_costs_log_two_per_pixel() -> None:
    undecided, targets = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    mean = losses.build(NAME, {"reduction": "mean"})(undecided, targets)
    assert mean.item() == pytest.approx(math.log(2))


def test_the_paper_sums_the_sixteen_pixels_and_averages_the_two_images() -> None:
    undecided, targets = torch.zeros(2, 1, 4, 4), torch.ones(2, 1, 4, 4)
    summed = losses.build(NAME, {"reduction": "sum_over_pixels"})(undecided, targets)
    assert summed.item() == pytest.approx(16 * math.log(2))


def test_a_probability_of_three_quarters_costs_what_its_logarithm_says() -> None:
    logits = torch.full((1, 1, 1, 2), math.log(3))
    loss = losses.build(NAME, {})(logits, torch.tensor([[[[1.0, 0.0]]]]))
    assert loss.item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


def test_a_class_of_weight_three_counts_three_times() -> None:
    undecided, targets = torch.zeros(1, 2, 4, 4), torch.ones(1, 2, 4, 4)
    loss = losses.build(NAME, {"class_weights": [1, 3]})(undecided, targets)
    assert loss.item() == pytest.approx((1 + 3) / 2 * math.log(2))


def test_weights_of_one_change_no_bit() -> None:
    logits = torch.linspace(-3, 3, 32).view(1, 2, 4, 4)
    targets = (logits > 1).float()
    plain = losses.build(NAME, {})(logits, targets)
    assert losses.build(NAME, {"class_weights": [1, 1]})(logits, targets) == plain


def test_two_weights_for_one_output_are_refused() -> None:
    loss = losses.build(NAME, {"class_weights": [1, 3]})
    with pytest.raises(UserError, match="2 class_weights, but the network 1 outputs"):
        loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))
