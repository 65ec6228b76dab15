"""Details of REUnet that a count of parameters does not see."""

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._dmbc import DMBC, hidden_width
from segrepro.models.reunet import AttentionGate, Join

DROPOUT = 0.5


def small(*, channels: int = 1, classes: int = 1, **options: object) -> nn.Module:
    torch.manual_seed(0)
    sizes: dict[str, object] = {
        "widths": (2,) * 7,
        "decoder_widths": (2,) * 4,
        "expansions": (1,) * 7,
        "dropout": DROPOUT,
    }
    return models.build("reunet", channels=channels, classes=classes, **{**sizes, **options})


class Seen(NamedTuple):
    """What went through a module."""

    inputs: tuple[Tensor, ...]
    signal: Tensor | None
    output: Tensor


def run_and_watch(network: nn.Module, *paths: str) -> list[Seen]:
    """Return what the modules of these paths saw, in one forward pass in training."""
    seen: dict[str, Seen] = {}

    def hook(path: str) -> Callable[..., None]:
        return lambda _module, inputs, named, output: seen.update(
            {path: Seen(inputs, named.get("signal"), output)}
        )

    for path in paths:
        network.get_submodule(path).register_forward_hook(hook(path), with_kwargs=True)
    network.train()(torch.rand(2, 1, 64, 64))
    return [seen[path] for path in paths]


def is_dropped(seen: Tensor | None, original: Tensor) -> bool:
    """Return whether about half of the values are gone and the others are doubled."""
    assert seen is not None
    kept = seen != 0
    doubled = torch.equal(seen[kept], original[kept] / (1 - DROPOUT))
    return doubled and 0.2 < kept.float().mean().item() < 0.8


# Which tensors see dropout.


def test_pooling_sees_dropout_and_the_skip_connection_does_not() -> None:
    block, pool, join = run_and_watch(small(), "eb1", "down.1", "join4")
    assert is_dropped(pool.inputs[0], block.output)
    assert torch.equal(join.inputs[1], block.output)


def test_the_bridge_enlarges_eb5_before_dropout_and_gates_eb4_by_eb5_after_it() -> None:
    eb4, eb5, bridge = run_and_watch(
        small(), "below.eb4", "below.eb5", "below.intermediator.bridge"
    )
    assert torch.equal(bridge.inputs[0], eb5.output)
    assert torch.equal(bridge.inputs[1], eb4.output)
    assert is_dropped(bridge.signal, eb5.output)


def test_db1_enlarges_eb7_before_dropout_and_gates_eb6_by_eb7_after_it() -> None:
    eb6, eb7, join = run_and_watch(small(), "below.intermediator.eb6", "below.eb7", "below.join1")
    assert torch.equal(join.inputs[0], eb7.output)
    assert torch.equal(join.inputs[1], eb6.output)
    assert is_dropped(join.signal, eb7.output)


def test_every_encoding_block_below_another_one_sees_it_dropped_and_then_pooled() -> None:
    network = small()
    dropped: list[Tensor] = []
    pooled: list[Tensor] = []
    dropout, pool = network.below.down
    dropout.register_forward_hook(lambda _module, inputs, output: dropped.extend([*inputs, output]))
    pool.register_forward_hook(lambda _module, inputs, output: pooled.extend([*inputs, output]))
    blocks = ["eb2", "below.eb3", "below.eb4", "below.eb5", "below.intermediator.eb6", "below.eb7"]
    eb2, eb3, eb4, eb5, eb6, eb7 = run_and_watch(network, *blocks)
    above = [(eb2, eb3), (eb3, eb4), (eb4, eb5), (eb6, eb7)]
    for place, (upper, lower) in enumerate(above):
        before, after = dropped[2 * place : 2 * place + 2]
        assert torch.equal(before, upper.output)
        assert is_dropped(after, before)
        assert torch.equal(pooled[2 * place], after)
        assert torch.equal(lower.inputs[0], pooled[2 * place + 1])


@pytest.mark.parametrize(("block", "join"), [("eb2", "below.join3"), ("below.eb3", "below.join2")])
def test_a_skip_connection_leaves_before_dropout(block: str, join: str) -> None:
    leaves, arrives = run_and_watch(small(), block, join)
    assert torch.equal(arrives.inputs[1], leaves.output)


