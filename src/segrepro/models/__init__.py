"""One file per network: ``Config`` and ``build(config, *, channels, classes)``."""

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from segrepro import registry
from segrepro.errors import UserError

if TYPE_CHECKING:
    from torch import nn


def names() -> list[str]:
    """Return the names of all networks."""
    return registry.names(__name__)


def build(name: str, *, channels: int, classes: int, **options: Any) -> "nn.Module":  # noqa: ANN401
    """Return an untrained network that maps (N, channels, H, W) to (N, classes, H, W) logits.

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
    try:
        config = module.Config(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"model {name!r}: option {where!r}: {first['msg'].lower()}.",
            f"Its options are: {', '.join(module.Config.model_fields) or 'none'}.",
        ) from error
    network: nn.Module = module.build(config, channels=channels, classes=classes)
    return network
