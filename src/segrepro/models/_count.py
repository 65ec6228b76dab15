"""How many numbers a network holds, counted as Keras prints them, and how much it computes."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class ParameterCount:
    """How many numbers a network learns or keeps."""

    total: int
    """Parameters and the running means and variances of batch normalisation, as in Keras."""
    trainable: int


def count(network: nn.Module) -> ParameterCount:
    """Count the numbers of a network; the counter ``num_batches_tracked`` is not one of them."""
    statistics = sum(
        buffer.numel()
        for name, buffer in network.named_buffers()
        if name.rpartition(".")[2] in STATISTICS
    )
    return ParameterCount(
        total=sum(parameter.numel() for parameter in network.parameters()) + statistics,
        trainable=sum(p.numel() for p in network.parameters() if p.requires_grad),
    )


def multiply_adds(network: nn.Module, images: Tensor) -> int:
    """Return the multiplications of a forward pass that are followed by an addition."""
    with FlopCounterMode(display=False) as counter:
        network(images)
    return int(counter.get_total_flops()) // 2
