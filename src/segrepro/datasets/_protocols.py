"""The shape of a file in this folder, for the type checker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from segrepro.datasets._types import Card, Case, Layout, Source


class DatasetModule(Protocol):
    """What every data-set file defines."""

    CARD: Card
    SOURCES: tuple[Source, ...]
    LAYOUTS: tuple[Layout, ...]
    """In order of preference."""

    def iter_cases(self, raw: Path) -> Iterator[Case]:
        """Yield the cases below `raw`, in a stable order; a `UserError` names a wrong file."""
        ...
