"""Parameters of the Ken model, its variants, and two baselines of its table: 1 channel, 2 classes.

The paper prints no number; these hold what was specified.
"""

import pytest
import torch

from segrepro import models
from segrepro.models._count import ParameterCount, count


def counted(name: str, **options: object) -> ParameterCount:
    with torch.device("meta"):
        return count(models.build(name, channels=1, classes=2, **options))


def test_the_ken_model() -> None:
    assert counted("ken") == ParameterCount(23_598_082, 23_578_818)


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({"ken_block": False}, 18_091_010),
        ({"ken_branches": "full"}, 41_169_922),
        ({"up": "transposed"}, 23_369_538),
        ({"blocks": 1}, 15_233_794),
        # Two that the paper tried (section IV.B), of six levels.
        ({"widths": (8, 16, 32, 64, 128, 256)}, 5_937_762),
        ({"widths": (2, 4, 8, 16, 32, 64)}, 374_922),
    ],
    ids=str,
)
def test_the_variants_of_the_ken_model(options: dict[str, object], total: int) -> None:
    assert counted("ken", **options).total == total


def test_dilation_costs_no_parameter() -> None:
    assert counted("ken", dilation=2) == counted("ken")


def test_a_plain_block_lacks_the_shortcuts_and_nothing_else() -> None:
    # Nodes of 32, 64, 128, 256 and 512 filters, by column. Each node's first block has a shortcut
    # of a 1x1 convolution and four numbers of normalisation per filter.
    nodes = [
        *[(1, 32), (32, 64), (64, 128), (128, 256), (256, 512)],
        *[(32 + 64, 32), (64 + 128, 64), (128 + 256, 128), (256 + 512, 256)],
        *[(2 * 32 + 64, 32), (2 * 64 + 128, 64), (2 * 128 + 256, 128)],
        *[(3 * 32 + 64, 32), (3 * 64 + 128, 64)],
        (4 * 32 + 64, 32),
    ]
    shortcuts = sum(before * width + 4 * width for before, width in nodes)
    assert counted("ken", block="plain").total == 23_598_082 - shortcuts


def test_the_ken_block_alone_trains_5_5_million() -> None:
    without = counted("ken", ken_block=False).trainable
    assert counted("ken").trainable - without == 5_506_048


def test_segnet() -> None:
    assert counted("segnet") == ParameterCount(29_458_882, 29_443_010)


@pytest.mark.parametrize(
    ("options", "total"),
    [
        ({}, 33_148_802),
        ({"norm_on_shortcuts": True}, 33_160_578),
        ({"widths": (64, 128, 256, 512)}, 8_226_178),
    ],
    ids=str,
)
def test_resunet_has_five_levels_and_may_have_zhangs_four(
    options: dict[str, object], total: int
) -> None:
    assert counted("resunet", **options).total == total


def test_zhangs_resunet_trains_all_but_its_running_statistics() -> None:
    # Means and variances of 3200 channels.
    network = counted("resunet", widths=(64, 128, 256, 512))
    assert network == ParameterCount(8_226_178, 8_226_178 - 2 * 3200)
