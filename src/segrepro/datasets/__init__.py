"""One file per data set: ``CARD``, ``SOURCES``, ``LAYOUTS`` and ``iter_cases(raw)``."""

from typing import cast

from segrepro import registry
from segrepro.datasets._protocols import DatasetModule

PHANTOM_SUFFIX = "-phantom"
"""Marks synthetic raw data; the data set's own file reads them."""


def names() -> list[str]:
    """Return the names of all data sets, phantoms not counted."""
    return registry.names(__name__)


def base_name(name: str) -> str:
    """Return the name of the file that reads `name`: ``isbi2012`` for ``isbi2012-phantom``."""
    return name.removesuffix(PHANTOM_SUFFIX)


def is_phantom(name: str) -> bool:
    """Tell whether `name` means synthetic data."""
    return name.endswith(PHANTOM_SUFFIX)


def load(name: str) -> DatasetModule:
    """Return the module that reads a data set or its phantom.

    Raises
    ------
    UserError
        If there is no such data set; it lists those there are.
    """
    return cast("DatasetModule", registry.load(__name__, base_name(name), kind="dataset"))
