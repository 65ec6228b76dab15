"""Details of PSPNet and DeepLabv3+ that a count of parameters does not see."""

import math
from collections.abc import Iterator

import pytest
import torch
from _watch import watched
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._dilated import PooledContext, region_means, resized
from segrepro.models._resnet import Bottleneck
from segrepro.models._xception import Block

both = pytest.mark.parametrize("name", ["pspnet", "deeplabv3p"])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, channels=1, classes=1, **{"width_factor": 1 / 16, **options})


def inputs_and_output(network: nn.Module, watched: nn.Module, images: Tensor) -> list[Tensor]:
    """Return what a module reads and gives in one forward pass."""
    seen: list[Tensor] = []
    watched.register_forward_hook(lambda _module, inputs, output: seen.extend((*inputs, output)))
    with torch.no_grad():
        network(images)
    return seen


def dilations(module: nn.Module) -> list[int]:
    """Return the dilation of each convolution larger than 1x1, in order."""
    return [
        layer.dilation[0]
        for layer in module.modules()
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1)
    ]


def test_the_encoder_of_pspnet_keeps_an_eighth_of_the_sides() -> None:
    encoder = small("pspnet").encoder
    assert [out.shape[2] for out in encoder(torch.rand(2, 1, 64, 64))] == [16, 8, 8, 8]


def test_the_late_stages_of_pspnet_dilate_by_two_and_four_from_their_first_block_on() -> None:
    *_, third, fourth = small("pspnet").encoder.stages
    assert dilations(third) == [2] * 6
    assert dilations(fourth) == [4] * 3


@pytest.mark.parametrize("backbone", ["resnet50", "xception65"])
@pytest.mark.parametrize("stride", [8, 16])
def test_the_encoder_of_deeplab_has_the_output_stride_asked_for(backbone: str, stride: int) -> None:
    encoder = small("deeplabv3p", backbone=backbone, output_stride=stride).encoder
    early, *_, deepest = encoder(torch.rand(2, 1, 64, 64))
    assert early.shape[2] == 64 // 4
    assert deepest.shape[2] == 64 // stride


def test_the_last_stage_of_deeplab_has_the_multi_grid_1_2_4_times_its_dilation_of_2() -> None:
    assert dilations(small("deeplabv3p", backbone="resnet50").encoder.stages[-1]) == [2, 4, 8]


@pytest.mark.parametrize("head", ["dense", "separable"])
@pytest.mark.parametrize(("stride", "rates"), [(16, [6, 12, 18]), (8, [12, 24, 36])])
def test_the_rates_of_the_pyramid_follow_the_output_stride(
    head: str, stride: int, rates: list[int]
) -> None:
    network = small("deeplabv3p", backbone="resnet50", head=head, output_stride=stride)
    assert dilations(network.pyramid) == rates


@pytest.mark.parametrize(("head", "place"), [("separable", 0), ("dense", 4)])
def test_the_pooled_branch_comes_first_in_the_authors_code_and_last_in_pytorch(
    head: str, place: int
) -> None:
    branches = small("deeplabv3p", backbone="resnet50", head=head).pyramid.branches
    assert [isinstance(branch, PooledContext) for branch in branches].index(True) == place


def test_the_decoder_sees_first_the_deep_and_then_the_early_features() -> None:
    network = small("deeplabv3p", backbone="resnet50").eval()
    images = torch.rand(1, 1, 32, 32)
    early = inputs_and_output(network, network.early, images)[-1]
    joined = inputs_and_output(network, network.decoder, images)[0]
    assert torch.equal(joined[:, -early.shape[1] :], early)


@pytest.mark.parametrize("head", ["dense", "separable"])
def test_the_pyramid_of_deeplab_is_joined_in_the_order_of_its_branches(head: str) -> None:
    network = small("deeplabv3p", backbone="resnet50", head=head).eval()
    branches = dict(enumerate_named(network.pyramid.branches))
    seen = watched(network, torch.rand(1, 1, 32, 32), joined=network.pyramid.project, **branches)
    outputs = [seen[name][1] for name in branches]
    assert torch.equal(seen["joined"][0], torch.cat(outputs, dim=1))


