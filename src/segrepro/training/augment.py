"""Vary training images; a placeholder for the function that is being written beside this file."""

import torch
from torch import Tensor

from segrepro.protocol.augmentation import Augmentation


def augmented(
    inputs_nchw: Tensor,
    masks_nhw: Tensor,
    augmentation: Augmentation,
    *,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return the arguments."""
    del augmentation, generator
    return inputs_nchw, masks_nhw
