"""Details of the networks of volumes that a count of parameters does not see."""

import math

import pytest
import torch
from _watch import watched
from torch import nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._keras import BatchNormWithoutGamma
from segrepro.models.multiresunet import MultiResBlock, ResStage

both = pytest.mark.parametrize("name", ["unet3d", "multiresunet3d"])


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, channels=1, classes=1, widths=(4, 8))


def test_multiresunet_3d_is_the_network_of_images_with_one_more_side() -> None:
    in_volumes = models.build("multiresunet3d", channels=3, classes=1, widths=(8, 16, 32))
    in_images = models.build("multiresunet", channels=3, classes=1, widths=(8, 16, 32))
    shapes = {name: tuple(tensor.shape) for name, tensor in in_volumes.state_dict().items()}
    expected = {name: tuple(tensor.shape) for name, tensor in in_images.state_dict().items()}
    kernels = {name: shape for name, shape in expected.items() if len(shape) == 4}
    assert shapes == expected | {name: (*shape, shape[-1]) for name, shape in kernels.items()}


@pytest.mark.parametrize(
    "blocks",
    [
        (MultiResBlock(2, (1, 2, 3)), MultiResBlock(2, (1, 2, 3), dimensions=3)),
        (ResStage(2, 3), ResStage(2, 3, dimensions=3)),
    ],
    ids=["MultiRes block", "Res stage"],
)
def test_kernels_of_one_slice_treat_each_slice_as_an_image(
    blocks: tuple[nn.Module, nn.Module],
) -> None:
    in_images, in_volumes = (block.eval() for block in blocks)
    with torch.no_grad():
        for name, tensor in in_volumes.state_dict().items():
            values = in_images.state_dict()[name]
            if tensor.dim() == 5:
                tensor.zero_()
                tensor[:, :, tensor.shape[2] // 2] = values
            else:
                tensor.copy_(values)
        volume = torch.rand(1, 2, 3, 4, 5)
        slices = [in_images(volume[:, :, depth]) for depth in range(3)]
        torch.testing.assert_close(in_volumes(volume), torch.stack(slices, dim=2))


def test_the_output_of_multiresunet_3d_is_normalised_without_gamma() -> None:
    output = small("multiresunet3d").output
    assert isinstance(output[1], BatchNormWithoutGamma)
    assert output[0].bias is None


@both
def test_a_decoder_sees_first_what_came_up_and_then_the_skip(name: str) -> None:
    network = small(name)
    beside = network.paths[0] if name == "multiresunet3d" else network.encoder[0]
    seen = watched(
        network,
        torch.rand(1, 1, 4, 4, 4),
        up=network.up[0],
        skip=beside,
        decoder=network.decoder[0],
    )
    assert torch.equal(seen["decoder"][0], torch.cat([seen["up"][1], seen["skip"][1]], dim=1))


def test_the_way_up_of_unet3d_keeps_the_channels_and_has_a_bias() -> None:
    with torch.device("meta"):
        network = models.build("unet3d", channels=4, classes=1)
    assert [(up.in_channels, up.out_channels) for up in network.up] == [
        (512, 512),
        (256, 256),
        (128, 128),
    ]
    assert all(up.bias is not None for up in network.up)


def test_the_filters_of_unet3d_double_before_a_pool() -> None:
    with torch.device("meta"):
        network = models.build("unet3d", channels=4, classes=1)
    filters = [[block[0].out_channels, block[3].out_channels] for block in network.encoder]
    assert filters == [[32, 64], [64, 128], [128, 256], [256, 512]]


def test_the_normalisation_of_unet3d_is_that_of_keras() -> None:
    norms = [module for module in small("unet3d").modules() if isinstance(module, nn.BatchNorm3d)]
    assert {(norm.eps, norm.momentum, norm.affine) for norm in norms} == {(1e-3, 0.01, True)}


@both
def test_kernels_of_volumes_begin_in_glorots_interval(name: str) -> None:
    kinds = (nn.Conv3d, nn.ConvTranspose3d)
    for module in small(name).modules():
        if isinstance(module, kinds):
            fans = (module.in_channels + module.out_channels) * math.prod(module.kernel_size)
            limit = math.sqrt(6 / fans)
            # The longest of at least four values of a uniform distribution.
            assert 0.2 * limit < module.weight.abs().max() <= limit
            assert module.bias is None or not module.bias.any()


def test_a_volume_that_cannot_be_halved_three_times_is_refused() -> None:
    with torch.device("meta"), pytest.raises(UserError) as caught:
        models.build("unet3d", channels=1, classes=1)(torch.empty(1, 1, 48, 80, 84))
    assert caught.value.fact == "sides must be multiples of 8; got 48x80x84."


def test_odd_widths_of_unet3d_are_refused_for_they_have_no_half() -> None:
    with pytest.raises(UserError, match="multiple of 2"):
        models.build("unet3d", channels=1, classes=1, widths=(5, 10))
