"""With which kernels the networks begin: their sources' distributions, in all convolutions."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segrepro import models

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Convolution = nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d

FEW: dict[str, dict[str, object]] = {
    "deeplabv3p": {"width_factor": 1 / 8},
    "drunet104": {"widths": (8, 16, 32), "blocks": (2, 2, 2)},
    "dunet": {"widths": (8, 8, 16, 16, 32)},
    "mobileunet": {"width_factor": 1 / 4},
    "multiresunet3d": {"widths": (8, 16)},
    "pspnet": {"width_factor": 1 / 8},
    "reunet": {"widths": (8,) * 7, "decoder_widths": (8,) * 4, "expansions": (1,) * 7},
    "unet3d": {"widths": (8, 16)},
    "xnet": {"widths": (8, 16, 32), "similarity_width": 16},
}


def convolutions(name: str, **options: object) -> list[Convolution]:
    torch.manual_seed(0)
    few = FEW.get(name, {"widths": (8, 16, 32)})
    network = models.build(name, channels=3, classes=2, **{**few, **options})
    return [module for module in network.modules() if isinstance(module, CONVOLUTIONS)]


def in_deviations(layers: list[Convolution], variance: Callable[[Convolution], float]) -> Tensor:
    """Return all kernels' values in units of the standard deviation that they should have."""
    return torch.cat([layer.weight.flatten() / math.sqrt(variance(layer)) for layer in layers])


def places(layer: Convolution) -> int:
    return math.prod(layer.kernel_size)


def of_glorot(layer: Convolution) -> float:
    # Of a depthwise kernel too: the filters that come in and those that go out add up to the same.
    return 2 / ((layer.weight.shape[0] + layer.weight.shape[1]) * places(layer))


def of_he(layer: Convolution) -> float:
    return 2 / (layer.weight.shape[1] * places(layer))


def of_he_in_keras(layer: Convolution) -> float:
    # Of a depthwise kernel too Keras counts all channels.
    # And it reads a transposed kernel, whose axes are swapped, like any other.
    transposed = isinstance(layer, nn.ConvTranspose2d)
    return 2 / ((layer.out_channels if transposed else layer.in_channels) * places(layer))


GLOROT: list[tuple[str, dict[str, object]]] = [
    ("unet", {}),
    ("unet3d", {}),
    ("multiresunet", {}),
    ("multiresunet3d", {}),
    ("unet_rdi", {}),
    ("rdiunet", {"widths": (16, 32)}),
    ("reunet", {}),
    ("deeplabv3p", {"backbone": "xception65"}),
]
HE = ["ken", "segnet", "resunet", "pspnet", "deeplabv3p", "attention_unet", "unet3p", "mobileunet"]
HE_IN_KERAS: list[tuple[str, dict[str, object]]] = [
    ("dunet", {}),
    ("xnet", {}),
    ("unetpp", {}),
    ("unetpp", {"norm": "none"}),
    ("drunet104", {}),
]


@pytest.mark.parametrize(("name", "options"), GLOROT)
def test_glorots_kernels_are_uniform(name: str, options: dict[str, object]) -> None:
    values = in_deviations(convolutions(name, **options), of_glorot)
    assert values.std().item() == pytest.approx(1, rel=0.03)
    # A uniform distribution ends at the root of three of its deviations.
    assert 1.73 < values.abs().max().item() <= math.sqrt(3) + 1e-5


@pytest.mark.parametrize("name", HE)
def test_hes_kernels_are_normal(name: str) -> None:
    values = in_deviations(convolutions(name), of_he)
    assert values.std().item() == pytest.approx(1, rel=0.03)
    # One value in 370 lies beyond three deviations.
    assert (values.abs() > 3).float().mean().item() == pytest.approx(1 / 370, rel=0.2)


@pytest.mark.parametrize(("name", "options"), HE_IN_KERAS)
def test_kernels_of_he_in_keras_are_normal_without_the_tails(
    name: str, options: dict[str, object]
) -> None:
    values = in_deviations(convolutions(name, **options), of_he_in_keras)
    assert values.std().item() == pytest.approx(1, rel=0.03)
    # Cut at two deviations of the wider distribution whose rest has the nominal one.
    assert 2.2 < values.abs().max().item() <= 2 / 0.8796


@pytest.mark.parametrize(("name", "options"), [*GLOROT, *HE_IN_KERAS, *((name, {}) for name in HE)])
def test_biases_begin_at_zero(name: str, options: dict[str, object]) -> None:
    layers = convolutions(name, **options)
    assert not any(layer.bias.any() for layer in layers if layer.bias is not None)
