"""Focal loss: binary cross-entropy that looks away from what is easy (Lin 2017), by MONAI."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat
from torch import Tensor

from segrepro.losses import Loss


class Config(BaseModel):
    """The options of this loss; the defaults are those of Lin 2017, section 4.1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gamma: NonNegativeFloat = 2.0
    """Exponent of the probability of the wrong answer; 0 is binary cross-entropy."""
    alpha: Annotated[float, Field(ge=0, le=1)] | None = 0.25
    """Weight of the pixels of a class; one minus it that of all others. None: both weigh 1."""


def build(config: Config) -> Loss:
    """Return the loss: (N, K, H, W) logits and targets in 0..1 -> a scalar, the pixels' mean."""
    from monai.losses.focal_loss import FocalLoss  # noqa: PLC0415 - three seconds, for those who use it

    theirs = FocalLoss(gamma=config.gamma, alpha=config.alpha)

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        found: Tensor = theirs(logits_nkhw.float(), targets_nkhw.float())
        return found

    return loss
