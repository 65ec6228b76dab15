"""Batch normalisation over the whole batch, where several processes hold a share of it each.

Not PyTorch's `SyncBatchNorm`: that one runs on GPUs alone, so no test of ours could hold it to the
bits that one process computes (docs/decisions/0010-several-devices.md).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

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
    weight = getattr(module, "weight", None)
    normalised, mean, variance, total = _Normalise.apply(  # type: ignore[no-untyped-call]
        features, weight, module.bias, module.eps
    )
    _note_statistics(module, mean, variance * total / (total - 1))
    result: Tensor = normalised
    return result


class _Normalise(torch.autograd.Function):
    """One message forward, one back; the gradient is Ioffe and Szegedy's (2015, section 3)."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - PyTorch's signature
        features: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, total = _statistics(features)
        normalised = functional.batch_norm(features, mean, variance, weight, bias, eps=eps)
        ctx.save_for_backward(features, weight, mean, torch.rsqrt(variance + eps), total)
        ctx.mark_non_differentiable(mean, variance, total)
        return normalised, mean, variance, total

    @staticmethod
    def backward(
        ctx: Any,  # noqa: ANN401 - as above
        *gradients: Tensor,
    ) -> tuple[Tensor, Tensor | None, Tensor | None, None]:
        features, weight, mean, inverse_spread, total = ctx.saved_tensors
        axes, shape = _other_axes(features), _per_channel(features)
        gradient = gradients[0].float()
        distance = (features.float() - mean.view(shape)).mul_(inverse_spread.view(shape))
        by_bias, by_weight = gradient.sum(axes), (gradient * distance).sum(axes)
        # Over all processes, for what a value does to mean and variance, all of them see.
        sums = torch.cat([by_bias, by_weight])
        distributed.all_reduce(sums)
        means, slopes = torch.split(sums / total, len(mean))
        scale = inverse_spread if weight is None else inverse_spread * weight
        by_features = (gradient - means.view(shape)).sub_(distance.mul_(slopes.view(shape)))
        by_features = by_features.mul_(scale.view(shape)).to(features.dtype)
        _, for_weight, for_bias, _ = ctx.needs_input_grad
        return by_features, by_weight if for_weight else None, by_bias if for_bias else None, None


def _statistics(features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and variance of each channel over all processes, and the number of values.

    Each process sends its own, which are put together around the common mean (Chan, Golub and
    LeVeque 1979): a mean of squares less a square of the mean would be rough.
    """
    # Not `torch.var_mean`: ten times as slow for maps that lie channels last.
    values, axes = features.float(), _other_axes(features)
    own_mean = values.mean(axes)
    own_variance = (values - own_mean.view(_per_channel(features))).square_().mean(axes)
    own_count = own_mean.new_tensor([features.numel() // len(own_mean)])
    own = torch.cat([own_mean, own_variance, own_count])
    rows = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(rows, own)
    sizes = [len(own_mean), len(own_mean), 1]
    means, variances, counts = torch.split(torch.stack(rows), sizes, dim=1)
    total = counts.sum()
    mean = (counts * means).sum(dim=0) / total
    variance = (counts * (variances + (means - mean).square())).sum(dim=0) / total
    return mean, variance, total


def _other_axes(features: Tensor) -> list[int]:
    return [0, *range(2, features.dim())]


def _per_channel(features: Tensor) -> list[int]:
    return [1, -1, *[1] * (features.dim() - 2)]


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
