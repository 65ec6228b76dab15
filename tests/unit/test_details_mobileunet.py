"""Details of Mobile-Unet, and of MobileNetV2 in it and in DeepLabv3+, that a count does not see."""

import pytest
import torch
from _watch import watched
from torch import nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._mobilenetv2 import InvertedResidual, MobileNetV2


def small() -> nn.Module:
    torch.manual_seed(0)
    return models.build("mobileunet", channels=1, classes=1, width_factor=1 / 8).eval()


def encoder(**options: object) -> MobileNetV2:
    torch.manual_seed(0)
    return MobileNetV2(channels=1, norm=nn.BatchNorm2d, width_factor=1 / 8, **options).eval()


def residual(width_in: int, width: int, **options: object) -> InvertedResidual:
    torch.manual_seed(0)
    return InvertedResidual(width_in, width, norm=nn.BatchNorm2d, **options).eval()


def depthwise(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]


def test_features_leave_the_encoder_before_each_halving_and_at_its_end() -> None:
    images = torch.rand(1, 1, 64, 64)
    with torch.device("meta"):
        full = MobileNetV2(channels=1, norm=nn.BatchNorm2d)
        widths = [features.shape[1] for features in full(images.to("meta"))]
    assert widths == [16, 24, 32, 96, 320]
    assert [64 // features.shape[2] for features in encoder()(images)] == [2, 4, 8, 16, 32]


def test_a_block_of_the_decoder_reads_the_skip_connection_first() -> None:
    network = small()
    for place, (up, block) in enumerate(zip(network.up, network.decoder, strict=True)):
        # The stages that are the last of their size.
        skip = network.encoder.stages[(4, 2, 1, 0)[place]]
        with torch.no_grad():
            seen = watched(network, torch.rand(1, 1, 64, 64), skip=skip, up=up, joined=block)
        expected = torch.cat([seen["skip"][1], seen["up"][1]], dim=1)
        assert torch.equal(seen["joined"][0], expected)


def test_five_transposed_4x4_convolutions_double_the_sides() -> None:
    with torch.device("meta"):
        network = models.build("mobileunet", channels=3, classes=4)
    five = [*network.up, network.output]
    assert [layer.out_channels for layer in five] == [96, 32, 24, 16, 4]
    shapes = {(layer.kernel_size, layer.stride, layer.padding) for layer in five}
    assert shapes == {((4, 4), (2, 2), (1, 1))}


def test_1280_filters_activated_are_the_deepest() -> None:
    with torch.device("meta"):
        network = models.build("mobileunet", channels=3, classes=1)
    assert [type(layer).__name__ for layer in network.last] == ["Conv2d", "BatchNorm2d", "ReLU6"]
    assert network.up[0].in_channels == 1280


def test_an_inverted_residual_expands_six_times_filters_and_projects_without_activation() -> None:
    block = residual(4, 8, expansion=6)
    names = [type(layer).__name__ for layer in block.convolutions if type(layer) is not nn.Identity]
    assert names == [*["Conv2d", "BatchNorm2d", "ReLU6"] * 2, "Conv2d", "BatchNorm2d"]
    shapes = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.groups)
        for layer in block.convolutions
        if isinstance(layer, nn.Conv2d)
    ]
    assert shapes == [(4, 24, 1, 1), (24, 24, 3, 24), (24, 8, 1, 1)]


def test_the_first_stage_does_not_expand() -> None:
    first = encoder().stages[0][0]
    assert [m.kernel_size[0] for m in first.modules() if isinstance(m, nn.Conv2d)] == [3, 1]


@pytest.mark.parametrize(
    ("width", "stride", "adds"), [(4, 1, True), (4, 2, False), (8, 1, False), (8, 2, False)]
)
def test_an_input_is_added_where_neither_size_nor_channels_change(
    width: int, stride: int, adds: bool
) -> None:
    block = residual(4, width, expansion=6, stride=stride)
    features = torch.rand(1, 4, 6, 6)
    inside = block.convolutions(features.clone())
    assert torch.equal(block(features), features + inside if adds else inside)


