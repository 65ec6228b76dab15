"""One file per loss: ``Config`` and ``build(config) -> Loss``."""

from typing import TYPE_CHECKING, Any, Protocol

from segrepro import registry

if TYPE_CHECKING:
    from torch import Tensor


class Loss(Protocol):
    """What a network learns to make small."""

    def __call__(self, logits_nkhw: "Tensor", targets_nkhw: "Tensor", /) -> "Tensor":
        """Return a scalar in single precision, for targets of the same shape, in 0..1."""


def names() -> list[str]:
    """Return the names of all losses."""
    return registry.names(__name__)


def build(name: str, options: dict[str, Any]) -> Loss:
    """Return the loss that a file of this folder makes of these options.

    Raises
    ------
    UserError
        If the loss or one of its options is unknown, or an option's value is wrong.
    """
    module = registry.load(__name__, name, kind="loss")
    config = registry.configured(module, options, what=f"loss {name!r}")
    loss: Loss = module.build(config)
    return loss