def test_the_pyramid_of_pspnet_follows_the_features_from_one_bin_to_six() -> None:
    network = small("pspnet").eval()
    levels = dict(enumerate_named(network.pyramid))
    images = torch.rand(1, 1, 64, 64)
    seen = watched(
        network, images, last=network.encoder.stages[-1], joined=network.output, **levels
    )
    outputs = [seen["last"][1], *(seen[name][1] for name in levels)]
    assert torch.equal(seen["joined"][0], torch.cat(outputs, dim=1))


def enumerate_named(modules: nn.ModuleList) -> list[tuple[str, nn.Module]]:
    return [(f"branch{place}", module) for place, module in enumerate(modules)]


@both
def test_logits_grow_to_the_image_between_their_aligned_corners(name: str) -> None:
    network = small(name).eval()
    images = torch.rand(1, 1, 32, 32)
    with torch.no_grad():
        logits = network(images)
        coarse = watched(network, images, output=network.output)["output"][1]
    assert coarse.shape[2] < 32
    assert torch.equal(logits, resized(coarse, like=images))


@pytest.mark.parametrize(
    ("head", "dropouts"), [("dense", [0.5, 0.5, 0.1]), ("separable", [0.1, 0.0, 0.0])]
)
def test_deeplab_drops_as_the_code_that_its_head_follows(head: str, dropouts: list[float]) -> None:
    network = small("deeplabv3p", backbone="resnet50", head=head)
    found = [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)]
    assert found == dropouts


@pytest.mark.parametrize(
    ("backbone", "constants"),
    # Of the encoder, and behind it. The momentum of PyTorch is the share of the new batch, which
    # Keras's of 0.99 leaves at a hundredth.
    [
        ("resnet50", {(True, 1e-5, 0.1), (False, 1e-5, 0.1)}),
        ("xception65", {(True, 1e-3, 0.01), (False, 1e-5, 0.01)}),
    ],
)
def test_batch_normalisation_of_deeplab_is_that_of_its_source(
    backbone: str, constants: set[tuple[bool, float, float]]
) -> None:
    network = small("deeplabv3p", backbone=backbone)
    found = {
        (name.startswith("encoder"), layer.eps, layer.momentum)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.BatchNorm2d)
    }
    assert found == constants


@pytest.mark.parametrize(("head", "negative"), [("separable", True), ("dense", False)])
def test_early_features_of_xception_are_activated_in_pytorch_only(
    head: str, negative: bool
) -> None:
    encoder = small("deeplabv3p", backbone="xception65", head=head).encoder
    with torch.no_grad():
        early, _ = encoder(torch.rand(2, 1, 32, 32))
    assert bool((early < 0).any()) is negative


def test_a_block_of_xception_does_not_change_what_it_reads() -> None:
    block = Block((4, 4, 4, 4), shortcut="identity", norm=nn.BatchNorm2d)
    features = torch.randn(2, 4, 8, 8)
    before = features.clone()
    block(features)
    assert torch.equal(features, before)


def test_xceptions_blocks_activate_before_each_depthwise_convolution_and_nowhere_else() -> None:
    encoder = small("deeplabv3p", backbone="xception65").encoder
    for block in (encoder.first, encoder.third, encoder.middle[0], encoder.exit):
        for separable in block.convolutions:
            kinds = [type(layer).__name__ for layer in separable]
            assert kinds == ["ReLU", "Conv2d", "BatchNorm2d", "Conv2d", "BatchNorm2d"]
            assert separable[1].groups == separable[1].in_channels
            assert separable[3].kernel_size == (1, 1)


def test_the_last_three_convolutions_of_xception_are_activated_after_each_part() -> None:
    last = small("deeplabv3p", backbone="xception65").encoder.last
    kinds = [type(layer).__name__ for layer in last]
    assert kinds == ["Conv2d", "BatchNorm2d", "ReLU"] * 6


def test_a_bottleneck_strides_on_its_3x3_convolution() -> None:
    block = Bottleneck(8, 4, stride=2, dilation=1, norm=nn.BatchNorm2d)
    convolutions = [layer for layer in block.residual if isinstance(layer, nn.Conv2d)]
    assert [layer.stride[0] for layer in convolutions] == [1, 2, 1]


