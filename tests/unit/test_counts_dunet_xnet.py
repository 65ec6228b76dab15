"""The numbers of parameters of D-UNet and X-Net, which their READMEs print."""

import pytest
import torch

from segrepro import models
from segrepro.models._count import ParameterCount, count


@pytest.mark.parametrize(
    ("name", "channels", "total", "trainable"),
    [("dunet", 4, 8_640_163, 8_633_379), ("xnet", 1, 15_117_646, 15_072_332)],
)
def test_the_network_has_the_size_of_its_code(
    name: str, channels: int, total: int, trainable: int
) -> None:
    with torch.device("meta"):
        network = models.build(name, channels=channels, classes=1)
    assert count(network) == ParameterCount(total=total, trainable=trainable)
