"""Details of the Ken model and of two baselines of its table, which a count does not see."""

import math

import pytest
import torch
from _watch import watched
from torch import nn

from segrepro import models
from segrepro.models.ken import Block, KenBlock
from segrepro.models.resunet import ResidualUnit
from segrepro.models.segnet import unpool

every = pytest.mark.parametrize("name", ["ken", "segnet", "resunet"])


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, channels=1, classes=2, **{"widths": (4, 8, 16), **options})


def test_a_node_sees_its_level_from_the_left_and_then_what_came_up() -> None:
    network = small("ken")
    seen = watched(
        network,
        torch.rand(1, 1, 8, 8),
        x00=network.encoder[0],
        x01=network.columns[0].nodes[0],
        x11=network.columns[0].nodes[1],
        up=network.columns[1].up[0],
        x02=network.columns[1].nodes[0],
    )
    assert torch.equal(seen["up"][0], seen["x11"][1])
    parts = [seen["x00"][1], seen["x01"][1], seen["up"][1]]
    assert torch.equal(seen["x02"][0], torch.cat(parts, dim=1))


def test_the_ken_block_stands_between_the_encoder_and_the_first_way_up() -> None:
    network = small("ken")
    seen = watched(
        network,
        torch.rand(1, 1, 8, 8),
        deepest=network.encoder[-1],
        ken=network.bottleneck,
        up=network.columns[0].up[-1],
    )
    assert torch.equal(seen["ken"][0], seen["deepest"][1])
    assert torch.equal(seen["up"][0], seen["ken"][1])


def test_four_branches_have_a_quarter_of_the_channels_each() -> None:
    branches = KenBlock(8, full=False).branches
    assert [branch[0][0].kernel_size for branch in branches] == [(1, 1), (3, 3), (5, 5), (7, 7)]
    assert [branch[0][0].out_channels for branch in branches] == [2, 2, 2, 2]


def test_branches_are_joined_from_the_smallest_kernel_to_the_largest() -> None:
    block = KenBlock(8, full=False).eval()
    for branch in block.branches:
        nn.init.zeros_(branch[0][0].weight)
    nn.init.ones_(block.branches[-1][0][0].weight)
    features = torch.rand(1, 8, 4, 4)
    added = block(features) - features
    # Only the one of 7x7 speaks: the last quarter.
    assert [bool(channel.any()) for channel in added[0]] == [False] * 6 + [True] * 2


def test_a_ken_block_whose_branches_are_silent_passes_its_input_on() -> None:
    block = KenBlock(8, full=False).eval()
    for branch in block.branches:
        nn.init.zeros_(branch[0][0].weight)
    features = torch.rand(1, 8, 4, 4)
    assert torch.equal(block(features), features)


@pytest.mark.parametrize(("shortcut", "left"), [(True, 1.0), (False, 0.0)])
def test_a_silent_block_leaves_what_its_shortcut_carries(shortcut: bool, left: float) -> None:
    block = Block(4, 4, dilation=1, shortcut=shortcut).eval()
    nn.init.zeros_(block.convolutions[2][0].weight)
    features = torch.rand(1, 4, 4, 4)
    assert torch.equal(block(features), left * features)


def test_what_comes_up_is_interpolated_linearly() -> None:
    up = small("ken").columns[0].up[0]
    row = torch.tensor([0.0, 4.0]).expand(1, 1, 2, 2)
    assert up(row)[0, 0, 0].tolist() == [0, 1, 3, 4]
    assert list(up.parameters()) == []


def test_dilation_widens_what_a_block_sees() -> None:
    # Two convolutions of 3x3 reach 2 pixels, with dilation 2 they reach 4.
    for dilation, reach in ((1, 2), (2, 4)):
        block = Block(1, 1, dilation=dilation, shortcut=False).eval()
        for convolution in (block.convolutions[0], block.convolutions[2]):
            nn.init.ones_(convolution[0].weight)
        point = torch.zeros(1, 1, 11, 11)
        point[..., 5, 5] = 1
        rows = block(point)[0, 0].any(dim=1).nonzero().flatten()
        assert (rows.min().item(), rows.max().item()) == (5 - reach, 5 + reach)


def test_unpooling_puts_a_maximum_back_where_it_was() -> None:
    image = torch.tensor([[1.0, 2, 0, 0], [3, 4, 0, 9], [5, 0, 7, 8], [0, 0, 6, 0]])[None, None]
    pooled, places = nn.functional.max_pool2d_with_indices(image, (2, 2))
    assert unpool(pooled, places)[0, 0].tolist() == [
        [0, 0, 0, 0],
        [0, 4, 0, 9],
        [5, 0, 0, 8],
        [0, 0, 0, 0],
    ]


@every
def test_it_trains_where_the_same_bits_are_asked_for_every_time(name: str) -> None:
    network = small(name)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        network(torch.rand(2, 1, 16, 16)).square().mean().backward()
    finally:
        torch.use_deterministic_algorithms(before)
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_segnet_is_vgg16_and_its_mirror_image() -> None:
    with torch.device("meta"):
        network = models.build("segnet", channels=1, classes=2)
    filters = [
        [layer.out_channels for layer in block if isinstance(layer, nn.Conv2d)]
        for block in [*network.encoder, *network.decoder, network.last]
    ]
    assert filters == [
        *[[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]],
        *[[512, 512, 512], [512, 512, 256], [256, 256, 128], [128, 64], [64]],
    ]
    assert network.output.kernel_size == (3, 3)


def test_the_units_of_resunet_halve_by_their_stride() -> None:
    network = small("resunet")
    images = torch.rand(1, 1, 16, 16)
    seen = watched(network, images, first=network.encoder[0], second=network.encoder[1])
    assert torch.equal(seen["second"][0], seen["first"][1])
    assert seen["second"][1].shape == (1, 8, 8, 8)
    assert not any(isinstance(module, nn.MaxPool2d) for module in network.modules())


def test_the_first_unit_of_resunet_convolves_the_image_as_it_is() -> None:
    first, second, _ = small("resunet").encoder
    assert isinstance(first.convolutions[0], nn.Conv2d)
    assert isinstance(second.convolutions[0], nn.BatchNorm2d)


def test_the_shortcut_of_resunet_sees_what_is_not_activated() -> None:
    unit = ResidualUnit(3, 5, stride=1, norm=False).eval()
    nn.init.zeros_(unit.convolutions[-1].weight)
    nn.init.zeros_(unit.convolutions[-1].bias)
    features = torch.rand(1, 3, 4, 4) - 0.5
    torch.testing.assert_close(unit(features), unit.shortcut[0](features))


def test_a_decoder_of_resunet_sees_each_pixel_from_below_four_times_and_then_the_skip() -> None:
    network = small("resunet")
    seen = watched(
        network,
        torch.rand(1, 1, 8, 8),
        bridge=network.encoder[-1],
        skip=network.encoder[-2],
        decoder=network.decoder[0],
    )
    fourfold = seen["bridge"][1].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(seen["decoder"][0], torch.cat([fourfold, seen["skip"][1]], dim=1))


@every
def test_kernels_begin_with_hes_variance_and_biases_at_zero(name: str) -> None:
    for module in small(name, widths=(16, 32)).modules():
        if isinstance(module, nn.Conv2d) and module.weight.numel() > 2000:
            fan_in = module.in_channels * math.prod(module.kernel_size)
            assert module.weight.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.1)
            assert module.bias is None or not module.bias.any()


@every
def test_normalisation_has_the_constants_of_pytorch(name: str) -> None:
    norms = [module for module in small(name).modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}
