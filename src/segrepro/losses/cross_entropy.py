"""Cross-entropy of every pixel over classes that exclude each other (Ken, section III.B)."""

from pydantic import BaseModel, ConfigDict, NonNegativeFloat
from torch import Tensor
from torch.nn import functional

from segrepro.losses import Loss
from segrepro.losses._channels import check_several, weighted


class Config(BaseModel):
    """The options of this loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    class_weights: tuple[NonNegativeFloat, ...] = ()
    """By which a pixel's loss is multiplied, for each class it may be of; the background first.
    The mean is over the pixels, as in Keras, and not over their weights. None: all weigh 1."""


def build(config: Config) -> Loss:
    """Return the loss: (N, K, H, W) logits and one-hot targets, background first -> a scalar."""

    def loss(logits_nkhw: Tensor, targets_nkhw: Tensor, /) -> Tensor:
        check_several(logits_nkhw, what="cross_entropy")
        entropy = -targets_nkhw.float() * functional.log_softmax(logits_nkhw.float(), dim=1)
        return weighted(entropy, config.class_weights).sum(dim=1).mean()

    return loss
