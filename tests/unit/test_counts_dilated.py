"""The sizes of PSPNet, DeepLabv3+ and Dense-UNet that running their codes gave."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from segrepro import models
from segrepro.models._count import ParameterCount, count


def without_weights(name: str, *, channels: int, classes: int, **options: object) -> nn.Module:
    with torch.device("meta"):
        return models.build(name, channels=channels, classes=classes, **options).eval()


XCEPTION = {"backbone": "xception65"}


@pytest.mark.parametrize(
    ("name", "channels", "classes", "options", "total", "trainable"),
    [
        ("pspnet", 1, 2, {}, 46_764_098, 46_705_474),
        ("pspnet", 1, 2, {"stem": "plain"}, 46_634_818, 46_576_578),
        ("pspnet", 1, 2, {"auxiliary_head": True}, 49_124_932, 49_065_796),
        ("deeplabv3p", 1, 2, XCEPTION, 41_252_754, 41_049_954),
        # The number that bonlime's Keras model prints.
        ("deeplabv3p", 3, 21, XCEPTION, 41_258_213, 41_055_413),
        ("denseunet", 1, 2, {}, 49_741_122, 49_518_370),
        ("denseunet", 1, 2, {"scale_layers": True}, 49_961_058, 49_738_306),
    ],
)
def test_the_networks_have_the_size_that_keras_counts(
    name: str, channels: int, classes: int, options: dict[str, object], total: int, trainable: int
) -> None:
    network = without_weights(name, channels=channels, classes=classes, **options)
    assert count(network) == ParameterCount(total=total, trainable=trainable)


SIZES = ((3, 1), (1, 1), (3, 4), (1, 4))
"""Channels and classes of the columns below."""


@pytest.mark.parametrize(
    ("name", "options", "trainable"),
    [
        ("deeplabv3p", {}, (59_339_169, 59_332_897, 59_339_940, 59_333_668)),
        (
            "deeplabv3p",
            {**XCEPTION, "head": "dense"},
            (54_700_177, 54_699_601, 54_700_948, 54_700_372),
        ),
        (
            "deeplabv3p",
            {"backbone": "resnet50", "decoder_convolutions": 1},
            (39_756_705, 39_750_433, 39_757_476, 39_751_204),
        ),
        (
            "deeplabv3p",
            {"decoder_convolutions": 1},
            (58_748_833, 58_742_561, 58_749_604, 58_743_332),
        ),
        ("pspnet", {"auxiliary_head": True}, (49_066_178, 49_065_026, 49_068_488, 49_067_336)),
        (
            "pspnet",
            {"auxiliary_head": True, "backbone": "resnet101"},
            (68_058_306, 68_057_154, 68_060_616, 68_059_464),
        ),
        ("pspnet", {}, (46_706_113,)),
        ("pspnet", {"backbone": "resnet101"}, (65_698_241,)),
    ],
)
def test_the_networks_have_the_parameters_that_pytorch_counts(
    name: str, options: dict[str, object], trainable: tuple[int, ...]
) -> None:
    counted = [
        count(without_weights(name, channels=channels, classes=classes, **options)).trainable
        for channels, classes in SIZES[: len(trainable)]
    ]
    assert counted == list(trainable)


@pytest.mark.parametrize(
    ("name", "channels", "classes", "side", "options", "giga"),
    # A wrong stride or dilation leaves the parameters alone and changes these.
    [
        ("pspnet", 3, 1, 256, {}, 46.07),
        ("pspnet", 3, 1, 257, {}, 48.87),
        ("pspnet", 3, 1, 257, {"backbone": "resnet101"}, 69.49),
        ("pspnet", 1, 2, 128, {}, 11.55),
        ("deeplabv3p", 3, 1, 256, {}, 22.13),
        ("deeplabv3p", 3, 1, 256, {**XCEPTION, "head": "dense"}, 20.66),
        ("deeplabv3p", 3, 1, 256, {"decoder_convolutions": 1}, 19.72),
        ("deeplabv3p", 1, 2, 128, XCEPTION, 3.20),
        ("denseunet", 1, 2, 128, {}, 6.03),
    ],
)
def test_the_networks_multiply_and_add_as_often_as_published(
    name: str, channels: int, classes: int, side: int, options: dict[str, object], giga: float
) -> None:
    network = without_weights(name, channels=channels, classes=classes, **options)
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network(torch.empty(1, channels, side, side, device="meta"))
    assert round(counter.get_total_flops() / 2e9, 2) == giga
