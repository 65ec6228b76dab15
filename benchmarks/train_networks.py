"""Images per second and peak memory of every network in training, at its paper's size, batch 4.

As a share of the 16 GB that the card of REUnet's paper had: what REUnet takes, with its activations
computed again. On a GPU that is the memory of its tensors; on a CPU that of the whole process. The
table of all networks is in the detail, with the bytes of tensors alone that a step holds, counted
without computing it, for both forms: these are the same on every machine.
"""

import json
import subprocess
import sys
from typing import Any

import torch

from benchmarks._result import Result
from benchmarks._training import device_name, threads
from segrepro import losses, models
from segrepro.inference._live_memory import LiveMemory
from segrepro.models._facts import facts_of
from segrepro.training._recompute import recompute_activations

CARD_BYTES = 16e9
BATCH = 4
LARGE = "reunet"
FORMS = {"plain": False, "recomputed": True}


def measure(device: str = "cpu") -> Result:
    """Return the share of that card's memory that REUnet takes, and the table."""
    table = {name: _rows(name, device) for name in models.names()}
    return Result(
        name="train_networks",
        ratio=table[LARGE]["recomputed"]["peak_bytes"] / CARD_BYTES,
        bar=1.0,
        at_least=False,
        detail={
            "networks": table,
            "card_bytes": CARD_BYTES,
            "device": device_name(device),
            "threads": threads(),
        },
    )


def _rows(name: str, device: str) -> dict[str, Any]:
    """Return a network's row for each form that is measured, and the bytes of its tensors."""
    # Without that, two thirds more than this card has, and than a machine of 24 GB.
    forms = [form for form in FORMS if not (name == LARGE and device == "cpu" and form == "plain")]
    rows: dict[str, Any] = {form: _measured(name, device, form) for form in forms}
    rows["tensor_bytes"] = {form: _tensor_bytes(name, FORMS[form]) for form in FORMS}
    return rows


def _measured(name: str, device: str, form: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks._one_network", name, device, str(BATCH), form]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(run.stdout)
    return found


def _tensor_bytes(name: str, recomputed: bool) -> int:
    """Return the bytes of weights, gradients, Adam's moments and features at the worst moment."""
    facts = facts_of(name)
    # Tensors of this device have shapes and no content.
    with torch.device("meta"):
        network = models.build(name, channels=facts.channels, classes=facts.classes)
        images = torch.empty(BATCH, facts.channels, *facts.size)
        wanted = torch.empty(BATCH, facts.classes, *facts.size)
        if recomputed:
            recompute_activations(network)
        moments = 2 * sum(4 * parameter.numel() for parameter in network.parameters())
        memory = LiveMemory([*network.state_dict().values(), images, wanted])
        with memory:
            losses.build("binary_cross_entropy", {})(network(images), wanted).backward()
    return memory.peak_bytes + moments
