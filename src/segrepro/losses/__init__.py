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


def modules(name: str, options: dict[str, Any]) -> list[str]:
    """Return the modules that make a loss of these options: its own, and those of its parts.

    For code digests, which do not see a module that is found by name when a run starts.

    Raises
    ------
    UserError
        If the loss or one of its parts is unknown.
    """
    registry.check_known(name, names(), kind="loss")
    found = [f"{__name__}.{name}"]
    # Options are checked when the loss is built; here they may still be anything.
    parts = options.get("parts")
    for part in parts if isinstance(parts, list | tuple) else ():
        match part:
            case {"name": str(part_name), "options": dict(part_options)}:
                found += modules(part_name, part_options)
            case {"name": str(part_name)}:
                found += modules(part_name, {})
    return found
