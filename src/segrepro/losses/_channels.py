"""What losses ask about the channels of a network's output, and how they weigh them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from segrepro.errors import UserError


def weighted(losses_nkhw: Tensor, class_weights: Sequence[float]) -> Tensor:
    """Return losses of pixels and classes, each times the weight of its class, if there are any.

    Raises
    ------
    UserError
        If there are not as many weights as channels.
    """
    if not class_weights:
        return losses_nkhw
    channels = losses_nkhw.shape[1]
    if len(class_weights) != channels:
        raise UserError(
            f"the loss has {len(class_weights)} class_weights, but the network {channels} outputs.",
            "Give one weight for each output; of a softmax the background is the first.",
        )
    weights_k = torch.tensor(class_weights, dtype=losses_nkhw.dtype, device=losses_nkhw.device)
    return losses_nkhw * weights_k.view(-1, *[1] * (losses_nkhw.dim() - 2))


def check_several(logits_nkhw: Tensor, *, what: str) -> None:
    """Raise a `UserError` if a network has one output only, where `what` needs several."""
    if logits_nkhw.shape[1] == 1:
        raise UserError(
            f"{what} needs the background and the classes as outputs, but the network has one.",
            "Choose `outputs: softmax` in the recipe, or a loss for a sigmoid.",
        )
