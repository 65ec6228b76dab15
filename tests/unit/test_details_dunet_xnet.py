"""Details of D-UNet and X-Net that a count of parameters does not see."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models.dunet import Fusion, Up, missing_slices
from segrepro.models.xnet import FeatureSimilarity, NonLocal

CHANNELS = {"dunet": 4, "xnet": 1}
both = pytest.mark.parametrize("name", ["dunet", "xnet"])


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    sizes = {"widths": (2, 4, 4, 4, 4)}
    return models.build(name, channels=CHANNELS[name], classes=1, **{**sizes, **options})


def run_and_watch(name: str, network: nn.Module, *paths: str) -> list[tuple[Tensor, Tensor]]:
    """Return the first input and the output of these modules, in one forward pass in training."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}

    def hook(path: str) -> Callable[..., None]:
        return lambda _module, inputs, output: seen.update({path: (inputs[0], output)})

    for path in paths:
        network.get_submodule(path).register_forward_hook(hook(path))
    network.train()(torch.rand(2, CHANNELS[name], 32, 32))
    return [seen[path] for path in paths]


@both
def test_a_decoder_sees_first_the_skip_and_then_what_came_up(name: str) -> None:
    encoder, up, decoder = run_and_watch(name, small(name), "encoder.0", "up.3", "decoder.3")
    assert torch.equal(decoder[0], torch.cat([encoder[1], up[1]], dim=1))


@both
def test_a_side_that_cannot_be_halved_four_times_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="sides must be multiples of 16; got 32x24"):
        small(name)(torch.rand(1, CHANNELS[name], 32, 24))


