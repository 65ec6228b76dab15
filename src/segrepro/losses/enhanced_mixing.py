"""Enhance Mixing Loss (D-UNet): focal loss minus the logarithm of the soft Dice coefficient.

As the authors' code has it (EML in Stroke_segment.py): alpha 0.48, gamma 1.1, squared sizes,
smoothing 1, the batch as one image. The code clips probabilities at 1e-7 from 0 and 1, which a
focal loss of logits does not need.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from segrepro.losses import Loss, focal


class Config(BaseModel):
    """The options of this loss; the defaults are those of the code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gamma: NonNegativeFloat = 1.1
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.48
    smoothing: PositiveFloat = 1.0


def build(config: Config) -> Loss:
    """Return the loss: (N, K, H, W) logits and targets in 0..1 -> a scalar."""
    focal_loss = focal.build(focal.Config(gamma=config.gamma, alpha=config.alpha))

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        found, wanted = torch.sigmoid(logits_nkhw.float()), targets_nkhw.float()
        # Not one minus `dice`: of a Dice of a millionth that keeps a digit, and a logarithm all.
        sizes = found.square().sum() + wanted.square().sum()
        dice = (2 * (found * wanted).sum() + config.smoothing) / (sizes + config.smoothing)
        return focal_loss(logits_nkhw, targets_nkhw) - dice.log()

    return loss
