"""Bring raw files to their place and write down which bytes they are."""

import shutil
from pathlib import Path

from segrepro import datasets, phantoms
from segrepro.cases._archives import ENDINGS, is_archive, unpack
from segrepro.cases._get import get_all, settle
from segrepro.cases._layouts import complete_layout, matches, root_of, wanted
from segrepro.cases._manifest import check_manifest, write_manifest
from segrepro.datasets._protocols import DatasetModule
from segrepro.errors import UserError
from segrepro.files import atomic_write, sha256_of
from segrepro.progress import progress
from segrepro.protocol.stages import PhantomStage

__all__ = ["check_manifest", "complete_layout", "fetch", "phantom", "write_manifest"]

CHUNK_BYTES = 1 << 20


def fetch(
    dataset: str, *, raw: Path, manifest: Path, source: Path | None, workers: int = 1
) -> None:
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
        A folder on this machine that holds the files in one of the data set's layouts, or its
        published archives, or one archive; what belongs to the layout is copied, the rest is
        ignored. ``None``: use what already lies in `raw`, else download.
    workers
        Files that are hashed at the same time.

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
        _bring(dataset, module, source, raw)
    elif complete_layout(module, raw) is None:
        get_all(dataset, module, raw)
    if complete_layout(module, raw) is None:
        raise UserError(
            f"{raw} does not hold all of {dataset}: looked for {wanted(module)}.",
            f"`segrepro fetch {dataset} --check` says what is missing.",
        )
    _check_known_hashes(module, raw)
    write_manifest(raw, manifest, workers=workers)


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
        for path in matches(layout, raw):
            path.unlink()
    writer.write(raw, cases=stage.cases, seed=stage.seed)
    write_manifest(raw, manifest)


def _bring(dataset: str, module: DatasetModule, source: Path, raw: Path) -> None:
    """Copy or unpack what a user has."""
    if is_archive(source):
        _unpack_into(module, [(source, "")], raw)
    elif not source.is_dir():
        raise UserError(
            f"{source} is neither a folder nor an archive ({', '.join(ENDINGS)}).",
            f"Give the folder or the archive that holds {dataset}.",
        )
    elif root := root_of(module, source):
        _copy(dataset, module, root, raw)
    elif archives := _published_archives(module, source):
        _unpack_into(module, archives, raw)
    else:
        raise UserError(
            f"{source} does not hold {dataset}: looked for {wanted(module)}.",
            f"Give the folder that holds these files; they are at {module.CARD.url}.",
        )


def _published_archives(module: DatasetModule, folder: Path) -> list[tuple[Path, str]]:
    """Return the archives of the data set that lie in a folder, and where they unpack to."""
    named = [
        (folder / Path(source.path).name, source.unpack_to)
        for source in module.SOURCES
        if source.unpack_to is not None
    ]
    return [(path, place) for path, place in named if path.is_file()]


def _unpack_into(module: DatasetModule, archives: list[tuple[Path, str]], raw: Path) -> None:
    """Unpack beside the raw folder, then move what belongs to a layout into it."""
    beside = raw.parent / f".{raw.name}.unpacking"
    shutil.rmtree(beside, ignore_errors=True)
    try:
        for archive, place in archives:
            unpack(archive, beside / place, password_variable=_password_variable(module, archive))
        settle(module, beside, raw)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _password_variable(module: DatasetModule, archive: Path) -> str:
    names = {Path(source.path).name: source.password_variable for source in module.SOURCES}
    return names.get(archive.name, "")


def _copy(dataset: str, module: DatasetModule, source: Path, raw: Path) -> None:
    layout = complete_layout(module, source)
    files = [] if layout is None else matches(layout, source)
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


def _check_known_hashes(module: DatasetModule, raw: Path) -> None:
    for source in module.SOURCES:
        path = raw / source.path
        if source.sha256 is not None and path.is_file() and sha256_of(path) != source.sha256:
            raise UserError(
                f"{path} is not the published file: its SHA-256 is not {source.sha256}.",
                f"Get it again at {module.CARD.url}, then run `segrepro fetch`.",
            )
