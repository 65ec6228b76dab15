"""The bare step on one batch that stays in memory: no order, no gathering, no bookkeeping.

Run as a program, it prints the seconds of an image: `python -m benchmarks._resident_step cpu 12`.
"""

import sys
from time import perf_counter

import torch

from benchmarks._training import BATCH, LEARNING_RATE, SIDE, fresh_network, threads
from segrepro import losses
from segrepro.training._allocator import keep_freed_memory
from segrepro.training._machine import reproducible
from segrepro.training.batches import with_channels_last


def seconds_per_image(device: str, *, steps: int) -> float:
    """Return the time of an image in so many steps, after one that is not counted."""
    network = with_channels_last(fresh_network().to(device)).train()
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    loss = losses.build("binary_cross_entropy", {})
    inputs = torch.rand(BATCH, 1, SIDE, SIDE).to(device, memory_format=torch.channels_last)
    wanted = (torch.rand(BATCH, 1, SIDE, SIDE) > 0.5).float().to(device)

    def step() -> None:
        optimiser.zero_grad()
        loss(network(inputs), wanted).backward()
        optimiser.step()

    step()
    _wait(device)
    began = perf_counter()
    for _ in range(steps):
        step()
    _wait(device)
    return (perf_counter() - began) / (steps * BATCH)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    # As our command does.
    keep_freed_memory()
    with reproducible(threads=threads()):
        print(seconds_per_image(sys.argv[1], steps=int(sys.argv[2])))
