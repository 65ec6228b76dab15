"""What the published graph of REUnet connects (docs/decisions/0007-reunet-wiring.md).

All on PyTorch's meta device: autograd runs, numbers are neither stored nor computed.
"""

import pytest
import torch
from torch import nn

from segrepro import models
from segrepro.models._count import count

CONNECTED = ["stem", "eb1", "eb2", "db3", "join4", "db4", "head"]


def reunet(**options: object) -> nn.Module:
    with torch.device("meta"):
        return models.build("reunet", channels=3, classes=1, **options)


def everything_wired_as_published() -> nn.Module:
    """Return all of REUnet, whose third decoding block gets EB2's features as in the code."""
    network = reunet()
    network.db3 = reunet(wiring="as_published").db3
    # The levels below still run, as in the published code, and then hand on what they were given.
    network.below.register_forward_hook(lambda _below, inputs, _output: inputs[0])
    return network


def parts_with_a_gradient(network: nn.Module) -> dict[str, list[bool]]:
    """Return, for each part, which of its parameters a loss of the output gives a gradient."""
    network(torch.empty(2, 3, 32, 32, device="meta")).sum().backward()
    return {
        name: [parameter.grad is not None for parameter in part.parameters()]
        for name, part in network.named_children()
        if any(True for _ in part.parameters())
    }


def test_as_published_nothing_below_the_second_level_gets_a_gradient() -> None:
    parts = parts_with_a_gradient(everything_wired_as_published())
    assert [name for name, gradients in parts.items() if all(gradients)] == CONNECTED
    assert [name for name, gradients in parts.items() if not any(gradients)] == ["below"]


def test_with_its_own_input_in_db3_every_parameter_gets_a_gradient() -> None:
    parts = parts_with_a_gradient(reunet())
    assert sorted(parts) == sorted([*CONNECTED, "below"])
    assert all(all(gradients) for gradients in parts.values())


def test_as_published_145_111_300_parameters_of_145_774_312_cannot_learn() -> None:
    network = everything_wired_as_published()
    network(torch.empty(2, 3, 32, 32, device="meta")).sum().backward()
    learning = sum(p.numel() for p in network.parameters() if p.grad is not None)
    assert count(network).trainable == 145_774_312
    assert learning == 145_774_312 - 145_111_300 == 663_012


@pytest.mark.parametrize(
    "options", [{"replace": f"A{number}"} for number in (1, 2, 3, 4)] + [{"intermediator": 0}]
)
def test_the_ablations_of_tables_3_and_4_change_nothing_that_was_published(
    options: dict[str, object],
) -> None:
    published, varied = reunet(wiring="as_published"), reunet(wiring="as_published", **options)
    assert str(varied) == str(published)
    assert count(varied) == count(published)
