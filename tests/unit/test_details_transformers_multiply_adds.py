"""How much the transformer and state-space baselines compute: their codes' numbers.

Those of a selective scan are not among them, neither in ours nor in theirs.
"""

import pytest
import torch

from segrepro import models
from segrepro.models._count import multiply_adds


@pytest.mark.parametrize(
    ("name", "side", "options", "giga"),
    [
        ("transunet", 256, {}, 38.38),
        ("transunet", 224, {"image_size": 224}, 29.17),
        ("swinunet", 256, {}, 8.02),
        ("swinunet", 224, {"image_size": 224, "window": 7}, 6.07),
        ("mambaunet", 256, {}, 5.79),
        ("mambaunet", 256, {"depths": (2, 2, 9, 2)}, 9.87),
        ("vmunet", 256, {}, 5.29),
        ("vmunet", 256, {"depths": (2, 2, 9, 2), "decoder_depths": (2, 9, 2, 2)}, 9.74),
    ],
    ids=str,
)
def test_an_image_costs_so_many_billion_multiply_adds(
    name: str, side: int, options: dict[str, object], giga: float
) -> None:
    with torch.device("meta"), torch.no_grad():
        network = models.build(name, channels=3, classes=1, **options).eval()
        counted = multiply_adds(network, torch.empty(1, 3, side, side))
    assert round(counted / 1e9, 2) == giga


def test_the_numbers_are_the_same_on_a_device_that_computes() -> None:
    # There the scan takes its steps in another order.
    network = models.build("vmunet", channels=1, classes=1, width=8).eval()
    images = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        computed = multiply_adds(network, images)
        counted = multiply_adds(network.to("meta"), images.to("meta"))
    assert computed == counted
