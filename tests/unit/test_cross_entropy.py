"""Cross-entropy over classes that exclude each other."""

import math

import pytest
import torch

from segrepro import losses
from segrepro.errors import UserError

NAME = "cross_entropy"
# Two pixels: the first is background, the second of the class.
TARGETS = torch.tensor([[[[1.0, 0.0]], [[0.0, 1.0]]]])


def test_not_knowing_which_of_four_costs_log_four() -> None:
    targets = torch.zeros(2, 4, 3, 3)
    targets[:, 2] = 1
    loss = losses.build(NAME, {})(torch.zeros(2, 4, 3, 3), targets)
    assert loss.item() == pytest.approx(math.log(4))


def test_a_probability_of_three_quarters_costs_what_its_logarithm_says() -> None:
    logits = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 2)
    loss = losses.build(NAME, {})(logits, TARGETS)
    assert loss.item() == pytest.approx(-(math.log(0.75) + math.log(0.25)) / 2)


def test_a_pixel_of_a_class_of_weight_three_counts_three_times() -> None:
    loss = losses.build(NAME, {"class_weights": [1, 3]})(torch.zeros(1, 2, 1, 2), TARGETS)
    assert loss.item() == pytest.approx((1 + 3) / 2 * math.log(2))


def test_only_differences_between_logits_count() -> None:
    logits = torch.linspace(-1, 1, 4).view(1, 2, 1, 2)
    loss = losses.build(NAME, {})
    assert loss(logits + 50, TARGETS).item() == pytest.approx(
        loss(logits, TARGETS).item(), rel=1e-5
    )


def test_a_single_output_is_refused() -> None:
    with pytest.raises(UserError, match="cross_entropy needs the background and the classes"):
        losses.build(NAME, {})(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2))


def test_three_weights_for_two_outputs_are_refused() -> None:
    with pytest.raises(UserError, match="3 class_weights, but the network 2 outputs"):
        losses.build(NAME, {"class_weights": [1, 2, 3]})(torch.zeros(1, 2, 1, 2), TARGETS)
