"""D-UNet's Enhance Mixing Loss: focal loss minus the logarithm of Dice."""

import math

import pytest
import torch

from segrepro import losses


def test_two_of_four_pixels_wanted_and_all_found_half() -> None:
    targets = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 2, 2)
    loss = losses.build("enhanced_mixing", {})(torch.zeros(1, 1, 2, 2), targets)
    # Two pixels weigh 0.48 and two 0.52: one half on average.
    focal = 0.5 * 0.5**1.1 * math.log(2)
    dice = (2 * 1 + 1) / (4 * 0.5**2 + 2 + 1)
    assert loss.item() == pytest.approx(focal - math.log(dice))


def test_the_batch_is_one_image() -> None:
    logits = torch.linspace(-2, 2, 16).view(4, 1, 2, 2)
    targets = (logits > 1).float()
    loss = losses.build("enhanced_mixing", {})
    joined = loss(logits.view(1, 1, 4, 4), targets.view(1, 1, 4, 4))
    assert loss(logits, targets).item() == pytest.approx(joined.item())


def test_missing_a_million_pixels_costs_the_logarithm_of_a_million() -> None:
    logits = torch.full((1, 1, 1000, 1000), -30.0)
    loss = losses.build("enhanced_mixing", {})(logits, torch.ones(1, 1, 1000, 1000))
    assert loss.item() == pytest.approx(0.48 * 30 + math.log(1_000_001), rel=1e-4)