@pytest.mark.parametrize(
    ("block", "join"),
    [("below.db1", "below.join2"), ("below.db2", "below.join3"), ("db3", "join4")],
)
def test_a_decoding_block_drops_out_at_its_end_and_the_gate_above_sees_the_same(
    block: str, join: str
) -> None:
    dropout, joined = run_and_watch(small(), f"{block}.2", join)
    # ReLU left zeros of its own.
    positive = dropout.inputs[0] > 0
    assert is_dropped(dropout.output[positive], dropout.inputs[0][positive])
    assert torch.equal(joined.inputs[0], dropout.output)
    assert joined.signal is not None
    assert torch.equal(joined.signal, dropout.output)


def test_without_an_intermediator_eb7_sees_eb5_dropped_and_unpooled_and_db1_gates_eb4() -> None:
    network = small(intermediator=0)
    eb4, eb5, eb7, join = run_and_watch(
        network, "below.eb4", "below.eb5", "below.eb7", "below.join1"
    )
    assert is_dropped(eb7.inputs[0], eb5.output)
    assert torch.equal(join.inputs[1], eb4.output)


# Joining and gating.


def test_a_join_is_what_came_up_by_nearest_neighbours_and_then_the_skip() -> None:
    below, skip = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.rand(1, 2, 4, 4)
    joined = Join(1, 2, 3, attention=False)(below, skip, signal=below)
    enlarged = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    assert joined[0, 0].tolist() == enlarged
    assert torch.equal(joined[:, 1:], skip)


@pytest.mark.parametrize(("bias", "coefficient"), [(-1000, 0), (0, 0.5), (1000, 1)])
def test_a_gate_weighs_the_skip_before_its_last_convolution(
    bias: float, coefficient: float
) -> None:
    gate = AttentionGate(3, 4, 2).eval()
    nn.init.zeros_(gate.psi.weight)
    nn.init.constant_(gate.psi.bias, bias)
    skip, below = torch.rand(1, 3, 4, 4), torch.rand(1, 4, 2, 2)
    torch.testing.assert_close(gate(skip, below), gate.output(coefficient * skip))


def test_coefficients_of_a_gate_are_repeated_for_each_pixel_that_they_weigh() -> None:
    torch.manual_seed(0)
    gate = AttentionGate(3, 4, 8).eval()
    skip, below = torch.rand(1, 3, 4, 4), torch.rand(1, 4, 2, 2)
    seen = watched_gate(gate, skip, below)
    assert len(seen["psi"].unique()) == 4
    fourfold = seen["psi"].sigmoid().repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    assert torch.equal(seen["weighed"], fourfold * skip)


