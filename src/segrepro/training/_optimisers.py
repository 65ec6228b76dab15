"""From the recipe's words to PyTorch's optimisers."""

import torch
from torch import nn

from segrepro.protocol.recipe import SGD, Adam, AdamW, Optimiser, RMSprop


def optimiser_for(recipe: Optimiser, network: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network's parameters."""
    rate, decay = recipe.learning_rate, recipe.weight_decay
    parameters = network.parameters()
    if isinstance(recipe, Adam | AdamW):
        kind = torch.optim.Adam if isinstance(recipe, Adam) else torch.optim.AdamW
        betas = (recipe.beta1, recipe.beta2)
        return kind(parameters, lr=rate, betas=betas, eps=recipe.epsilon, weight_decay=decay)
    if isinstance(recipe, RMSprop):
        return torch.optim.RMSprop(
            parameters,
            lr=rate,
            alpha=recipe.smoothing,
            eps=recipe.epsilon,
            momentum=recipe.momentum,
            weight_decay=decay,
        )
    if isinstance(recipe, SGD):
        return torch.optim.SGD(
            parameters,
            lr=rate,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=decay,
        )
    raise TypeError(f"no optimiser for {type(recipe).__name__}")


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Let the next step of an optimiser use this learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
