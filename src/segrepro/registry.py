"""The folder is the registry: what can be named is what has a file."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import BaseModel, ValidationError

from segrepro.errors import UserError


def names(package: str) -> list[str]:
    """Return the sorted names of the public modules in a package's folder.

    Parameters
    ----------
    package
        Dotted name, such as ``"segrepro.models"``. Files that begin with an underscore are
        helpers, not entries. Nothing in the folder is imported.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(package)
    folder = Path(next(iter(spec.submodule_search_locations)))
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def check_known(name: str, known: list[str], *, kind: str) -> None:
    """Raise a `UserError` that lists what is known unless `name` is among it."""
    if name not in known:
        near = get_close_matches(name, known, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        raise UserError(f"unknown {kind} {name!r}.", f"{hint}Known: {', '.join(known) or 'none'}.")


def load(package: str, name: str, *, kind: str) -> ModuleType:
    """Import the entry `name` of a registry folder, or say which entries there are."""
    check_known(name, names(package), kind=kind)
    return import_module(f"{package}.{name}")


def configured(module: ModuleType, options: Mapping[str, Any], *, what: str) -> BaseModel:
    """Return an entry's ``Config`` of some options.

    Raises
    ------
    UserError
        If an option is unknown or its value is wrong; it names the options there are.
    """
    try:
        config: BaseModel = module.Config(**options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{what}: option {where!r}: {first['msg'].lower()}.",
            f"Its options are: {', '.join(module.Config.model_fields) or 'none'}.",
        ) from error
    return config
