"""All that a run has learnt so far: what a restart must bring back."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Epoch:
    """A row of ``history.csv``."""

    epoch: int
    """Counted from 1."""
    train_loss: float
    """Mean over the training slices, each at the weights it was shown to."""
    selection_loss: float | None
    """Mean over the slices of the selection part; ``None`` if there is no such part."""
    selection_monitor: float | None
    """The recipe's monitor on the selection part; ``None`` if there is no such part."""
    learning_rate: float
    """Of the last step."""


@dataclass(kw_only=True)
class Progress:
    """How far a run has come; everything here is text in a state file."""

    epoch: int = 1
    """The epoch under way, counted from 1; one more than the recipe has when all is done."""
    step: int = 0
    """Steps taken in this epoch."""
    history: list[Epoch] = field(default_factory=list)
    best_epoch: int | None = None
    best_monitor: float | None = None
    resumed_times: int = 0
    seconds: float = 0.0
    """Time spent, without what was lost when a run was stopped."""
    epoch_began_at: float = 0.0
    """The value of `seconds` when this epoch began."""
    seconds_per_epoch: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class Learner:
    """A network in training. A loss is a scalar tensor so that no step waits for the device."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    loss_sum: Tensor
    """Of the slices shown in this epoch; float64, shape ()."""
    best_weights: dict[str, Tensor] | None = None
    progress: Progress = field(default_factory=Progress)


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of all weights and statistics, by name."""
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