def test_no_block_of_the_decoder_adds_its_input() -> None:
    assert [block.adds for block in small().decoder] == [False] * 4


def test_the_encoder_strides_in_the_first_block_of_four_stages() -> None:
    strides = [[layer.stride[0] for layer in depthwise(stage)] for stage in encoder().stages]
    assert strides == [[1], [2, 1], [2, 1, 1], [2, 1, 1, 1], [1, 1, 1], [2, 1, 1], [1]]


@pytest.mark.parametrize(
    ("stride", "dilations"),
    # Of the last four stages. A stage that keeps its size lets those after it dilate.
    [(32, [1, 1, 1, 1]), (16, [1, 1, 1, 2]), (8, [1, 2, 2, 4])],
)
def test_stages_dilate_from_the_one_after_a_lost_stride_on(
    stride: int, dilations: list[int]
) -> None:
    network = encoder(output_stride=stride)
    found = [{layer.dilation[0] for layer in depthwise(stage)} for stage in network.stages[3:]]
    assert found == [{dilation} for dilation in dilations]
    assert 64 // network(torch.rand(1, 1, 64, 64))[-1].shape[2] == stride


@pytest.mark.parametrize("pad", ["depthwise", "block"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_padding_keeps_the_size_but_for_the_stride(pad: str, stride: int, dilation: int) -> None:
    block = residual(4, 8, expansion=6, stride=stride, dilation=dilation, pad=pad)
    assert block(torch.rand(1, 4, 8, 8)).shape == (1, 8, 8 // stride, 8 // stride)


def test_padding_the_block_lets_the_border_be_expanded_normalised_and_activated() -> None:
    seen = {}
    for pad in ("depthwise", "block"):
        block = residual(4, 8, expansion=6, pad=pad)
        for layer in block.convolutions:
            if isinstance(layer, nn.BatchNorm2d):
                nn.init.constant_(layer.bias, 1.0)
        filters = depthwise(block)[0]
        seen[pad] = watched(block, torch.rand(1, 4, 8, 8), filters=filters)["filters"][0]
    assert seen["depthwise"].shape[2:] == (8, 8)
    assert seen["block"].shape[2:] == (10, 10)
    # Beyond the image the expansion gives what zeros become: beta.
    assert (seen["block"][..., 0, :] == 1).all()


def test_the_encoder_of_deeplab_pads_its_blocks_and_that_of_mobile_unet_its_filters() -> None:
    with torch.device("meta"):
        deeplab = models.build("deeplabv3p", channels=3, classes=1, backbone="mobilenetv2")
        mobile = models.build("mobileunet", channels=3, classes=1)
    pads = [{layer.padding[0] for layer in depthwise(each.encoder)} for each in (deeplab, mobile)]
    assert pads == [{0}, {1}]


def test_the_decoder_of_deeplab_reads_mobilenets_24_channels_of_a_quarter_of_the_sides() -> None:
    torch.manual_seed(0)
    network = models.build(
        "deeplabv3p", channels=1, classes=1, backbone="mobilenetv2", width_factor=1 / 4
    ).eval()
    with torch.no_grad():
        seen = watched(network, torch.rand(1, 1, 64, 64), early=network.early, deep=network.pyramid)
    assert seen["early"][0].shape == (1, 24 // 4, 16, 16)
    assert seen["deep"][0].shape == (1, 320 // 4, 4, 4)


def test_xception_and_xception65_are_one_encoder_with_two_heads() -> None:
    torch.manual_seed(0)
    few = {"channels": 1, "classes": 1, "width_factor": 1 / 16}
    names = [
        list(models.build("deeplabv3p", **few, **options).state_dict())
        for options in (
            {"backbone": "xception"},
            {"backbone": "xception65", "head": "dense"},
            {"backbone": "xception65"},
            {"backbone": "xception", "head": "separable"},
        )
    ]
    assert names[0] == names[1]
    assert names[2] == names[3] != names[0]


def test_sides_must_be_multiples_of_32() -> None:
    with torch.device("meta"), pytest.raises(UserError, match="multiples of 32; got 240x256"):
        models.build("mobileunet", channels=3, classes=1)(torch.empty(1, 3, 240, 256))
