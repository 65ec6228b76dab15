"""Compare a user's copy of a data set with what is known of the published one."""

from collections.abc import Iterator
from pathlib import Path

from segrepro import datasets
from segrepro.cases._layouts import found, root_of, wanted
from segrepro.datasets._protocols import DatasetModule
from segrepro.datasets._types import Layout
from segrepro.errors import UserError
from segrepro.files import sha256_of
from segrepro.progress import progress


def check_copy(dataset: str, folder: Path) -> list[str]:
    """Return what was compared and agrees, a sentence each; a difference is an error.

    Raises
    ------
    UserError
        If the folder is not there, or something differs; it says everything that does.
    """
    module = datasets.load(dataset)
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder.", f"Give the folder that holds {dataset}.")
    root = root_of(module, folder) or folder
    layout = _likeliest(module, root)
    findings = list(_findings(module, layout, root))
    agree = [sentence for is_equal, sentence in findings if is_equal]
    differ = [sentence for is_equal, sentence in findings if not is_equal]
    if differ:
        raise UserError(
            f"{root} differs from the published {dataset} ({layout.name}): {'; '.join(differ)}.",
            f"Get what is missing or changed at {module.CARD.url}, then check again.",
        )
    return [f"{root} holds {dataset}, {layout.name}", *agree]


def _likeliest(module: DatasetModule, root: Path) -> Layout:
    """Return the layout of which the largest share of required patterns is there."""
    shares = [
        sum(bool(found(pattern, root)) for pattern in layout.required) / len(layout.required)
        for layout in module.LAYOUTS
    ]
    if not any(shares):
        raise UserError(
            f"{root} holds nothing of this data set: looked for {wanted(module)}.",
            f"Give the folder that holds these files; they are at {module.CARD.url}.",
        )
    return module.LAYOUTS[shares.index(max(shares))]


def _findings(module: DatasetModule, layout: Layout, root: Path) -> Iterator[tuple[bool, str]]:
    for pattern in layout.required:
        if not found(pattern, root):
            yield False, f"there is no {pattern}"
    for pattern, expected in layout.expected_files.items():
        count = len(found(pattern, root))
        said = f"{count} files match {pattern}"
        yield count == expected, said if count == expected else f"{said}, not {expected}"
    pinned = [source for source in module.SOURCES if source.sha256 or source.bytes is not None]
    for source in progress(pinned, total=len(pinned), what="check"):
        path = root / source.path
        if path.is_file():
            if source.bytes is not None and path.stat().st_size != source.bytes:
                yield False, f"{source.path} has {path.stat().st_size} bytes, not {source.bytes}"
            elif source.sha256 and sha256_of(path) != source.sha256:
                yield False, f"the SHA-256 of {source.path} is not {source.sha256}"
            else:
                yield True, f"{source.path} is the published file"
