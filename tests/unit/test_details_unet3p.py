"""Details of UNet 3+ that a count of parameters does not see."""

import pytest
import torch
from _watch import watched
from torch import Tensor, nn
from torch.nn import functional

from segrepro import models
from segrepro.errors import UserError

LEVELS = 4


def small(**options: object) -> nn.Module:
    torch.manual_seed(0)
    options = {"widths": (4, 8, 8, 16), **options}
    return models.build("unet3p", channels=1, classes=1, **options).eval()


def join_of(network: nn.Module, level: int) -> nn.Module:
    """Return the decoder's part of a level; the finest is 0, and comes last."""
    return network.decoder[LEVELS - 2 - level]


def seen_in(network: nn.Module, level: int) -> dict[str, tuple[Tensor, Tensor]]:
    parts = {f"encoder{place}": block for place, block in enumerate(network.encoder)}
    parts |= {f"decoder{place}": join_of(network, place).join for place in range(LEVELS - 1)}
    join = join_of(network, level)
    parts |= {f"branch{place}": branch for place, branch in enumerate(join.branches)}
    with torch.no_grad():
        return watched(network, torch.rand(1, 1, 16, 16), **parts)


@pytest.mark.parametrize("level", range(LEVELS - 1))
def test_a_level_reads_the_encoder_above_and_beside_it_the_decoder_below_and_the_deepest(
    level: int,
) -> None:
    seen = seen_in(small(), level)
    for place in range(LEVELS):
        of_the_decoder = level < place < LEVELS - 1
        source = seen[f"decoder{place}" if of_the_decoder else f"encoder{place}"][1]
        if place < level:
            expected = functional.max_pool2d(source, 2 ** (level - place))
        else:
            expected = functional.interpolate(
                source, scale_factor=2 ** (place - level), mode="bilinear", align_corners=False
            )
        torch.testing.assert_close(seen[f"branch{place}"][0], expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("level", range(LEVELS - 1))
def test_a_level_joins_its_branches_from_the_finest_to_the_deepest(level: int) -> None:
    seen = seen_in(small(), level)
    branches = [seen[f"branch{place}"][1] for place in range(LEVELS)]
    assert torch.equal(seen[f"decoder{level}"][0], torch.cat(branches, dim=1))


def test_branches_have_the_filters_of_the_finest_level_and_a_level_all_of_them() -> None:
    with torch.device("meta"):
        network = models.build("unet3p", channels=3, classes=1)
    for join in network.decoder:
        assert [branch[0].out_channels for branch in join.branches] == [64] * 5
        assert (join.join[0].in_channels, join.join[0].out_channels) == (320, 320)


def test_every_convolution_but_the_outputs_is_normalised_and_activated() -> None:
    network = small()
    single = ["Conv2d", "BatchNorm2d", "ReLU"]
    for block in network.encoder:
        assert [type(layer).__name__ for layer in block] == single * 2
    for join in network.decoder:
        for part in [*join.branches, join.join]:
            assert [type(layer).__name__ for layer in part] == single


def test_the_output_is_a_3x3_convolution_of_the_finest_level() -> None:
    network = small()
    finest, output = network.decoder[-1].join, network.outputs[0]
    seen = watched(network, torch.rand(1, 1, 16, 16), finest=finest, output=output)
    assert torch.equal(seen["output"][0], seen["finest"][1])
    assert output.kernel_size == (3, 3)


def test_deep_supervision_reads_the_levels_of_the_decoder_and_the_deepest_of_the_encoder() -> None:
    network = small(deep_supervision=True)
    parts = {f"decoder{level}": join_of(network, level).join for level in range(LEVELS - 1)}
    parts |= {f"head{level}": head for level, head in enumerate(network.outputs)}
    parts["decoder3"] = network.encoder[-1]
    network.training = True
    outputs = network(torch.rand(2, 1, 16, 16))
    seen = watched(network, torch.rand(2, 1, 16, 16), **parts)
    assert len(outputs) == LEVELS
    for level in range(LEVELS):
        assert torch.equal(seen[f"head{level}"][0], seen[f"decoder{level}"][1])


def test_coarse_outputs_are_enlarged_without_aligned_corners() -> None:
    network = small(deep_supervision=True)
    network.training = True
    images = torch.rand(2, 1, 16, 16)
    with torch.no_grad():
        outputs = network(images)
        coarse = watched(network, images, head=network.outputs[2])["head"][1]
    expected = functional.interpolate(coarse, scale_factor=4, mode="bilinear", align_corners=False)
    torch.testing.assert_close(outputs[2], expected)


def test_gammas_begin_around_one_with_a_deviation_of_a_fiftieth() -> None:
    torch.manual_seed(0)
    network = models.build("unet3p", channels=1, classes=1, widths=(32, 32, 32))
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    gammas = torch.cat([norm.weight for norm in norms])
    assert gammas.mean().item() == pytest.approx(1, abs=0.005)
    assert gammas.std().item() == pytest.approx(0.02, rel=0.1)
    assert not any(norm.bias.any() for norm in norms)


def test_sides_must_be_multiples_of_16() -> None:
    with torch.device("meta"), pytest.raises(UserError, match="multiples of 16; got 256x250"):
        models.build("unet3p", channels=3, classes=1)(torch.empty(1, 3, 256, 250))