def watched_gate(gate: AttentionGate, skip: Tensor, below: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    gate.psi.register_forward_hook(lambda _module, _inputs, output: seen.update(psi=output))
    gate.output.register_forward_pre_hook(lambda _module, inputs: seen.update(weighed=inputs[0]))
    gate(skip, below)
    return seen


def test_a_gate_has_the_kernels_of_the_code() -> None:
    gate = AttentionGate(3, 4, 2)
    kernels = {
        name: (module.kernel_size, module.stride)
        for name, module in gate.named_modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    }
    assert kernels == {
        "signal.0": ((1, 1), (1, 1)),
        "theta": ((2, 2), (2, 2)),
        "phi.0": ((1, 1), (1, 1)),
        "phi.1": ((3, 3), (1, 1)),
        "psi": ((1, 1), (1, 1)),
        "output.0": ((1, 1), (1, 1)),
    }


# DMBC.


@pytest.mark.parametrize(
    ("width_in", "expansion", "coefficient", "hidden"),
    # 32 x 1 x 2; 8 at least; 12 rounds up to 16; 11 would round to 8, below 0.9 x 11.
    [(32, 1, 2, 64), (2, 1, 1, 8), (12, 1, 1, 16), (11, 1, 1, 16)],
)
def test_the_hidden_width_is_a_multiple_of_eight(
    width_in: int, expansion: int, coefficient: float, hidden: int
) -> None:
    assert hidden_width(width_in, expansion=expansion, width_coefficient=coefficient) == hidden


def dmbc(width_in: int, width: int, *, gate: int | None) -> nn.Module:
    """Return a DMBC whose bottleneck adds nothing to its gating signal."""
    block = DMBC(width_in, width, hidden=8, kernel=3, relu6=True, gate=gate).eval()
    nn.init.zeros_(block.body[-1].weight)
    return block


def test_the_gating_signal_of_equal_widths_is_the_input() -> None:
    features = torch.rand(1, 2, 4, 4)
    assert torch.equal(dmbc(2, 2, gate=3)(features), features)


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_gating_signal_of_other_widths_is_a_convolution_of_the_input(kernel: int) -> None:
    features, block = torch.rand(1, 2, 4, 4), dmbc(2, 3, gate=kernel)
    expected = nn.functional.conv2d(
        features, block.gating_signal.weight, block.gating_signal.bias, padding=kernel // 2
    )
    assert block.gating_signal.weight.shape[2:] == (kernel, kernel)
    assert torch.equal(block(features), expected)


def test_without_a_gating_signal_nothing_is_added() -> None:
    assert not dmbc(2, 2, gate=None)(torch.rand(1, 2, 4, 4)).any()


def test_relu_stands_in_the_expansions_of_eb1_and_relu6_everywhere_else() -> None:
    network = small()
    blocks = [network.eb1, network.eb2, network.below.eb3, network.below.intermediator.eb6]
    expansions = [{type(dmbc.body[2]) for dmbc in block} for block in blocks]
    depthwise = [{type(dmbc.body[5]) for dmbc in block} for block in blocks]
    assert expansions == [{nn.ReLU}, {nn.ReLU6}, {nn.ReLU6}, {nn.ReLU6}]
    assert depthwise == [{nn.ReLU6}] * 4


def test_blocks_have_the_repeats_and_the_kernels_of_efficientnet_b7() -> None:
    network = small()
    below = network.below
    blocks = [
        *(network.eb1, network.eb2, below.eb3, below.eb4, below.eb5),
        *(below.intermediator.eb6, below.eb7),
    ]
    assert [len(block) for block in blocks] == [4, 7, 7, 10, 10, 13, 4]
    assert [block[0].body[3].kernel_size[0] for block in blocks] == [3, 3, 5, 3, 5, 5, 3]


# Options, output, start.


@pytest.mark.parametrize(
    ("replace", "left"),
    [
        ("none", ["eb3", "eb4", "eb5", "eb6", "eb7"]),
        ("A1", ["eb3", "eb4", "eb5", "eb6"]),
        ("A2", ["eb3", "eb4", "eb5"]),
        ("A3", ["eb3", "eb4"]),
        ("A4", ["eb3"]),
    ],
)
def test_a1_to_a4_replace_one_more_block_each(replace: str, left: list[str]) -> None:
    below = small(replace=replace).below
    of_dmbcs = {
        name.rpartition(".")[2]
        for name, block in below.named_modules()
        if isinstance(block, nn.Sequential) and isinstance(block[0], DMBC)
    }
    assert sorted(of_dmbcs) == left


def test_a_size_of_an_intermediator_that_is_replaced_is_refused() -> None:
    with pytest.raises(UserError, match="a2 replaces the intermediator"):
        small(replace="A2", intermediator=5)


def test_the_logits_of_a_batch_are_normalised() -> None:
    logits = small(classes=2)(torch.rand(2, 1, 32, 32))
    assert logits.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0], abs=1e-5)
    # Nearly 1: the constant of Keras, 0.001, is added to the variance.
    assert logits.var(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1], abs=0.1)


@pytest.mark.parametrize(("wiring", "multiple"), [("fixed", 16), ("as_published", 2)])
def test_a_side_that_cannot_be_halved_often_enough_is_refused(wiring: str, multiple: int) -> None:
    with pytest.raises(UserError, match=f"multiples of {multiple}; got 33x32"):
        small(wiring=wiring)(torch.rand(1, 1, 33, 32))


@pytest.mark.parametrize(("wiring", "side"), [("fixed", 16), ("as_published", 2)])
def test_one_image_whose_coarsest_map_is_a_pixel_is_refused(wiring: str, side: int) -> None:
    network = small(wiring=wiring)
    with pytest.raises(UserError, match="batch of one image"):
        network(torch.rand(1, 1, side, side))
    assert network(torch.rand(1, 1, side, 2 * side)).shape == (1, 1, side, 2 * side)


def test_convolutions_begin_in_glorots_interval_and_squeezing_layers_with_he_normal() -> None:
    network = small(widths=(64,) * 7, wiring="as_published")
    convolutions = [
        module for module in network.modules() if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]
    limits = [
        math.sqrt(6 / sum(nn.init._calculate_fan_in_and_fan_out(module.weight)))
        for module in convolutions
    ]
    widest = [module.weight.abs().max().item() for module in convolutions]
    assert all(weight <= limit for weight, limit in zip(widest, limits, strict=True))
    squeeze = torch.stack([dmbc.body[7].squeeze.weight for dmbc in [*network.eb1, *network.eb2]])
    assert squeeze.std().item() == pytest.approx(math.sqrt(2 / 64), rel=0.03)


def test_normalisation_has_the_constants_of_keras() -> None:
    norms = [module for module in small().modules() if isinstance(module, nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}
