"""Seconds of the selective scan, forward and backward, against the arithmetic that it cannot avoid.

At the largest stage of the Mamba networks for one image of 256x256: 4096 steps, 768 channels (four
directions of 192), 16 states, float32, two threads. The reference takes, over as many numbers, two
exponentials and sixteen multiplications and additions, the fewest that a state and its gradient
need (counted below), on blocks that stay in the cache and in no order: a ratio of 1 would be a scan
whose steps wait for nothing and whose sums are free. A quiet
machine measured 3; the bar leaves room for a busy one.

It passes only if it also meets, on two cores, 0.2 s forward, 0.7 s forward and backward, and
250 MB beside its inputs, its output and gradients among them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import torch
from torch import Tensor

from benchmarks._result import REPETITIONS, Result, median_ratio
from segrepro.inference._live_memory import LiveMemory
from segrepro.models._selective_scan import selective_scan

BAR = 4.0
FORWARD_SECONDS, SECONDS, EXTRA_BYTES = 0.2, 0.7, 250e6
IMAGES, STEPS, GROUPS, CHANNELS, STATES = 1, 4096, 4, 192, 16
THREADS = 2

EXPONENTIALS = 2
"""Of each state: a_t, and again in the backward pass, which cannot keep them."""
FORWARD_OPERATIONS = 4
"""d A, d x B, a h + b, and C h with its sum."""
BACKWARD_OPERATIONS = 12
"""The first three again; C y', its sum with what comes from the right, times a; the sums that give
the gradients of B, C and d x; times h, and the sums of that for the gradients of d and A."""
BLOCK = 2**18


@dataclass(frozen=True, kw_only=True)
class _Bounded(Result):
    """Also held to bars in seconds and bytes, which stand in the detail."""

    @property
    def ok(self) -> bool:
        """Whether all bars are met."""
        return super().ok and not self.detail["absolute_bars_missed"]


def measure() -> Result:
    """Return how many times the unavoidable arithmetic the scan takes, with its gradient."""
    threads = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    try:
        return _measured()
    finally:
        torch.set_num_threads(threads)


def _measured() -> Result:
    given = _inputs()
    forward, both, floor = [], [], []
    _floor(), _forward(given)  # what runs first also warms up
    for _ in range(REPETITIONS):
        floor.append(_seconds(_floor))
        forward.append(_seconds(lambda: _forward(given)))
        both.append(_seconds(lambda: _forward_and_backward(given)))
    extra_bytes = _extra_bytes(given)
    bars = {
        "forward_seconds": (median(forward), FORWARD_SECONDS),
        "forward_and_backward_seconds": (median(both), SECONDS),
        "extra_bytes": (extra_bytes, EXTRA_BYTES),
    }
    return _Bounded(
        name="selective_scan",
        ratio=median_ratio(both, floor),
        bar=BAR,
        at_least=False,
        detail={
            **{name: round(value, 4) for name, (value, _) in bars.items()},
            "absolute_bars": {name: bar for name, (_, bar) in bars.items()},
            "absolute_bars_missed": [name for name, (value, bar) in bars.items() if value > bar],
            "floor_seconds": round(median(floor), 4),
            "input": [IMAGES, STEPS, GROUPS, CHANNELS, STATES],
            "repetitions": REPETITIONS,
            "device": "cpu",
            "threads": THREADS,
        },
    )


def _inputs() -> dict[str, Tensor]:
    """Return inputs whose steps and rates are those that the networks begin with."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    given = {
        "inputs_nlgc": normal(IMAGES, STEPS, GROUPS, CHANNELS),
        "delta_nlgc": normal(IMAGES, STEPS, GROUPS, CHANNELS),
        "rates_gcs": -torch.arange(1.0, STATES + 1).repeat(GROUPS, CHANNELS, 1),
        "write_nlgs": normal(IMAGES, STEPS, GROUPS, STATES),
        "read_nlgs": normal(IMAGES, STEPS, GROUPS, STATES),
        "direct_gc": torch.ones(GROUPS, CHANNELS),
        "bias_gc": torch.full((GROUPS, CHANNELS), -4.6),
    }
    return {name: tensor.requires_grad_() for name, tensor in given.items()}


def _forward(given: dict[str, Tensor]) -> None:
    with torch.no_grad():
        selective_scan(**given)


def _forward_and_backward(given: dict[str, Tensor]) -> None:
    for tensor in given.values():
        tensor.grad = None
    selective_scan(**given).sum().backward()


def _floor() -> None:
    """Compute as many exponentials and multiply-adds as there must be, in the cache."""
    values = torch.full((BLOCK,), -0.01)
    other, result = torch.full_like(values, 0.5), torch.empty_like(values)
    for _ in range(IMAGES * STEPS * GROUPS * CHANNELS * STATES // BLOCK):
        for _ in range(EXPONENTIALS):
            torch.exp(values, out=result)
        for _ in range(FORWARD_OPERATIONS + BACKWARD_OPERATIONS):
            torch.addcmul(values, other, other, out=result)


def _extra_bytes(given: dict[str, Tensor]) -> int:
    for tensor in given.values():
        tensor.grad = None
    memory = LiveMemory(given.values())
    held = memory.live_bytes
    with memory:
        selective_scan(**given).sum().backward()
    return memory.peak_bytes - held


def _seconds(work: Callable[[], None]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
