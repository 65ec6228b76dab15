"""The arrow ``complexity``: how large, slow and hungry a network is for one image."""

import time
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.files import write_json
from segrepro.inference._live_memory import LiveMemory
from segrepro.models._count import count, multiply_adds
from segrepro.models._facts import facts_of
from segrepro.protocol.stages import ComplexityStage, Network
from segrepro.training._machine import reproducible

REPETITIONS = 5


def complexity(stage: ComplexityStage, *, out: Path, threads: int) -> None:
    """Write the size and the cost of an untrained network, on the CPU and for one image.

    Parameters
    ----------
    stage
        The network, and the input for which the paper states its size.
    out
        A JSON file. ``parameters_total`` counts running means and variances as Keras does;
        ``multiply_adds`` counts convolutions and matrix products; ``weight_bytes`` is the size of
        all these parameters; ``latency_seconds`` is the median of five forward passes after one
        that is not counted; ``peak_memory_bytes`` is the most that weights, input and features
        alive at the same time take in a forward pass, without what a library needs for itself;
        ``from_scratch_instead_of`` names the pretrained weights that its paper begins with and
        this network does not, and is empty if there are none.
    threads
        Threads of PyTorch; they move the latency and nothing else.
    """
    counted_with = stage.counted_with
    with reproducible(threads=threads), torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = models.build(
            stage.network.name,
            channels=counted_with.channels,
            classes=counted_with.classes,
            # Which weights it holds moves none of these numbers.
            **stage.network.from_scratch().options,
        ).eval()
        images = torch.rand(1, counted_with.channels, *counted_with.size)
        parameters = count(network)
        content = {
            "network": stage.network.name,
            "options": stage.network.options,
            "channels": counted_with.channels,
            "classes": counted_with.classes,
            "size": list(counted_with.size),
            "parameters_total": parameters.total,
            "parameters_trainable": parameters.trainable,
            # Also the pass that warms up.
            "multiply_adds": multiply_adds(network, images),
            "weight_bytes": parameters.total * images.element_size(),
            "latency_seconds": latency_seconds(network, images),
            "peak_memory_bytes": peak_memory_bytes(network, images),
            "from_scratch_instead_of": from_scratch_instead_of(stage.network),
        }
    write_json(out, content)


def from_scratch_instead_of(network: Network) -> str:
    """Return the weights that the network's paper begins with, empty if this network does too."""
    return "" if network.pretrained else facts_of(network.name).pretraining


def latency_seconds(network: nn.Module, images: Tensor) -> float:
    """Return the median time of a forward pass."""
    seconds: list[float] = []
    for _ in range(REPETITIONS):
        start = time.perf_counter()
        network(images)
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def peak_memory_bytes(network: nn.Module, images: Tensor) -> int:
    """Return the most bytes of weights, input and features that are alive at the same time."""
    memory = LiveMemory([*network.state_dict().values(), images])
    with memory:
        network(images)
    return memory.peak_bytes
