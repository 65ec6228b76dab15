"""Bring raw files to their place and write down which bytes they are."""

from pathlib import Path

from segrepro import datasets, phantoms
from segrepro.cases._download import download
from segrepro.cases._manifest import check_manifest, write_manifest
from segrepro.datasets._protocols import DatasetModule
from segrepro.datasets._types import Layout
from segrepro.errors import UserError
from segrepro.files import atomic_write, sha256_of
from segrepro.progress import progress
from segrepro.protocol.stages import PhantomStage

__all__ = ["check_manifest", "fetch", "phantom", "write_manifest"]

CHUNK_BYTES = 1 << 20


def fetch(dataset: str, *, raw: Path, manifest: Path, source: Path | None) -> None:
    """Fill the raw folder of a data set and write its manifest.

    Parameters
    ----------
    dataset
        Name of a data set; not a phantom.
    raw
        Folder to fill: ``data/raw/{dataset}``.
    manifest
        CSV to write last; if anything fails there is none.
    source
        Folder on this machine that holds the files in one of the data set's layouts; they are
        copied, the rest is ignored. ``None``: use what already lies in `raw`, else download.

    Raises
    ------
    UserError
        If files are missing and cannot be downloaded, are links out of `source`, or have other
        bytes than the known ones.
    """
    if datasets.is_phantom(dataset):
        raise UserError(
            f"{dataset} is synthetic; it is written, not fetched.",
            f"Run `segrepro phantom {datasets.base_name(dataset)}`.",
        )
    module = datasets.load(dataset)
    manifest.unlink(missing_ok=True)
    if source is not None:
        _copy(dataset, module, source, raw)
    elif complete_layout(module, raw) is None:
        _download_all(dataset, module, raw)
    _check_known_hashes(module, raw)
    write_manifest(raw, manifest)


def phantom(stage: PhantomStage, *, raw: Path, manifest: Path) -> None:
    """Write synthetic raw files in the publisher's layout, and their manifest.

    Parameters
    ----------
    stage
        Data set (with or without ``-phantom``), number of cases, seed.
    raw
        Folder to fill: ``data/raw/{dataset}-phantom``. Files in it that an earlier call left are
        removed first.
    manifest
        CSV to write last; if anything fails there is none.
    """
    name = datasets.base_name(stage.dataset)
    module = datasets.load(name)
    writer = phantoms.load(name)
    manifest.unlink(missing_ok=True)
    for layout in module.LAYOUTS:
        for path in _matches(layout, raw):
            path.unlink()
    writer.write(raw, cases=stage.cases, seed=stage.seed)
    write_manifest(raw, manifest)


def complete_layout(module: DatasetModule, folder: Path) -> Layout | None:
    """Return the first layout of which every required file is in `folder`, or ``None``."""
    for layout in module.LAYOUTS:
        if all(_found(pattern, folder) for pattern in layout.required):
            return layout
    return None


def _copy(dataset: str, module: DatasetModule, source: Path, raw: Path) -> None:
    if not source.is_dir():
        raise UserError(f"{source} is not a folder.", f"Give the folder that holds {dataset}.")
    layout = complete_layout(module, source)
    if layout is None:
        raise UserError(
            f"{source} does not hold {dataset}: looked for {_wanted(module)}.",
            f"Give the folder that holds these files; they are at {module.CARD.url}.",
        )
    files = _matches(layout, source)
    for path in files:
        _check_inside(path, source)
    for path in progress(files, total=len(files), what=f"copy {dataset}"):
        _copy_file(path, raw / path.relative_to(source))


def _copy_file(path: Path, target: Path) -> None:
    if target.exists() and target.samefile(path):
        return  # the source is the raw folder itself
    try:
        reader = path.open("rb")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", "Make it readable.") from error
    with reader, atomic_write(target) as writer:
        while chunk := reader.read(CHUNK_BYTES):
            writer.write(chunk)


def _check_inside(path: Path, source: Path) -> None:
    if not path.resolve().is_relative_to(source.resolve()):
        raise UserError(
            f"{path} is a link that leads out of {source}.", "Put the file itself there."
        )


def _matches(layout: Layout, folder: Path) -> list[Path]:
    patterns = layout.required + layout.optional
    return sorted({path for pattern in patterns for path in _found(pattern, folder)})


def _found(pattern: str, folder: Path) -> list[Path]:
    # is_file: a link that leads nowhere is no file.
    return [path for path in folder.glob(pattern) if path.is_file()]


def _wanted(module: DatasetModule) -> str:
    return " or ".join(" + ".join(layout.required) for layout in module.LAYOUTS)


def _download_all(dataset: str, module: DatasetModule, raw: Path) -> None:
    by_hand = [source for source in module.SOURCES if source.url is None]
    if by_hand:
        card = module.CARD
        raise UserError(
            f"no raw files of {dataset} in {raw}, and they cannot be downloaded without you: "
            f"looked for {_wanted(module)}.",
            f"Get them at {card.url} ({card.terms}) {by_hand[0].how} "
            f"Or put them into {raw} yourself and run it again.",
        )
    for source in module.SOURCES:
        download(source, raw)


def _check_known_hashes(module: DatasetModule, raw: Path) -> None:
    for source in module.SOURCES:
        path = raw / source.path
        if source.sha256 is not None and path.is_file() and sha256_of(path) != source.sha256:
            raise UserError(
                f"{path} is not the published file: its SHA-256 is not {source.sha256}.",
                f"Get it again at {module.CARD.url}, then run `segrepro fetch`.",
            )
