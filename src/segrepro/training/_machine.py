"""The machine a run computes on: device, threads, precision, and no operation left to chance."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment

from segrepro.errors import UserError

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {"fp32": "32-true", "bf16": "bf16-mixed"}
"""The recipe's words in Fabric's."""


@contextmanager
def reproducible(*, threads: int) -> Iterator[None]:
    """Let PyTorch compute the same bits every time, and leave its settings as they were."""
    # A module with a property, which type checkers cannot see.
    deterministic: Any = torch.utils.deterministic
    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    fill_before = deterministic.fill_uninitialized_memory
    tf32_before = torch.backends.cudnn.allow_tf32
    # cuBLAS reads this when it starts, and refuses to be deterministic without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # A debugging aid that comes with the line above: it writes NaN into every fresh tensor.
    deterministic.fill_uninitialized_memory = False
    # On by default for convolutions, with 10 bits of mantissa: not what a recipe means by fp32.
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = tf32_before
        deterministic.fill_uninitialized_memory = fill_before
        torch.use_deterministic_algorithms(deterministic_before)
        torch.set_num_threads(threads_before)


def parsed_device(device: str) -> torch.device:
    """Return the device of that name, ``cpu`` or ``cuda`` or ``cuda:1``, if it is here."""
    try:
        parsed = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"unknown device {device!r}.", "Known: cpu, cuda, cuda:N.") from error
    if parsed.type not in ("cpu", "cuda"):
        raise UserError(f"unknown device {device!r}.", "Known: cpu, cuda, cuda:N.")
    if parsed.type == "cuda" and (parsed.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"device {device!r} is not here: PyTorch sees {torch.cuda.device_count()} of its kind.",
            "Choose device cpu, or install a driver and a build of PyTorch for it.",
        )
    return parsed


def fabric_for(device: torch.device, *, precision: str) -> Fabric:
    """Return Lightning Fabric for one device and ``fp32`` or ``bf16``."""
    return Fabric(
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        precision=PRECISIONS[precision],
        # Without this, Fabric would take its world from the variables of a Slurm job.
        plugins=[LightningEnvironment()],
    )


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most memory of the device held so far: of the whole process if it is the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
