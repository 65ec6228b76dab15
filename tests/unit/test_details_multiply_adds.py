"""How much the networks compute: a wrong stride, padding or size leaves the parameters alone."""

import pytest
import torch

from segrepro import models
from segrepro.models._count import multiply_adds


@pytest.mark.parametrize(
    ("name", "channels", "classes", "size", "options", "giga"),
    [
        ("unet", 3, 1, (256, 256), {}, 12.1),
        ("multiresunet", 3, 1, (256, 256), {}, 15.7),
        ("unet3d", 4, 1, (80, 80, 48), {}, 287.0),
        ("multiresunet3d", 4, 1, (80, 80, 48), {}, 97.7),
        ("reunet", 3, 1, (256, 256), {"wiring": "as_published"}, 12.9),
        ("reunet", 3, 1, (256, 256), {}, 101.1),
        ("rdiunet", 1, 1, (128, 128), {}, 2.4),
        ("unet_rdi", 1, 1, (128, 128), {}, 6.3),
        ("ken", 1, 2, (128, 128), {}, 14.2),
        ("segnet", 1, 2, (128, 128), {}, 10.0),
        ("pspnet", 1, 2, (128, 128), {}, 11.6),
        ("deeplabv3p", 1, 2, (128, 128), {"backbone": "xception65"}, 3.2),
        ("resunet", 1, 2, (128, 128), {"widths": (64, 128, 256, 512)}, 11.3),
        ("denseunet", 1, 2, (128, 128), {}, 6.0),
        ("dunet", 4, 1, (192, 192), {}, 16.5),
        ("xnet", 1, 1, (224, 192), {}, 20.1),
    ],
    ids=str,
)
def test_an_image_costs_so_many_billion_multiply_adds(
    name: str,
    channels: int,
    classes: int,
    size: tuple[int, ...],
    options: dict[str, object],
    giga: float,
) -> None:
    with torch.device("meta"), torch.no_grad():
        network = models.build(name, channels=channels, classes=classes, **options).eval()
        counted = multiply_adds(network, torch.empty(1, channels, *size))
    assert round(counted / 1e9, 1) == giga
