"""Binary cross-entropy of every pixel and class (MultiResUNet, section 6.3, Equations 2 and 3)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, NonNegativeFloat
from torch import Tensor
from torch.nn import functional

from segrepro.losses import Loss
from segrepro.losses._channels import weighted


class Config(BaseModel):
    """The options of this loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reduction: Literal["mean", "sum_over_pixels"] = "mean"
    """``sum_over_pixels``: summed over the pixels and classes of an image, then averaged over the
    images, as Equations 2 and 3 say. ``mean``: over everything, as the authors' Keras code does."""
    class_weights: tuple[NonNegativeFloat, ...] = ()
    """By which the losses of a class are multiplied, pixels within and without; none: all by 1."""


def build(config: Config) -> Loss:
    """Return the loss: (N, K, H, W) logits and targets in 0..1 -> a scalar."""

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        # In half precision the sum over 65,536 pixels has three digits.
        entropy = functional.binary_cross_entropy_with_logits(
            logits_nkhw.float(), targets_nkhw.float(), reduction="none"
        )
        entropy = weighted(entropy, config.class_weights)
        if config.reduction == "sum_over_pixels":
            return entropy.flatten(1).sum(dim=1).mean()
        return entropy.mean()

    return loss
