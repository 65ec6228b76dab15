"""Stochastic depth (Huang et al. 2016): training leaves a block's residual out now and then."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Set whole images of a batch to zero with this probability, and scale up the others."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.probability = probability

    def forward(self, residual: Tensor) -> Tensor:
        """Map (N, ...) to the same shape."""
        if not self.training or self.probability == 0:
            return residual
        kept = 1 - self.probability
        shape = (len(residual),) + (1,) * (residual.dim() - 1)
        return residual * (torch.empty(shape, device=residual.device).bernoulli_(kept) / kept)

    def extra_repr(self) -> str:
        """Return what ``print`` shows."""
        return str(self.probability)


def rising(last: float, depths: Sequence[int]) -> list[list[float]]:
    """Return each block's probability, from 0 evenly up to `last`, in lists of these lengths."""
    return _in_stages(_evenly(last, sum(depths)), depths)


def falling(first: float, depths: Sequence[int]) -> list[list[float]]:
    """Return each block's probability, from `first` evenly down to 0."""
    return _in_stages(_evenly(first, sum(depths))[::-1], depths)


def _evenly(last: float, count: int) -> list[float]:
    return [last * place / max(1, count - 1) for place in range(count)]


def _in_stages(flat: list[float], depths: Sequence[int]) -> list[list[float]]:
    values = iter(flat)
    return [[next(values) for _ in range(depth)] for depth in depths]
