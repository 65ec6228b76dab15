"""Parameters of the 3D networks of MultiResUNet's Table 3, and of RDIU-Net and its U-Net."""

import pytest
import torch

from segrepro import models
from segrepro.models._count import ParameterCount, count


def counted(name: str, *, channels: int, **options: object) -> ParameterCount:
    with torch.device("meta"):
        return count(models.build(name, channels=channels, classes=1, **options))


@pytest.mark.parametrize(
    ("name", "channels", "total", "trainable"),
    [
        # Table 3 prints this one. With biases beside the gammas it would be 19,080,929.
        ("unet3d", 4, 19_078_593, 19_073_921),
        # And this one. With a gamma in every normalisation it would be 18,664,236.
        ("multiresunet3d", 4, 18_657_689, 18_633_167),
        ("multiresunet3d", 1, 18_656_888, 18_632_366),
    ],
)
def test_the_networks_of_volumes_have_the_published_size(
    name: str, channels: int, total: int, trainable: int
) -> None:
    assert counted(name, channels=channels) == ParameterCount(total, trainable)


def test_the_u_net_of_rdiu_net_is_the_one_fitted_to_15_6_million() -> None:
    assert counted("unet_rdi", channels=1) == ParameterCount(15_594_881, 15_594_881)


def test_batch_normalisation_leaves_it_at_15_6_million() -> None:
    network = counted("unet_rdi", channels=1, batch_norm=True)
    assert network == ParameterCount(15_612_545, 15_603_713)


def test_rdiu_net_is_the_one_fitted_to_5_9_million() -> None:
    assert counted("rdiunet", channels=1) == ParameterCount(5_914_327, 5_904_295)


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"norm_after_involution": False}, 5_909_335),
        ({"blocks": 2}, 4_647_815),
        ({"blocks": 4}, 7_770_663),
        ({"kernel": 3}, 5_950_407),
        ({"kernel": 7}, 6_130_807),
        ({"decoder": "rib"}, 5_243_677),
        ({"widths": (64, 128, 256)}, 5_858_237),
    ],
    ids=str,
)
def test_other_readings_of_rdiu_net_have_other_sizes(
    options: dict[str, object], total: int
) -> None:
    assert counted("rdiunet", channels=1, **options).total == total
