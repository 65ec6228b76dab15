"""Which blocks compute their activations again, and what they must not do."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from segrepro.training._recompute import blocks_of, recompute_activations


class Chain(nn.Module):
    """Blocks one after the other, and what happens to a block's input afterwards."""

    def __init__(self, *blocks: nn.Module, after: Callable[[Tensor], object] = id) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.after = after

    def forward(self, features: Tensor) -> Tensor:
        for block in self.blocks:
            given = features * 1
            features = block(given)
            self.after(given)
        return features


def two_layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.Tanh())


def test_blocks_are_the_outermost_of_at_most_a_quarter_of_the_layers() -> None:
    # Eight layers: the pair of pairs holds four of them, which is too many for one block.
    first, second, third, fourth = (two_layers() for _ in range(4))
    network = Chain(first, nn.Sequential(second, third), fourth)
    assert blocks_of(network) == [first, second, third, fourth]


def test_a_layer_by_itself_keeps_its_activations() -> None:
    assert blocks_of(Chain(nn.Linear(2, 2), nn.Tanh())) == []


def test_a_block_that_begins_in_place_is_left_alone() -> None:
    in_place = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2))
    others = [two_layers() for _ in range(3)]
    assert blocks_of(Chain(in_place, *others)) == others


class Overwriting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)

    def forward(self, features: Tensor) -> Tensor:
        features += 1
        return self.layer(features)


def test_a_block_that_overwrites_its_input_is_an_error() -> None:
    network = Chain(Overwriting(), *(two_layers() for _ in range(3)))
    recompute_activations(network)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        network(torch.ones(1, 2)).sum().backward()


def test_an_input_that_is_overwritten_later_is_an_error() -> None:
    network = Chain(*(two_layers() for _ in range(4)), after=lambda given: given.detach().mul_(0))
    recompute_activations(network)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        network(torch.ones(1, 2)).sum().backward()


def test_what_a_block_draws_is_drawn_once() -> None:
    network = Chain(*(nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5)) for _ in range(4)))
    gradients = []
    for recomputed in (False, True):
        if recomputed:
            recompute_activations(network)
        torch.manual_seed(0)
        network.zero_grad()
        network(torch.ones(8, 2)).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    assert all(torch.equal(one, again) for one, again in zip(*gradients, strict=True))


def test_nothing_changes_where_no_gradient_is_wanted() -> None:
    network = Chain(*(two_layers() for _ in range(4)))
    expected = network(torch.ones(1, 2))
    names = list(network.state_dict())
    recompute_activations(network)
    assert list(network.state_dict()) == names
    with torch.no_grad():
        assert torch.equal(network(torch.ones(1, 2)), expected)
    assert torch.equal(network.eval()(torch.ones(1, 2)), expected)
