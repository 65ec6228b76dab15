"""Keras's he_normal, and squeeze and excitation."""

import math

import pytest
import torch
from torch import nn

from segrepro.models._he_normal import he_normal
from segrepro.models._squeeze import SqueezeExcitation


@pytest.mark.parametrize(
    ("layer", "fan_in"),
    [
        (nn.Conv2d(20, 300, 3), 20 * 9),
        (nn.Conv3d(4, 300, 3), 4 * 27),
        (nn.Linear(50, 900), 50),
        # Depthwise: PyTorch would say 9, the one channel that each filter sees.
        (nn.Conv2d(900, 900, 3, groups=900), 900 * 9),
    ],
)
def test_kernels_vary_by_two_over_all_that_comes_in(layer: nn.Module, fan_in: int) -> None:
    torch.manual_seed(0)
    he_normal(layer)
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.05)
    assert not layer.bias.any()


def test_no_weight_lies_beyond_two_of_the_widened_standard_deviations() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(50, 900)
    he_normal(layer)
    limit = 2 * math.sqrt(2 / 50) / 0.8796
    assert 0.99 * limit < layer.weight.abs().max() <= limit * 1.0001


def test_squeeze_and_excitation_without_weights_halves_every_channel() -> None:
    block = SqueezeExcitation(4, ratio=2)
    nn.init.zeros_(block.excite.weight)
    features = torch.rand(2, 4, 3, 5)
    # The sigmoid of nothing is a half.
    assert torch.equal(block(features), features / 2)


def test_squeeze_and_excitation_has_no_biases_and_squeezes_by_its_ratio() -> None:
    block = SqueezeExcitation(32, ratio=16)
    shapes = {name: tuple(tensor.shape) for name, tensor in block.state_dict().items()}
    assert shapes == {"squeeze.weight": (2, 32), "excite.weight": (32, 2)}


def test_fewer_channels_than_the_ratio_are_squeezed_into_one() -> None:
    assert SqueezeExcitation(8, ratio=16).squeeze.out_features == 1
