"""Get every source of a data set, and put the unpacked files where its layout wants them."""

from pathlib import Path

from segrepro.cases import _clients
from segrepro.cases._archives import unpack
from segrepro.cases._download import download
from segrepro.cases._layouts import complete_layout, matches, root_of, wanted
from segrepro.datasets._protocols import DatasetModule
from segrepro.datasets._types import Source
from segrepro.errors import UserError
from segrepro.files import write_text


def get_all(dataset: str, module: DatasetModule, raw: Path) -> None:
    """Download every source, or let the publishers' clients do so, and unpack what is packed.

    Raises
    ------
    UserError
        If something must be asked for by hand, cannot be reached, or is not what it should be.
    """
    by_hand = [source for source in module.SOURCES if not _is_automatic(source)]
    if by_hand:
        card = module.CARD
        raise UserError(
            f"no raw files of {dataset} in {raw}, and they cannot be downloaded without you: "
            f"looked for {wanted(module)}.",
            f"Get them at {card.url} ({card.terms}) {by_hand[0].how} "
            f"Or put them into {raw} yourself and run it again.",
        )
    for source in module.SOURCES:
        if source.unpack_to is not None:
            _get_archive(source, raw)
        else:
            _get(source, raw)
    marks = [_mark(source, raw) for source in module.SOURCES]
    try:
        settle(module, raw, raw)
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)


def _is_automatic(source: Source) -> bool:
    return source.url is not None or source.client != "http"


def _get(source: Source, raw: Path) -> None:
    if source.client == "http":
        download(source, raw)
    else:
        _clients.get(source, raw)


def _mark(source: Source, raw: Path) -> Path:
    """Return the hidden file that says that an archive was unpacked, while others are missing."""
    return raw / f".{source.path.replace('/', '_')}.unpacked"


def _get_archive(source: Source, raw: Path) -> None:
    if _mark(source, raw).exists():
        return
    archive = raw / source.path
    _get(source, raw)
    if not archive.is_file():
        raise UserError(
            f"the client of {source.client} left no {archive}.",
            "Get the file yourself: `segrepro fetch --from`.",
        )
    unpack(archive, raw / (source.unpack_to or ""), password_variable=source.password_variable)
    write_text(_mark(source, raw), "")
    archive.unlink()


def settle(module: DatasetModule, folder: Path, raw: Path) -> None:
    """Move the files of a layout that lie in `folder`, or in one below it, into the raw folder.

    Raises
    ------
    UserError
        If there is no complete layout in it.
    """
    root = root_of(module, folder)
    layout = None if root is None else complete_layout(module, root)
    if root is None or layout is None:
        raise UserError(
            f"what was unpacked does not hold {module.CARD.title!r}: looked for {wanted(module)}.",
            f"Compare it with the published files at {module.CARD.url}.",
        )
    if root == raw:
        return
    for path in matches(layout, root):
        target = raw / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
