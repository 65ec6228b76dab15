"""Details of UNet++ that a count of parameters does not see."""

import pytest
import torch
from _watch import watched
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError

# Rows and columns of the six blocks beside the encoder's four, in the order of the network.
NODES = [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (0, 3)]


def small(**options: object) -> nn.Module:
    torch.manual_seed(0)
    options = {"widths": (4, 8, 8, 16), **options}
    return models.build("unetpp", channels=1, classes=1, **options).eval()


def blocks_of(network: nn.Module) -> dict[str, nn.Module]:
    encoder = {f"X{row}0": block for row, block in enumerate(network.encoder)}
    nested = zip(NODES, network.nested, strict=True)
    return encoder | {f"X{row}{column}": block for (row, column), block in nested}


def seen_in(network: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    ups = {f"up{row}{column}": up for (row, column), up in zip(NODES, network.up, strict=True)}
    with torch.no_grad():
        return watched(network, torch.rand(1, 1, 8, 8), **blocks_of(network), **ups)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(("row", "column"), NODES)
def test_a_block_reads_all_of_its_row_and_what_comes_up_from_the_left_below(
    norm: str, row: int, column: int
) -> None:
    seen = seen_in(small(norm=norm))
    of_the_row = [seen[f"X{row}{before}"][1] for before in range(column)]
    up = seen[f"up{row}{column}"]
    assert torch.equal(up[0], seen[f"X{row + 1}{column - 1}"][1])
    # The authors' code puts what comes up first, PyTorch's last.
    in_order = [*of_the_row, up[1]] if norm == "batch" else [up[1], *of_the_row]
    assert torch.equal(seen[f"X{row}{column}"][0], torch.cat(in_order, dim=1))


def test_with_normalisation_features_come_up_bilinearly_between_aligned_corners() -> None:
    up = small().up[0]
    pixels = up(torch.tensor([[[[0.0, 3.0], [0.0, 3.0]]]]))
    torch.testing.assert_close(pixels[0, 0, 0], torch.tensor([0.0, 1.0, 2.0, 3.0]))


def test_without_it_by_a_transposed_convolution_to_the_filters_of_the_row() -> None:
    for (row, _), up in zip(NODES, small(norm="none").up, strict=True):
        assert (up.kernel_size, up.stride, up.out_channels) == ((2, 2), (2, 2), (4, 8, 8)[row])


@pytest.mark.parametrize(
    ("norm", "kinds"),
    [("batch", ["Conv2d", "BatchNorm2d", "ReLU"]), ("none", ["Conv2d", "ReLU", "Dropout"])],
)
def test_a_block_is_two_convolutions_and_what_its_source_puts_behind_each(
    norm: str, kinds: list[str]
) -> None:
    for block in blocks_of(small(norm=norm)).values():
        assert [type(layer).__name__ for layer in block] == kinds * 2


def test_keras_drops_half_and_pytorch_nothing() -> None:
    rates = {
        norm: {layer.p for layer in small(norm=norm).modules() if isinstance(layer, nn.Dropout)}
        for norm in ("batch", "none")
    }
    assert rates == {"batch": set(), "none": {0.5}}


def test_the_only_output_reads_the_last_block() -> None:
    network = small()
    seen = watched(network, torch.rand(1, 1, 8, 8), last=network.nested[-1], out=network.outputs[0])
    assert torch.equal(seen["out"][0], seen["last"][1])


def test_with_deep_supervision_the_outputs_read_the_finest_row_from_its_end() -> None:
    network = small(deep_supervision=True)
    heads = {f"head{place}": head for place, head in enumerate(network.outputs)}
    network.training = True
    seen = watched(network, torch.rand(2, 1, 8, 8), **blocks_of(network), **heads)
    assert len(heads) == 3
    for place in range(3):
        assert torch.equal(seen[f"head{place}"][0], seen[f"X0{3 - place}"][1])


def test_deep_supervision_of_two_levels_still_gives_a_tuple() -> None:
    network = small(widths=(4, 8), deep_supervision=True).train()
    assert len(network(torch.rand(2, 1, 8, 8))) == 1


def test_without_normalisation_a_single_image_of_the_smallest_size_is_trained_on() -> None:
    network = small(norm="none").train()
    assert network(torch.rand(1, 1, 8, 8)).shape == (1, 1, 8, 8)


def test_sides_must_be_multiples_of_16() -> None:
    with torch.device("meta"), pytest.raises(UserError, match="multiples of 16; got 250x256"):
        models.build("unetpp", channels=3, classes=1)(torch.empty(1, 3, 250, 256))
