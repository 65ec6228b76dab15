"""One file per data set: ``write(raw, *, cases, seed)`` makes raw data in the published layout."""

from pathlib import Path
from typing import Protocol, cast

from segrepro import registry


class PhantomModule(Protocol):
    """What every phantom file defines."""

    def write(self, raw: Path, *, cases: int, seed: int) -> None:
        """Write synthetic raw files with as many labelled cases below the folder `raw`."""
        ...


def names() -> list[str]:
    """Return the names of the data sets that have a phantom."""
    return registry.names(__name__)


def load(name: str) -> PhantomModule:
    """Return the module that writes the phantom of the data set `name`.

    Raises
    ------
    UserError
        If there is none; it lists those there are.
    """
    return cast("PhantomModule", registry.load(__name__, name, kind="phantom"))
