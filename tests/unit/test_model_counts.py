"""The published numbers of parameters (MultiResUNet, Table 3), and how we count."""

import pytest
import torch
from torch import nn

from segrepro import models
from segrepro.models._count import ParameterCount, count


@pytest.mark.parametrize(
    ("name", "channels", "total", "trainable"),
    [
        # Table 3 prints this one: one channel.
        ("unet", 1, 7_759_521, 7_759_521),
        ("unet", 3, 7_760_097, 7_760_097),
        # And this one: three channels. With a gamma in every normalisation it would be 7,269,297.
        ("multiresunet", 3, 7_262_750, 7_238_228),
        ("multiresunet", 1, 7_262_504, 7_237_982),
    ],
)
def test_the_networks_have_the_published_size(
    name: str, channels: int, total: int, trainable: int
) -> None:
    network = models.build(name, channels=channels, classes=1)
    assert count(network) == ParameterCount(total=total, trainable=trainable)


def test_a_linear_map_of_three_to_two_has_six_weights_and_two_biases() -> None:
    assert count(nn.Linear(3, 2)) == ParameterCount(total=8, trainable=8)


def test_running_statistics_count_but_do_not_train() -> None:
    # Gamma, beta, mean and variance of five channels; the counter of batches is no parameter.
    assert count(nn.BatchNorm2d(5)) == ParameterCount(total=20, trainable=10)


def test_a_frozen_weight_counts_but_does_not_train() -> None:
    layer = nn.Linear(3, 2)
    layer.weight.requires_grad_(requires_grad=False)
    assert count(layer) == ParameterCount(total=8, trainable=2)


def test_counting_needs_no_memory_for_the_weights() -> None:
    with torch.device("meta"):
        network = models.build("unet", channels=1, classes=1)
    assert count(network).total == 7_759_521
