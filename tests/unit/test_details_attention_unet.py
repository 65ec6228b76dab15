"""Details of Attention U-Net that a count of parameters does not see."""

import pytest
import torch
from _watch import watched
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models.attention_unet import AttentionGate


def small() -> nn.Module:
    torch.manual_seed(0)
    return models.build("attention_unet", channels=1, classes=1, widths=(4, 8, 16)).eval()


def seen_in_the_last_level(network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    with torch.no_grad():
        return watched(
            network,
            torch.rand(1, 1, 8, 8),
            skip=network.encoder[0],
            up=network.up[-1],
            gate=network.gates[-1],
            joined=network.decoder[-1],
        )


def constant(layer: nn.Sequential, value: float) -> None:
    """Let a normalised convolution give this value, whatever it reads."""
    convolution, norm = layer
    nn.init.zeros_(convolution.weight)
    nn.init.constant_(convolution.bias, value)
    # Undo the only change that fresh statistics make: a division by the root of 1 + epsilon.
    norm.eps = 0.0


def test_every_level_of_the_decoder_has_a_gate() -> None:
    with torch.device("meta"):
        network = models.build("attention_unet", channels=1, classes=1)
    inner = [gate.coefficient[0].in_channels for gate in network.gates]
    # Half of 512, 256, 128 and 64.
    assert inner == [256, 128, 64, 32]


def test_a_coefficient_of_zero_halves_the_skip_connection() -> None:
    gate = AttentionGate(2).eval()
    constant(gate.coefficient, 0.0)
    skip = torch.rand(1, 2, 3, 3)
    assert torch.equal(gate(skip, torch.rand(1, 2, 3, 3)), skip / 2)


def test_the_factor_is_the_sigmoid_of_the_coefficient() -> None:
    gate = AttentionGate(2).eval()
    constant(gate.coefficient, 1.0)
    skip = torch.ones(1, 2, 3, 3)
    expected = torch.full_like(skip, torch.tensor(1.0).sigmoid().item())
    torch.testing.assert_close(gate(skip, skip), expected)


@pytest.mark.parametrize(
    ("of_signal", "of_skip", "seen"), [(-3.0, 2.0, 0.0), (3.0, -2.0, 1.0), (1.0, 2.0, 3.0)]
)
def test_the_coefficient_reads_the_positive_part_of_the_sum_of_both(
    of_signal: float, of_skip: float, seen: float
) -> None:
    gate = AttentionGate(2).eval()
    constant(gate.of_signal, of_signal)
    constant(gate.of_skip, of_skip)
    read: list[Tensor] = []
    gate.coefficient.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    gate(torch.rand(1, 2, 3, 3), torch.rand(1, 2, 3, 3))
    torch.testing.assert_close(read[0], torch.full((1, 1, 3, 3), seen))


def test_all_channels_of_a_pixel_have_one_factor_and_pixels_have_their_own() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(4).eval()
    factors = gate(torch.ones(1, 4, 3, 3), torch.rand(1, 4, 3, 3))
    assert torch.equal(factors, factors[:, :1].expand_as(factors))
    assert factors[0, 0].unique().numel() == 9


def test_the_three_parts_of_a_gate_are_normalised() -> None:
    gate = AttentionGate(4)
    for part in (gate.of_signal, gate.of_skip, gate.coefficient):
        assert [type(layer) for layer in part] == [nn.Conv2d, nn.BatchNorm2d]


def test_a_gate_reads_the_skip_connection_and_the_enlarged_and_convolved_features() -> None:
    network = small()
    signals: list[Tensor] = []
    network.gates[-1].register_forward_pre_hook(lambda _, given: signals.append(given[1]))
    seen = seen_in_the_last_level(network)
    assert torch.equal(seen["gate"][0], seen["skip"][1])
    assert torch.equal(signals[0], seen["up"][1])


def test_a_block_of_the_decoder_reads_the_gated_skip_connection_first() -> None:
    seen = seen_in_the_last_level(small())
    expected = torch.cat([seen["gate"][1], seen["up"][1]], dim=1)
    assert torch.equal(seen["joined"][0], expected)


def test_features_come_up_as_squares_of_equal_pixels_and_are_convolved() -> None:
    up = small().up[0]
    kinds = [type(layer).__name__ for layer in up]
    assert kinds == ["UpsamplingNearest2d", "Conv2d", "BatchNorm2d", "ReLU"]
    rows = up[0](torch.tensor([[[[1.0, 2.0]]]]))
    assert rows[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_every_3x3_convolution_is_normalised_and_then_activated() -> None:
    network = small()
    for block in [*network.encoder, *network.decoder]:
        assert [type(layer).__name__ for layer in block] == ["Conv2d", "BatchNorm2d", "ReLU"] * 2


def test_batch_normalisation_has_the_constants_of_pytorch() -> None:
    norms = [layer for layer in small().modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}


def test_sides_of_240_are_taken_and_of_250_refused() -> None:
    with torch.device("meta"):
        network = models.build("attention_unet", channels=3, classes=1).eval()
        assert network(torch.empty(1, 3, 240, 240)).shape == (1, 1, 240, 240)
        with pytest.raises(UserError, match="multiples of 16; got 250x250"):
            network(torch.empty(1, 3, 250, 250))
