"""The machine a run computes on: device, threads, precision, and no operation left to chance."""

import importlib
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from segrepro.errors import UserError

PRECISIONS: dict[str, Literal["32-true", "bf16-mixed"]] = {
    "fp32": "32-true",
    "tf32": "32-true",
    "bf16": "bf16-mixed",
}
"""The recipe's words in Fabric's."""


@contextmanager
def reproducible(*, threads: int, precision: str = "fp32") -> Iterator[None]:
    """Let PyTorch compute the same bits every time, and leave its settings as they were."""
    # A module with a property, which type checkers cannot see.
    deterministic: Any = torch.utils.deterministic
    threads_before = torch.get_num_threads()
    deterministic_before = torch.are_deterministic_algorithms_enabled()
    fill_before = deterministic.fill_uninitialized_memory
    tf32_before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    # cuBLAS reads this when it starts, and refuses to be deterministic without it.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    # A debugging aid that comes with the line above: it writes NaN into every fresh tensor.
    deterministic.fill_uninitialized_memory = False
    # On by default for convolutions, with 10 bits of mantissa: not what a recipe means by fp32.
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32_before
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


def fabric_for(device: torch.device, *, precision: str, devices: int = 1) -> Fabric:
    """Return Lightning Fabric for one device, or for so many of its kind side by side."""
    one = [device.index or 0] if device.type == "cuda" else 1
    return Fabric(
        accelerator=device.type,
        devices=one if devices == 1 else devices,
        strategy="auto" if devices == 1 else DDPStrategy(start_method="spawn"),
        precision=PRECISIONS[precision],
        # Without this, Fabric would take its world from the variables of a Slurm job.
        plugins=[LightningEnvironment()],
    )


def peak_host_bytes() -> int:
    """Return the most memory that this process held so far."""
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def peak_device_bytes(device: torch.device) -> int | None:
    """Return the most memory of a GPU that tensors held so far; ``None`` for the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def energy_joules(device: torch.device) -> float | None:
    """Return what a GPU has used since its driver started; ``None`` where nobody says."""
    if device.type != "cuda":
        return None
    try:
        # An optional package: NVIDIA's own, nvidia-ml-py.
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(
            f"GPU-{torch.cuda.get_device_properties(device).uuid}"
        )
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    # Drivers and cards that do not say raise an error class of that package.
    except Exception:  # noqa: BLE001
        return None
