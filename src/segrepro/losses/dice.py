"""Soft Dice: one minus twice the overlap over the summed sizes (Milletari 2016), by MONAI."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, PositiveFloat
from torch import Tensor

from segrepro.errors import UserError
from segrepro.losses import Loss
from segrepro.losses._channels import check_several


class Config(BaseModel):
    """The options of this loss. The papers differ in every one of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    outputs: Literal["sigmoid", "softmax"] = "sigmoid"
    over: Literal["image", "batch"] = "image"
    """What an overlap is measured on: each image, or the batch as one image (X-Net, D-UNet)."""
    smoothing: PositiveFloat = 1e-5
    """Added to numerator and denominator, for images without the class. X-Net's code has none,
    D-UNet's 1."""
    squared: bool = False
    """Whether sizes are sums of squares (V-Net, D-UNet)."""
    background: bool = True
    """Whether the first output counts; choose false where that is a softmax's background."""


def build(config: Config) -> Loss:
    """Return the loss: (N, K, H, W) logits and targets in 0..1 -> a scalar, the classes' mean."""
    from monai.losses.dice import DiceLoss  # noqa: PLC0415 - three seconds, for those who use it

    softmax = config.outputs == "softmax"
    theirs = DiceLoss(
        sigmoid=not softmax,
        softmax=softmax,
        include_background=config.background,
        batch=config.over == "batch",
        squared_pred=config.squared,
        smooth_nr=config.smoothing,
        smooth_dr=config.smoothing,
    )

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        # MONAI would go on, without the softmax or with the background.
        if softmax:
            check_several(logits_nkhw, what="dice of a softmax")
        if not config.background and logits_nkhw.shape[1] == 1:
            raise UserError(
                "dice without the background leaves nothing: the network has one output.",
                "Remove `background: false` from the loss, or choose `outputs: softmax`.",
            )
        found: Tensor = theirs(logits_nkhw.float(), targets_nkhw.float())
        return found

    return loss
