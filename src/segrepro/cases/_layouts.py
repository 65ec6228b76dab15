"""Which layout of a data set lies in a folder."""

from collections.abc import Iterator
from pathlib import Path

from segrepro.datasets._protocols import DatasetModule
from segrepro.datasets._types import Layout

DEEPEST = 3
"""Folders that an archive may wrap around a layout."""


def complete_layout(module: DatasetModule, folder: Path) -> Layout | None:
    """Return the first layout of which every required file is in `folder`, or ``None``."""
    for layout in module.LAYOUTS:
        if all(found(pattern, folder) for pattern in layout.required):
            return layout
    return None


def root_of(module: DatasetModule, folder: Path) -> Path | None:
    """Return the shallowest folder, `folder` or one below it, that holds a complete layout."""
    return next((root for root in _folders(folder) if complete_layout(module, root)), None)


def _folders(folder: Path) -> Iterator[Path]:
    level = [folder]
    for _ in range(DEEPEST + 1):
        yield from level
        level = sorted(
            path
            for parent in level
            for path in parent.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )


def matches(layout: Layout, folder: Path) -> list[Path]:
    """Return all files in `folder` that belong to a layout, sorted."""
    patterns = layout.required + layout.optional
    return sorted({path for pattern in patterns for path in found(pattern, folder)})


def found(pattern: str, folder: Path) -> list[Path]:
    """Return the files in `folder` that match a pattern; hidden ones are none."""
    # is_file: a link that leads nowhere is no file.
    files = (path for path in folder.glob(pattern) if path.is_file())
    return [path for path in files if not is_hidden(path.relative_to(folder))]


def is_hidden(path: Path) -> bool:
    """Tell whether a part of a relative path begins with a dot."""
    return any(part.startswith(".") for part in path.parts)


def wanted(module: DatasetModule) -> str:
    """Return in words what is looked for."""
    return " or ".join(" + ".join(layout.required) for layout in module.LAYOUTS)
