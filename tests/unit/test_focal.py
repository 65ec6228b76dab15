"""Focal loss: the logarithm of the right answer, times a power of the wrong one."""

import math

import pytest
import torch

from segrepro import losses

HALF = torch.zeros(1, 1, 1, 1)
WITHIN, WITHOUT = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)


def test_not_knowing_costs_a_quarter_of_log_two() -> None:
    loss = losses.build("focal", {"gamma": 2, "alpha": None})
    assert loss(HALF, WITHIN).item() == pytest.approx(0.5**2 * math.log(2))


def test_alpha_weighs_the_class_and_its_complement_the_rest() -> None:
    loss = losses.build("focal", {"gamma": 2, "alpha": 0.25})
    assert loss(HALF, WITHIN).item() == pytest.approx(0.25 * 0.5**2 * math.log(2))
    assert loss(HALF, WITHOUT).item() == pytest.approx(0.75 * 0.5**2 * math.log(2))


def test_nine_in_ten_costs_a_hundredth_of_its_logarithm() -> None:
    logits = torch.full((1, 1, 1, 1), math.log(9))
    loss = losses.build("focal", {"gamma": 2, "alpha": None})
    assert loss(logits, WITHIN).item() == pytest.approx(0.1**2 * -math.log(0.9))


def test_without_gamma_and_alpha_it_is_binary_cross_entropy() -> None:
    logits = torch.linspace(-5, 5, 32).view(1, 2, 4, 4)
    targets = (logits.sin() > 0).float()
    focal = losses.build("focal", {"gamma": 0, "alpha": None})(logits, targets)
    plain = losses.build("binary_cross_entropy", {})(logits, targets)
    assert focal.item() == pytest.approx(plain.item(), rel=1e-5)


def test_the_defaults_are_those_of_the_paper() -> None:
    loss = losses.build("focal", {})
    assert loss(HALF, WITHIN).item() == pytest.approx(0.25 * 0.5**2 * math.log(2))