@pytest.mark.parametrize(
    ("stem", "layers"), [("deep", [(3, 64), (3, 64), (3, 128)]), ("plain", [(7, 64)])]
)
def test_the_stem_of_pspnet_is_three_3x3_convolutions_or_one_of_7x7(
    stem: str, layers: list[tuple[int, int]]
) -> None:
    with torch.device("meta"):
        encoder = models.build("pspnet", channels=1, classes=1, stem=stem).encoder
    found = [layer for layer in encoder.stem if isinstance(layer, nn.Conv2d)]
    assert [(layer.kernel_size[0], layer.out_channels) for layer in found] == layers


def test_the_pyramid_of_pspnet_pools_into_1_4_9_and_36_regions() -> None:
    assert [level.bins for level in small("pspnet").pyramid] == [1, 2, 3, 6]


@pytest.mark.parametrize(("rows", "columns", "bins"), [(8, 8, 2), (7, 5, 3), (4, 9, 6), (1, 1, 6)])
def test_regions_are_those_of_adaptive_pooling(rows: int, columns: int, bins: int) -> None:
    features = torch.rand(2, 3, rows, columns)
    expected = nn.AdaptiveAvgPool2d(bins)(features)
    torch.testing.assert_close(region_means(features, bins=bins), expected)


def test_two_regions_of_three_pixels_share_the_middle_one() -> None:
    row = torch.tensor([[[[1.0, 2.0, 4.0]]]])
    assert region_means(row, bins=2)[0, 0, 0].tolist() == [1.5, 3.0]


def test_with_one_bin_every_pixel_has_the_same_context() -> None:
    context = PooledContext(2, 3, bins=1, norm=nn.BatchNorm2d).eval()
    spread = context(torch.rand(1, 2, 4, 5))
    assert spread.shape == (1, 3, 4, 5)
    assert torch.equal(spread, spread[:, :, :1, :1].expand_as(spread))


def test_resizing_keeps_the_corners() -> None:
    square = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    larger = resized(square, like=torch.empty(1, 1, 4, 4))
    assert larger[0, 0, ::3, ::3].tolist() == [[1.0, 2.0], [3.0, 4.0]]
    # A third of the way from 1 to 2; without aligned corners it would be 1.25.
    assert larger[0, 0, 0, 1].item() == pytest.approx(4 / 3)


def test_the_auxiliary_head_speaks_in_training_only() -> None:
    network = small("pspnet", auxiliary_head=True)
    logits, auxiliary = network(torch.rand(2, 1, 32, 32))
    assert logits.shape == auxiliary.shape == (2, 1, 32, 32)
    assert isinstance(network.eval()(torch.rand(2, 1, 32, 32)), Tensor)


def test_the_auxiliary_head_reads_the_third_stage() -> None:
    network = small("pspnet", auxiliary_head=True)
    _, auxiliary = network(torch.rand(2, 1, 32, 32))
    auxiliary.sum().backward()
    reached = [next(stage.parameters()).grad is not None for stage in network.encoder.stages]
    assert reached == [True, True, True, False]


@both
@pytest.mark.parametrize("side", [8, 32])
def test_training_on_a_batch_of_one_is_refused_with_the_cure(name: str, side: int) -> None:
    network = small(name)
    with pytest.raises(UserError, match="batch of one") as caught:
        network(torch.rand(1, 1, side, side))
    assert caught.value.cure.startswith("Use batches of at least two images")


@both
def test_a_single_image_is_predicted(name: str) -> None:
    with torch.no_grad():
        assert small(name).eval()(torch.rand(1, 1, 32, 32)).shape == (1, 1, 32, 32)


@both
def test_any_size_is_taken(name: str) -> None:
    with torch.no_grad():
        assert small(name).eval()(torch.rand(1, 1, 33, 50)).shape == (1, 1, 33, 50)


def test_a_dense_head_starts_from_hes_distribution() -> None:
    kernel = small("deeplabv3p", backbone="resnet50", width_factor=1 / 2).decoder[0].weight
    fan_in = kernel[0].numel()
    assert kernel.std().item() == pytest.approx(math.sqrt(2 / fan_in), rel=0.02)
    # He's is a normal distribution; the uniform one of this variance ends at 1.73 deviations.
    assert kernel.abs().max() > 3 * math.sqrt(2 / fan_in)


def test_a_separable_head_starts_from_glorots_interval() -> None:
    project = small("deeplabv3p", backbone="xception65").pyramid.project[0]
    limit = math.sqrt(6 / (project.in_channels + project.out_channels))
    assert 0.9 * limit < project.weight.abs().max() <= limit
