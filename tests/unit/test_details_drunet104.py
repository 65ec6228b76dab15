"""Details of DR-UNet104 that a count of parameters does not see."""

import pytest
import torch
from _watch import watched
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._pointwise import StridedPointwise
from segrepro.models.drunet104 import Bottleneck, DecoderBlock

ACTIVATED = ["BatchNorm2d", "ReLU", "Conv2d"]


def small() -> nn.Module:
    torch.manual_seed(0)
    options = {"widths": (2, 4, 4, 8), "blocks": (2, 3, 1, 2)}
    return models.build("drunet104", channels=1, classes=1, **options).eval()


def kinds(layers: nn.Module) -> list[str]:
    # A strided convolution is one of ours.
    convolutions = {StridedPointwise: nn.Conv2d}
    return [convolutions.get(type(layer), type(layer)).__name__ for layer in layers.children()]


def blocks_of(level: nn.Module) -> list[nn.Module]:
    return [block for block in level if isinstance(block, Bottleneck)]


def test_levels_have_2_3_3_5_14_and_4_bottlenecks() -> None:
    with torch.device("meta"):
        network = models.build("drunet104", channels=3, classes=1)
    assert [len(blocks_of(level)) for level in network.encoder] == [2, 3, 3, 5, 14, 4]


def test_the_first_convolution_reads_the_image_and_all_others_activated_features() -> None:
    first, *others = [block for level in small().encoder for block in blocks_of(level)]
    assert kinds(first.residual) == ["Conv2d", *ACTIVATED, *ACTIVATED]
    assert {tuple(kinds(block.residual)) for block in others} == {(*ACTIVATED * 3,)}


def test_a_bottleneck_has_kernels_of_1_3_and_1_and_ends_four_times_as_wide() -> None:
    convolutions = [
        layer for layer in Bottleneck(8, 4, shortcut=True).residual if isinstance(layer, nn.Conv2d)
    ]
    assert [layer.kernel_size[0] for layer in convolutions] == [1, 3, 1]
    assert [layer.out_channels for layer in convolutions] == [4, 4, 16]


def test_all_levels_but_the_first_begin_by_halving_in_the_first_1x1_convolution() -> None:
    for place, level in enumerate(small().encoder):
        first, *others = blocks_of(level)
        steps = [first.residual[0 if place == 0 else 2].step, first.shortcut.step]
        assert steps == [1 if place == 0 else 2] * 2
        assert all(block.residual[2].step == 1 for block in others)


def test_only_the_first_bottleneck_of_a_level_has_a_convolution_in_its_shortcut() -> None:
    for level in small().encoder:
        first, *others = blocks_of(level)
        assert kinds(first)[1] == "Conv2d"
        assert all(kinds(block)[1] == "Identity" for block in others)


@pytest.mark.parametrize(
    "block", [Bottleneck(4, 1, shortcut=True, stride=2), DecoderBlock(4, 4)], ids=str
)
def test_a_shortcut_reads_the_features_before_their_activation_and_is_added(
    block: nn.Module,
) -> None:
    features = torch.randn(2, 4, 4, 4)
    before = features.clone()
    added = block(features)
    assert torch.equal(features, before)
    # The residual alone, where the shortcut gives nothing.
    nn.init.zeros_(block.shortcut.weight)
    nn.init.zeros_(block.shortcut.bias)
    block.zero_grad()
    residual = block(features)
    assert not torch.equal(added, residual)
    assert torch.equal(residual, block.residual(features))


def test_the_decoder_convolves_activated_features_twice() -> None:
    for block in small().decoder:
        assert kinds(block.residual) == ACTIVATED * 2
        assert [layer.kernel_size[0] for layer in block.residual[2::3]] == [3, 3]
        assert block.shortcut.kernel_size == (1, 1)


def test_the_output_is_a_1x1_convolution_of_activated_features() -> None:
    output = small().output
    assert kinds(output) == ACTIVATED
    assert output[-1].kernel_size == (1, 1)


def test_the_decoder_sees_first_what_comes_up_without_its_last_row_and_column() -> None:
    network = small()
    parts = {"level": network.encoder[0], "up": network.up[-1], "joined": network.decoder[-1]}
    with torch.no_grad():
        seen = watched(network, torch.rand(1, 1, 16, 16), **parts)
    up = seen["up"][1]
    assert up.shape[2:] == (17, 17)
    expected = torch.cat([up[..., :16, :16], seen["level"][1]], dim=1)
    assert torch.equal(seen["joined"][0], expected)


def test_a_transposed_convolution_spreads_a_corner_pixel_over_the_first_three_rows() -> None:
    # As Keras does with padding `same` and stride 2: nothing is cut before the first row.
    up = small().up[0]
    assert (up.kernel_size, up.stride, up.padding) == ((3, 3), (2, 2), (0, 0))


def test_what_comes_up_is_as_wide_as_its_skip_connection_and_leaves_half_as_wide() -> None:
    with torch.device("meta"):
        network = models.build("drunet104", channels=3, classes=1)
    assert [up.out_channels for up in network.up] == [1024, 512, 256, 128, 64]
    widths = [block.shortcut.out_channels for block in network.decoder]
    assert widths == [512, 256, 128, 64, 32]


def test_half_is_dropped_after_every_level_but_the_finest_ones() -> None:
    network = small().train()
    assert [kinds(level)[-1] for level in network.encoder] == ["Identity", *["Dropout"] * 3]
    dropped: list[Tensor] = []
    network.drop.register_forward_hook(lambda _, __, given: dropped.append(given))
    network(torch.rand(2, 1, 16, 16))
    # Between the three levels of the decoder, and not behind the last one.
    assert [features.shape[2] for features in dropped] == [4, 8]
    assert {layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)} == {0.5}


def test_batch_normalisation_has_the_momentum_of_keras_and_the_epsilon_of_the_code() -> None:
    norms = [layer for layer in small().modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.01)}


@pytest.mark.parametrize("side", [240, 250])
def test_240_pixels_are_refused_for_the_padding_that_would_fit_them_is_left_out(side: int) -> None:
    with torch.device("meta"), pytest.raises(UserError, match="multiples of 32"):
        models.build("drunet104", channels=4, classes=4)(torch.empty(1, 4, side, side))


def test_each_level_needs_its_number_of_bottlenecks() -> None:
    with pytest.raises(UserError, match="blocks and widths must name the same number of levels"):
        models.build("drunet104", channels=1, classes=1, blocks=(1, 1))