@both
def test_normalisation_has_the_constants_of_keras(name: str) -> None:
    kinds = (nn.BatchNorm2d, nn.BatchNorm3d)
    norms = [module for module in small(name).modules() if isinstance(module, kinds)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


# D-UNet.


def test_keras_pads_a_2x2_convolution_on_the_right_and_at_the_bottom() -> None:
    up = Up(1, 1)
    nn.init.zeros_(up.convolution.bias)
    # A kernel that looks one pixel down and to the right.
    up.convolution.weight.data = torch.tensor([[[[0.0, 0.0], [0.0, 1.0]]]])
    came_up = up(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    # From 1122, 1122, 3344, 3344: nearest neighbours.
    assert came_up[0, 0].tolist() == [[1, 2, 2, 0], [3, 4, 4, 0], [3, 4, 4, 0], [0, 0, 0, 0]]


def test_the_volumes_depth_is_the_slices_in_their_order() -> None:
    flat, volume = run_and_watch("dunet", small("dunet"), "encoder.0", "volume_encoder.0")
    assert torch.equal(volume[0][:, 0], flat[0])


def test_a_fusion_takes_the_volumes_depth_for_channels() -> None:
    fusion = Fusion(2, depth=3)
    nn.init.ones_(fusion.flatten.weight)
    nn.init.zeros_(fusion.flatten.bias)
    seen: list[Tensor] = []
    fusion.convolution.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    volume = torch.rand(1, 2, 3, 4, 4)
    fusion(torch.rand(1, 2, 4, 4), volume)
    torch.testing.assert_close(seen[0], volume[:, 0] + volume[:, 1])


def test_a_fusion_adds_both_after_squeeze_and_excitation() -> None:
    fusion = Fusion(2, depth=1)
    for block in (fusion.excite, fusion.excite_volume):
        # The sigmoid of nothing is a half.
        nn.init.zeros_(block.excite.weight)
    nn.init.zeros_(fusion.convolution.weight)
    nn.init.constant_(fusion.convolution.bias, 6.0)
    features = torch.rand(1, 2, 4, 4)
    assert torch.equal(fusion(features, torch.rand(1, 2, 1, 4, 4)), 6 / 2 + features / 2)


def test_the_second_and_third_level_pass_on_what_was_fused() -> None:
    first, second, third, fourth = run_and_watch(
        "dunet", small("dunet"), "fusions.0", "fusions.1", "encoder.2", "encoder.3"
    )
    pool = nn.MaxPool2d(2)
    assert torch.equal(third[0], pool(first[1]))
    assert torch.equal(fourth[0], pool(second[1]))


def test_the_two_coarsest_levels_see_dropout_and_so_does_the_skip_between_them() -> None:
    network = small("dunet", dropout=0.5)
    dropped: list[Tensor] = []
    network.dropout.register_forward_hook(
        lambda _module, inputs, output: dropped.extend([inputs[0], output])
    )
    fourth, fifth, decoder = run_and_watch("dunet", network, "encoder.3", "encoder.4", "decoder.0")
    assert torch.equal(dropped[0], fourth[1])
    assert torch.equal(dropped[2], fifth[1])
    assert len(dropped) == 4
    assert torch.equal(decoder[0][:, :4], dropped[1])


@pytest.mark.parametrize(
    ("slices", "missing"),
    # The target, the one after the middle, is the third of four: i - 2, i - 1, i, i + 1.
    [(1, (2, 1)), (2, (1, 1)), (3, (1, 0)), (4, (0, 0)), (5, (2, 1)), (8, (0, 0))],
)
def test_as_many_slices_are_missing_as_keep_the_target_the_one_after_the_middle(
    slices: int, missing: tuple[int, int]
) -> None:
    assert missing_slices(slices) == missing


@pytest.mark.parametrize("slices", [1, 2, 3])
def test_fewer_slices_are_four_of_which_the_others_are_empty(slices: int) -> None:
    whole = small("dunet", widths=(2, 2, 2, 2, 2)).eval()
    few = models.build("dunet", channels=slices, classes=1, widths=(2, 2, 2, 2, 2)).eval()
    before, after = missing_slices(slices)
    weights = whole.state_dict()
    weights["encoder.0.0.weight"] = weights["encoder.0.0.weight"][:, before : 4 - after]
    few.load_state_dict(weights)
    images = torch.rand(2, slices, 16, 16)
    with_empty_ones = nn.functional.pad(images, (0, 0, 0, 0, before, after))
    with torch.no_grad():
        torch.testing.assert_close(few(images), whole(with_empty_ones))


def test_eight_slices_reach_the_fusions_as_four_and_two() -> None:
    network = models.build("dunet", channels=8, classes=1, widths=(2, 2, 2, 2, 2))
    assert [fusion.convolution.in_channels for fusion in network.fusions] == [4, 2]
    assert network(torch.rand(2, 8, 16, 16)).shape == (2, 1, 16, 16)


# X-Net.


def test_what_comes_up_in_xnet_is_repeated_and_not_interpolated() -> None:
    (before, after), *_ = run_and_watch("xnet", small("xnet"), "up.3.0")
    assert torch.equal(after, before.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


def test_the_non_local_operation_is_its_formula() -> None:
    torch.manual_seed(0)
    block = NonLocal(2).double()
    theta, phi, g = (layer.weight[0, :, 0, 0] for layer in (block.theta, block.phi, block.g))
    features = torch.rand(1, 2, 2, 3, dtype=torch.float64)
    pixels = features[0].flatten(1)
    # One inner channel: each of the six positions weighs g of every other by theta times phi.
    gathered = torch.zeros(6, dtype=torch.float64)
    for here in range(6):
        for there in range(6):
            similarity = (theta @ pixels[:, here]) * (phi @ pixels[:, there]) / 6
            gathered[here] += similarity * (g @ pixels[:, there])
    expected = pixels + block.output.weight[:, :, 0, 0] * gathered
    torch.testing.assert_close(block(features)[0].flatten(1), expected)


def test_the_feature_similarity_module_adds_to_its_input() -> None:
    module = FeatureSimilarity(3, 2)
    nn.init.zeros_(module.leave[1].weight)
    features = torch.rand(2, 3, 4, 4)
    assert torch.equal(module(features), features)


def test_an_x_block_has_three_depthwise_convolutions_without_biases() -> None:
    block = models.build("xnet", channels=3, classes=1, widths=(4, 8)).encoder[0]
    depthwise = [layer for layer in block.convolutions.modules() if getattr(layer, "groups", 1) > 1]
    assert [layer.groups for layer in depthwise] == [3, 4, 4]
    assert [layer.bias for layer in depthwise] == [None] * 3
