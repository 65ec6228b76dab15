"""One file per network: ``Config`` and ``build(config, *, channels, classes)``."""

from typing import TYPE_CHECKING, Any

from segrepro import registry

if TYPE_CHECKING:
    from torch import nn


def names() -> list[str]:
    """Return the names of all networks."""
    return registry.names(__name__)


def build(name: str, *, channels: int, classes: int, **options: Any) -> "nn.Module":  # noqa: ANN401
    """Return an untrained network that maps (N, channels, H, W) to (N, classes, H, W) logits.

    With the option ``deep_supervision`` or ``auxiliary_head``, a network in training returns a
    tuple of such logits, each on the grid of the input and the main output first: a loss is needed
    for every one. In evaluation it returns the main output alone, as all other networks always do.

    Parameters
    ----------
    name
        A file of this folder.
    channels, classes
        Channels of the input and of the output.
    **options
        Fields of that file's ``Config``.

    Raises
    ------
    UserError
        If the network or one of its options is unknown, or an option's value is wrong.
    """
    module = registry.load(__name__, name, kind="model")
    config = registry.configured(module, options, what=f"model {name!r}")
    network: nn.Module = module.build(config, channels=channels, classes=classes)
    return network
