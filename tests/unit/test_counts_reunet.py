"""REUnet's numbers of parameters, as Keras counts them, whole, varied and part by part."""

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from segrepro import models
from segrepro.models._count import ParameterCount, count
from segrepro.models._page import multiply_adds

EFFICIENTNET_B7 = {
    "widths": (32, 48, 80, 160, 224, 384, 640),
    "expansions": (1, 6, 6, 6, 6, 6, 6),
    "width_coefficient": 1,
}


def reunet(*, classes: int = 1, **options: object) -> nn.Module:
    with torch.device("meta"):
        return models.build("reunet", channels=3, classes=classes, **options)


@pytest.mark.parametrize(
    ("options", "total", "trainable"),
    [
        ({}, 146_556_778, 145_848_040),
        ({"wiring": "as_published"}, 679_014, 663_012),
        ({"gating_kernel": 1}, 142_542_698, 141_833_960),
        ({"width_coefficient": 1}, 81_100_266, 80_728_936),
        ({"width_coefficient": 1, "gating_kernel": 1}, 77_086_186, 76_714_856),
        (EFFICIENTNET_B7, 64_316_970, 64_002_856),
        ({**EFFICIENTNET_B7, "gating_kernel": 1}, 61_918_762, 61_604_648),
        ({"gating": False}, 142_039_210, 141_330_472),
        ({"attention": False}, 143_952_677, 143_246_883),
        ({"replace": "A1"}, 126_264_682, 125_644_008),
        ({"replace": "A2"}, 96_159_338, 95_728_616),
        ({"replace": "A3"}, 34_972_778, 34_783_720),
        ({"replace": "A4"}, 19_657_578, 19_589_352),
        ({"intermediator": 0}, 115_776_105, 115_247_079),
        ({"intermediator": 5}, 132_630_378, 132_024_040),
        ({"intermediator": 7}, 136_111_978, 135_480_040),
        ({"intermediator": 9}, 139_593_578, 138_936_040),
        ({"intermediator": 11}, 143_075_178, 142_392_040),
        ({"intermediator": 13}, 146_556_778, 145_848_040),
        ({"intermediator": 15}, 150_038_378, 149_304_040),
    ],
)
def test_a_variant_has_its_size(options: Mapping[str, object], total: int, trainable: int) -> None:
    assert count(reunet(**options)) == ParameterCount(total=total, trainable=trainable)


@pytest.mark.parametrize(
    ("classes", "total", "trainable"),
    # A class more: 32 weights, a bias, gamma and beta; and a mean and a variance in the total.
    [(2, 146_556_815, 145_848_075), (4, 146_556_889, 145_848_145)],
)
def test_a_class_more_is_35_numbers_more(classes: int, total: int, trainable: int) -> None:
    assert count(reunet(classes=classes)) == ParameterCount(total=total, trainable=trainable)


@pytest.mark.parametrize(
    ("part", "trainable"),
    [
        ("stem", 896),
        ("eb1", 24_064),
        ("eb2", 509_120),
        ("below.eb3", 2_986_624),
        ("below.eb4", 16_080_640),
        ("below.eb5", 64_486_912),
        ("below.intermediator.eb6", 32_276_224),
        ("below.eb7", 23_746_048),
        ("below.intermediator.bridge", 1_116_673),
        ("below.join1", 1_116_673),
        ("below.join2", 279_809),
        ("below.join3", 70_273),
        ("join4", 17_729),
        ("below.db1", 2_360_832),
        ("below.db2", 590_592),
        ("db3", 147_840),
        ("db4", 37_056),
        ("head", 35),
    ],
)
def test_a_part_has_its_size(part: str, trainable: int) -> None:
    assert count(reunet().get_submodule(part)).trainable == trainable


@pytest.mark.parametrize(
    ("wiring", "expected"), [("fixed", 101_076_516_864), ("as_published", 12_881_264_640)]
)
def test_one_image_of_256x256_costs_so_many_multiply_adds(wiring: str, expected: int) -> None:
    images = torch.empty(1, 3, 256, 256, device="meta")
    assert multiply_adds(reunet(wiring=wiring).eval(), images) == expected
