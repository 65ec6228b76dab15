"""The shape of a file in this folder, for the type checker."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from segrepro.datasets._types import Card, Case, Layout, Listing, Remark, Source


class DatasetModule(Protocol):
    """What every data-set file defines."""

    CARD: Card
    SOURCES: tuple[Source, ...]
    LAYOUTS: tuple[Layout, ...]
    """In order of preference."""

    def list_cases(self, raw: Path) -> Listing:
        """Return what there is to read below `raw`; a `UserError` names a missing or odd file.

        Everything that needs a look at the whole folder is done here: pairs, groups, duplicates.
        """
        ...

    def read_case(self, found: Any) -> Case | Remark:  # noqa: ANN401 - each file has its own type
        """Read one case of the listing, or say why it is left out; it may run in any process."""
        ...

    def iter_cases(self, raw: Path) -> Iterator[Case]:
        """Yield the cases below `raw`, in a stable order; a `UserError` names a wrong file."""
        ...
