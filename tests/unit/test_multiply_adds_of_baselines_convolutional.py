"""How much the convolutional baselines compute: the numbers of their reference implementations.

A wrong stride, padding or size leaves the parameters alone and changes these.
"""

import pytest
import torch

from segrepro import models
from segrepro.models._count import multiply_adds


@pytest.mark.parametrize(
    ("name", "options", "side", "giga"),
    [
        ("attention_unet", {}, 256, 66.42),
        ("unetpp", {}, 256, 34.49),
        ("unetpp", {"norm": "none"}, 256, 29.79),
        ("unet3p", {}, 256, 197.65),
        ("drunet104", {}, 256, 29.36),
        ("mobileunet", {}, 256, 0.98),
        ("deeplabv3p", {}, 256, 22.13),
        ("deeplabv3p", {"backbone": "xception"}, 256, 20.66),
        ("deeplabv3p", {"backbone": "mobilenetv2"}, 256, 6.62),
        ("deeplabv3p", {"decoder_convolutions": 1}, 256, 19.72),
        ("deeplabv3p", {"decoder_convolutions": 1, "backbone": "resnet50"}, 256, 14.87),
        ("pspnet", {}, 256, 46.07),
        ("pspnet", {"auxiliary_head": True}, 257, 48.87),
        ("pspnet", {"backbone": "resnet101", "auxiliary_head": True}, 257, 69.49),
    ],
    ids=str,
)
def test_an_image_costs_as_many_billion_multiply_adds_as_in_the_reference(
    name: str, options: dict[str, object], side: int, giga: float
) -> None:
    with torch.device("meta"), torch.no_grad():
        network = models.build(name, channels=3, classes=1, **options).eval()
        counted = multiply_adds(network, torch.empty(1, 3, side, side))
    assert round(counted / 1e9, 2) == giga


def test_the_further_outputs_of_unet_3p_cost_a_fourteenth_of_a_billion_in_training() -> None:
    with torch.device("meta"), torch.no_grad():
        network = models.build("unet3p", channels=3, classes=1, deep_supervision=True)
        costs = [
            multiply_adds(network.train(training), torch.empty(1, 3, 256, 256)) / 1e9
            for training in (True, False)
        ]
    assert [round(cost, 2) for cost in costs] == [197.72, 197.65]
