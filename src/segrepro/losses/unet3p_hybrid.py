"""UNet 3+'s hybrid loss (Huang 2020): focal loss, one minus MS-SSIM, one minus IoU, summed.

Focal loss looks at pixels, multi-scale structural similarity at patches, intersection over union
at the whole map. The paper leaves alpha and gamma to Lin 2017 and the exponents to Wang 2003, and
says nothing of a smoothing of the IoU: here 1e-5, so that an empty map has one.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat
from torch import Tensor

from segrepro.losses import Loss, focal
from segrepro.losses._ms_ssim import ms_ssim


class Config(BaseModel):
    """The options of this loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gamma: NonNegativeFloat = 2.0
    alpha: Annotated[float, Field(ge=0, le=1)] | None = 0.25
    iou_smoothing: PositiveFloat = 1e-5


def build(config: Config) -> Loss:
    """Return the loss: (N, K, H, W) logits and targets in 0..1 -> a scalar."""
    from monai.losses.dice import DiceLoss  # noqa: PLC0415 - three seconds, for those who use it

    focal_loss = focal.build(focal.Config(gamma=config.gamma, alpha=config.alpha))
    iou_loss = DiceLoss(
        jaccard=True, smooth_nr=config.iou_smoothing, smooth_dr=config.iou_smoothing
    )

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        found, wanted = torch.sigmoid(logits_nkhw.float()), targets_nkhw.float()
        unlike = 1 - ms_ssim(found, wanted).mean()
        total: Tensor = focal_loss(logits_nkhw, targets_nkhw) + unlike + iou_loss(found, wanted)
        return total

    return loss
