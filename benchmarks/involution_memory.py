"""Most bytes alive in a training step of an involution, against one that unfolds its input.

Window 7, 16 channels a group, both with the same weights on the same features. Tensors are counted
instead of the process's memory: the same number on every machine.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks._result import REPETITIONS, Result, median_ratio
from segrepro.inference._live_memory import LiveMemory
from segrepro.models._involution import Involution

BAR = 0.5
CHANNELS, SIDE = 64, 64


def measure() -> Result:
    """Return the share of the unfolding involution's memory that ours takes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = Involution(CHANNELS, kernel=7, channels_per_group=16, reduction=4)
        single = Involution(CHANNELS, kernel=1, channels_per_group=16, reduction=4)
        features = torch.rand(1, CHANNELS, SIDE, SIDE, requires_grad=True)
    torch.testing.assert_close(layer(features), _unfolding(layer, features))
    ours = [_peak_bytes(layer, layer, features) for _ in range(REPETITIONS)]
    theirs = [
        _peak_bytes(lambda inputs: _unfolding(layer, inputs), layer, features)
        for _ in range(REPETITIONS)
    ]
    feature_bytes = features.untyped_storage().nbytes()
    return Result(
        name="involution_memory",
        ratio=median_ratio(ours, theirs),
        bar=BAR,
        at_least=False,
        detail={
            "peak_bytes": ours,
            "peak_bytes_unfolding": theirs,
            "peak_in_copies_of_the_features": round(ours[0] / feature_bytes, 2),
            "the_same_for_a_window_of_1": round(
                _peak_bytes(single, single, features) / feature_bytes, 2
            ),
            "input": list(features.shape),
            "repetitions": REPETITIONS,
            "device": "cpu",
        },
    )


def _unfolding(layer: Involution, features: Tensor) -> Tensor:
    """Return what the layer returns, by way of all windows of the features at once."""
    count, channels, height, width = features.shape
    kernel, groups = layer.kernel, layer.groups
    weights = layer.span(layer.reduce(features))
    windows = functional.unfold(features, kernel, padding=kernel // 2)
    windows = windows.view(count, groups, channels // groups, kernel**2, height, width)
    weighted = weights.view(count, groups, 1, kernel**2, height, width) * windows
    return weighted.sum(dim=3).view(features.shape)


def _peak_bytes(forward: Callable[[Tensor], Tensor], layer: nn.Module, features: Tensor) -> float:
    layer.zero_grad(set_to_none=True)
    features.grad = None
    memory = LiveMemory([*layer.state_dict().values(), features])
    with memory:
        forward(features).square().mean().backward()
    return float(memory.peak_bytes)
