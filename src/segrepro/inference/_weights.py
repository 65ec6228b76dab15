"""A network with the weights of a file."""

from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.protocol.stages import Network


def trained(network: Network, weights: Path, *, channels: int, classes: int) -> nn.Module:
    """Return the network with these weights, ready to predict.

    Raises
    ------
    UserError
        If the file is missing or damaged, or holds the weights of another network.
    """
    built = models.build(network.name, channels=channels, classes=classes, **network.options)
    stored = _read(weights)
    if misfit := _misfit(built.state_dict(), stored):
        raise UserError(
            f"{weights} does not fit {network.name} with {channels} channels and {classes} classes:"
            f" {misfit}.",
            "Train this run again, or predict with the network and options it was trained with.",
        )
    built.load_state_dict(stored)
    return built.eval()


def _read(weights: Path) -> dict[str, Tensor]:
    if not weights.is_file():
        raise UserError(f"no weights at {weights}.", "Train this run first.")
    try:
        return safetensors.torch.load_file(weights)
    except SafetensorError as error:
        raise UserError(f"{weights} is damaged: {error}.", "Train this run again.") from error


def _misfit(wanted: dict[str, Tensor], stored: dict[str, Tensor]) -> str:
    """Return the first difference in words, empty if there is none."""
    if missing := sorted(wanted.keys() - stored.keys()):
        return f"it lacks {missing[0]!r}"
    if unknown := sorted(stored.keys() - wanted.keys()):
        return f"it holds an unknown {unknown[0]!r}"
    for name, tensor in wanted.items():
        if tensor.shape != stored[name].shape:
            shapes = " instead of ".join(str(tuple(t.shape)) for t in (stored[name], tensor))
            return f"{name!r} has shape {shapes}"
    return ""
