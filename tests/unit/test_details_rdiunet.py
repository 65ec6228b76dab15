"""Details of RDIU-Net, of involution and of the U-Net beside it."""

import numpy as np
import pytest
import torch
from _watch import watched
from torch import Tensor, nn
from torch.nn import functional

from segrepro import models
from segrepro.errors import UserError
from segrepro.inference._live_memory import LiveMemory
from segrepro.models._involution import Involution


def small(name: str = "rdiunet", **options: object) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, channels=1, classes=1, **{"widths": (4, 8), **options})


def weights_of(involution: Involution, features: Tensor) -> Tensor:
    """Return the weights of each pixel: (N, groups, K, K, H, W)."""
    kernel = involution.kernel
    flat = involution.span(involution.reduce(features))
    return flat.view(len(features), involution.groups, kernel, kernel, *features.shape[2:])


class UnfoldedInvolution(Involution):
    """The same by unfolding, which copies each window."""

    def forward(self, features: Tensor) -> Tensor:
        batch, channels, height, width = features.shape
        weights = self.span(self.reduce(features))
        weights = weights.view(batch, self.groups, 1, self.kernel**2, height, width)
        windows = functional.unfold(features, self.kernel, padding=self.kernel // 2)
        windows = windows.view(batch, self.groups, -1, self.kernel**2, height, width)
        return (weights * windows).sum(dim=3).view(batch, channels, height, width)


KINDS = (Involution, UnfoldedInvolution)


def test_an_involution_is_its_formula() -> None:
    torch.manual_seed(0)
    involution = Involution(4, kernel=3, channels_per_group=2, reduction=2).double().eval()
    features = torch.rand(1, 4, 3, 5, dtype=torch.float64)
    with torch.no_grad():
        weights = weights_of(involution, features)[0].numpy()
        result = involution(features)[0].numpy()
    padded = np.pad(features[0].numpy(), ((0, 0), (1, 1), (1, 1)))
    expected = np.zeros((4, 3, 5))
    for channel in range(4):
        for row in range(3):
            for column in range(5):
                window = padded[channel, row : row + 3, column : column + 3]
                kernel = weights[channel // 2, :, :, row, column]
                expected[channel, row, column] = (kernel * window).sum()
    assert np.abs(result - expected).max() < 1e-12


def test_a_window_of_one_pixel_scales_all_channels_of_a_group_alike() -> None:
    torch.manual_seed(0)
    involution = Involution(32, kernel=1).eval()
    features = torch.rand(1, 32, 2, 3) + 1
    with torch.no_grad():
        factors = (involution(features) / features).view(2, 16, 2, 3)
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
    assert not torch.allclose(factors[0], factors[1])


def test_groups_have_sixteen_channels_and_the_middle_a_quarter_of_all() -> None:
    involution = Involution(64, kernel=7)
    assert involution.groups == 4
    assert involution.reduce[0].out_channels == 16
    assert involution.span.out_channels == 49 * 4


def test_both_convolutions_of_an_involution_have_a_bias() -> None:
    involution = Involution(32)
    assert involution.reduce[0].bias is not None
    assert involution.span.bias is not None


def test_gradients_are_those_of_unfolding() -> None:
    torch.manual_seed(0)
    ours, unfolded = (kind(4, kernel=5, channels_per_group=2) for kind in KINDS)
    unfolded.load_state_dict(ours.state_dict())
    gradients: list[Tensor] = []
    for layer in (ours, unfolded):
        features = torch.arange(96.0).view(1, 4, 4, 6).sin().requires_grad_()
        layer(features).square().sum().backward()
        gradients += [features.grad, layer.span.weight.grad]
    torch.testing.assert_close(gradients[:2], gradients[2:])


@pytest.mark.parametrize("backward", [False, True])
def test_a_window_of_seven_takes_less_than_half_of_what_unfolding_takes(backward: bool) -> None:
    ours, unfolded = (peak_bytes(kind(32, kernel=7), backward=backward) for kind in KINDS)
    assert ours < unfolded / 2


def test_a_window_of_one_pixel_copies_nothing() -> None:
    # The result, and half as much for what makes the weights; a copy would be one more.
    assert peak_bytes(Involution(32, kernel=1), backward=False) < 2 * 4 * 32 * 16 * 16


def peak_bytes(layer: Involution, *, backward: bool) -> int:
    """Return the most bytes alive beside weights and input, for 32 channels of 16x16 pixels."""
    features = torch.rand(1, 32, 16, 16, requires_grad=backward)
    held = [*layer.state_dict().values(), features]
    with torch.set_grad_enabled(backward), LiveMemory(held) as memory:
        before = memory.live_bytes
        result = layer.eval()(features)
        if backward:
            result.sum().backward()
    return memory.peak_bytes - before


def test_a_window_without_a_middle_is_refused() -> None:
    with pytest.raises(UserError, match="window of 4 has no middle"):
        small(kernel=4)


def test_channels_that_leave_a_rest_are_refused() -> None:
    with pytest.raises(UserError, match="24 channels cannot be divided into groups of 16"):
        small(widths=(24, 48))


def test_dropout_and_normalisation_leave_the_identity_alone() -> None:
    network = small()
    block = network.encoder[0][1]
    seen = watched(network, torch.rand(2, 1, 8, 8), block=block, dropout=block.dropout)
    added = seen["dropout"][1] + seen["block"][0]
    assert torch.equal(seen["block"][1], added.relu())
    # Nothing but the normalisation comes between the 1x1 convolution and the dropout.
    assert seen["dropout"][0].min() < 0
    assert 0 in seen["dropout"][1]


def test_a_dense_block_sees_all_outputs_before_it_but_not_what_came_in() -> None:
    network = small()
    first, second, third = network.bottom.blocks
    seen = watched(
        network, torch.rand(2, 1, 8, 8), first=first, second=second, third=third, up=network.up[0]
    )
    assert torch.equal(seen["second"][0], seen["first"][1])
    assert torch.equal(seen["third"][0], torch.cat([seen["first"][1], seen["second"][1]], dim=1))
    assert torch.equal(seen["up"][0], seen["third"][1])


@pytest.mark.parametrize("name", ["rdiunet", "unet_rdi"])
def test_a_decoder_sees_first_the_skip_and_then_what_came_up(name: str) -> None:
    network = small(name)
    seen = watched(
        network,
        torch.rand(2, 1, 8, 8),
        skip=network.encoder[-1],
        up=network.up[0],
        decoder=network.decoder[0],
    )
    assert torch.equal(seen["decoder"][0], torch.cat([seen["skip"][1], seen["up"][1]], dim=1))


def test_the_normalisation_of_rdiu_net_is_that_of_keras() -> None:
    norms = [module for module in small().modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum, norm.affine) for norm in norms} == {(1e-3, 0.01, True)}


def test_only_the_bottom_of_the_fitted_u_net_has_three_convolutions() -> None:
    network = small("unet_rdi")
    blocks = [*network.encoder, network.bottom, *network.decoder]
    counts = [sum(isinstance(layer, nn.Conv2d) for layer in block) for block in blocks]
    assert counts == [2, 2, 3, 2, 2]


def test_the_fitted_u_net_refuses_one_image_of_one_bottom_pixel_only_where_it_normalises() -> None:
    image = torch.rand(1, 1, 4, 4)
    assert small("unet_rdi")(image).shape == (1, 1, 4, 4)
    with pytest.raises(UserError, match="batch of one image"):
        small("unet_rdi", batch_norm=True)(image)
