"""A weighted sum of other losses, such as binary cross-entropy and Dice (X-Net)."""

from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat
from torch import Tensor

from segrepro import losses


class Part(BaseModel):
    """A file of this folder, its options, and what it counts for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    options: dict[str, Any] = Field(default_factory=dict)
    weight: PositiveFloat = 1.0


class Config(BaseModel):
    """The options of this loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parts: Annotated[tuple[Part, ...], Field(min_length=1)]


def build(config: Config) -> losses.Loss:
    """Return the loss: (N, K, H, W) logits and targets in 0..1 -> a scalar.

    Raises
    ------
    UserError
        If a part or one of its options is unknown.
    """
    parts = [(part.weight, losses.build(part.name, part.options)) for part in config.parts]

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        each = [weight * part(logits_nkhw, targets_nkhw) for weight, part in parts]
        return torch.stack(each).sum()

    return loss
