"""Batch normalisation over the whole batch, where several processes hold a share of it each.

Not PyTorch's `SyncBatchNorm`: that one runs on GPUs alone, so no test of ours could hold it to the
bits that one process computes (docs/decisions/0010-several-devices.md).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn

from segrepro.models._keras import BatchNormWithoutGamma

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | BatchNormWithoutGamma


def synchronise(network: nn.Module) -> None:
    """Let a network's batch normalisation in training see the images of all processes."""
    for module in network.modules():
        if isinstance(module, Norm):
            alone = module.forward
            module.forward = partial(_forward, module, alone)  # type: ignore[method-assign]


def _forward(module: Norm, alone: Callable[[Tensor], Tensor], features: Tensor) -> Tensor:
    if not module.training:
        return alone(features)
    axes = [0, *range(2, features.dim())]
    shape = [1, -1, *[1] * (features.dim() - 2)]
    values = features.float()
    count = values.new_tensor([values.numel() // values.shape[1]])
    sums = _over_all(torch.cat([values.sum(axes), count]))
    total, mean = sums[-1].detach(), sums[:-1] / sums[-1]
    centred = values - mean.view(shape)
    variance = _over_all(centred.square().sum(axes)) / total
    _note_statistics(module, mean.detach(), variance.detach() * total / (total - 1))
    normalised = centred * torch.rsqrt(variance + module.eps).view(shape)
    weight = getattr(module, "weight", None)
    scaled = normalised if weight is None else normalised * weight.view(shape)
    shifted = scaled if module.bias is None else scaled + module.bias.view(shape)
    # The layout that PyTorch's own would return: the convolution behind it is fast with it.
    return torch.empty_like(features, dtype=torch.float32).copy_(shifted).to(features.dtype)


def _over_all(values: Tensor) -> Tensor:
    summed: Tensor = _Sum.apply(values)  # type: ignore[no-untyped-call]
    return summed


class _Sum(torch.autograd.Function):
    """A sum over processes; each gets the gradient of what all made of it."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - PyTorch's signature
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401, ARG004 - as above
        gradient = gradients[0].clone()
        distributed.all_reduce(gradient)
        return gradient


@torch.no_grad()
def _note_statistics(module: Norm, mean: Tensor, variance: Tensor) -> None:
    if module.running_mean is None or module.running_var is None:
        return
    tracked = getattr(module, "num_batches_tracked", None)
    if tracked is not None:
        tracked.add_(1)
    # Without a momentum, PyTorch's batch normalisation keeps the mean over all batches.
    share = module.momentum if module.momentum is not None else 1 / float(tracked or 1)
    module.running_mean.lerp_(mean.to(module.running_mean.dtype), share)
    module.running_var.lerp_(variance.to(module.running_var.dtype), share)
