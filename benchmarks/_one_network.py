"""Steps of one network at its paper's size, in a process of its own.

`python -m benchmarks._one_network reunet cpu 4 recomputed` prints what they took, as JSON.
"""

import json
import sys
from statistics import median
from time import perf_counter

import torch

from benchmarks._training import device_name, threads
from segrepro import losses, models
from segrepro.models._facts import facts_of
from segrepro.training._allocator import keep_freed_memory
from segrepro.training._machine import peak_device_bytes, peak_host_bytes, reproducible
from segrepro.training._recompute import recompute_activations
from segrepro.training.batches import with_channels_last

STEPS = 3
"""After one that is not counted; some networks take a minute for each on two cores."""


def steps_of(name: str, device: str, *, batch: int, recomputed: bool) -> dict[str, object]:
    """Return images per second and peak memory of a few steps."""
    facts, where = facts_of(name), torch.device(device)
    network = models.build(name, channels=facts.channels, classes=facts.classes)
    network = with_channels_last(network.to(where)).train()
    if recomputed:
        recompute_activations(network)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-4)
    loss = losses.build("binary_cross_entropy", {})
    images = torch.rand(batch, facts.channels, *facts.size)
    if images.dim() == 4:
        images = images.to(memory_format=torch.channels_last)
    images, wanted = images.to(where), torch.zeros(batch, facts.classes, *facts.size).to(where)
    seconds = []
    for _ in range(1 + STEPS):
        began = perf_counter()
        optimiser.zero_grad()
        taken = loss(network(images), wanted)
        taken.backward()
        optimiser.step()
        # It waits for the device, too.
        assert torch.isfinite(taken)
        seconds.append(perf_counter() - began)
    return {
        "input": [batch, facts.channels, *facts.size],
        "recomputed": recomputed,
        "images_per_second": round(batch / median(seconds[1:]), 4),
        "peak_bytes": peak_device_bytes(where) or peak_host_bytes(),
        "device": device_name(device),
    }


if __name__ == "__main__":
    network_name, device_word, images_at_a_time, form = sys.argv[1:]
    # As our command does.
    keep_freed_memory()
    with reproducible(threads=threads()):
        found = steps_of(
            network_name, device_word, batch=int(images_at_a_time), recomputed=form == "recomputed"
        )
    print(json.dumps(found))
