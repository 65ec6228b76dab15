"""Seconds of each network's forward pass, against its bare convolutions and matrix products.

One image of 128x128 or 32x32x32, smaller than the papers' so that all networks take a few minutes,
fp32, no gradients. The reference executes the same convolutions and matrix products in the same
order, with the same weights, on prepared inputs: what the arithmetic alone takes.
"""

import os
from collections.abc import Callable
from importlib import import_module
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from benchmarks._result import REPETITIONS, Result, median_ratio
from segrepro import models

BAR = 1.5
SCANNING = ("mambaunet", "vmunet")
"""Shown and not held to the bar: their selective scans are neither convolutions nor matrix
products, and take most of their time. The benchmark `selective_scan` measures these."""
SIZES = {2: (128, 128), 3: (32, 32, 32)}
"""By the number of dimensions of a network's images."""

aten = torch.ops.aten
ARITHMETIC = {
    aten.convolution.default,
    aten.addmm.default,
    aten.mm.default,
    aten.bmm.default,
    aten.baddbmm.default,
}


def measure() -> Result:
    """Return the worst ratio of all networks whose work is convolutions and matrix products."""
    threads = os.cpu_count() or 1
    torch.set_num_threads(threads)
    networks = {name: _measure_one(name) for name in models.names()}
    return Result(
        name="forward_vs_arithmetic",
        ratio=max(found["ratio"] for name, found in networks.items() if name not in SCANNING),
        bar=BAR,
        at_least=False,
        detail={
            "networks": networks,
            "not_held_to_the_bar": SCANNING,
            "above_the_bar": [name for name, found in networks.items() if found["ratio"] > BAR],
            "repetitions": REPETITIONS,
            "device": "cpu",
            "threads": threads,
        },
    )


def _measure_one(name: str) -> dict[str, Any]:
    facts = import_module(f"segrepro.models.{name}").FACTS
    size = SIZES[len(facts.size)]
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        options = _options(name, side=size[0])
        network = models.build(
            name, channels=facts.channels, classes=facts.classes, **options
        ).eval()
        images = torch.rand(1, facts.channels, *size)
        if len(size) == 2:  # as training and prediction have them
            # Not `network.to`: it refuses D-UNet's 3D kernels.
            for weights in network.parameters():
                if weights.dim() == 4:
                    weights.data = weights.data.to(memory_format=torch.channels_last)
            images = images.to(memory_format=torch.channels_last)
        arithmetic = _Arithmetic(network)
        with arithmetic:
            network(images)
        forward, bare = [], []
        for _ in range(REPETITIONS):
            bare.append(_seconds(arithmetic.replay))
            forward.append(_seconds(lambda: network(images)))
    return {
        "ratio": round(median_ratio(forward, bare), 3),
        "forward_seconds": round(median(forward), 4),
        "arithmetic_seconds": round(median(bare), 4),
        "operations": len(arithmetic.calls),
        "input": [1, facts.channels, *size],
    }


def _options(name: str, *, side: int) -> dict[str, int]:
    """Return what makes a network take images of this size where it is built for one."""
    fields = import_module(f"segrepro.models.{name}").Config.model_fields
    return {"image_size": side} if "image_size" in fields else {}


class _Arithmetic(TorchDispatchMode):  # type: ignore[misc] - PyTorch does not type its constructor
    """Note the convolutions and matrix products of a forward pass, with inputs of their own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.calls: list[Callable[[], Tensor]] = []
        self._weights = {parameter.data_ptr() for parameter in network.parameters()}
        self._inputs: dict[tuple[Any, ...], Tensor] = {}

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - the signature is PyTorch's
        types: Any,  # noqa: ANN401 - as above
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - as above
        """Run an operation, and keep it with prepared inputs if it is arithmetic."""
        kwargs = kwargs or {}
        if func in ARITHMETIC:
            prepared = tree_map_only(Tensor, self._prepared, args)
            self.calls.append(lambda: func(*prepared, **kwargs))
        return func(*args, **kwargs)

    def _prepared(self, tensor: Tensor) -> Tensor:
        """Return a weight as it is, and for features one tensor for each layout there is."""
        if tensor.data_ptr() in self._weights:
            return tensor
        key = (tensor.shape, tensor.stride())
        if key not in self._inputs:
            self._inputs[key] = tensor.clone(memory_format=torch.preserve_format)
        return self._inputs[key]

    def replay(self) -> None:
        """Execute what was noted, in order."""
        for call in self.calls:
            call()


def _seconds(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
