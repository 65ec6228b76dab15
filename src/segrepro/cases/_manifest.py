"""The manifest of a raw folder: which bytes we started from."""

import csv
import io
import os
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from segrepro.cases._layouts import is_hidden
from segrepro.errors import UserError
from segrepro.files import sha256_of, write_text
from segrepro.progress import progress

COLUMNS = ("path", "bytes", "sha256")
CURE = "Run `segrepro fetch` again (`segrepro phantom` for a phantom), then convert."


def write_manifest(raw: Path, manifest: Path, *, workers: int = 1) -> None:
    """Write path, size and SHA-256 of every file below `raw`, hidden ones not counted.

    Parameters
    ----------
    raw
        Folder of a data set's raw files.
    manifest
        CSV to write; its paths are relative to `raw`, with forward slashes, sorted.
    workers
        Files that are read at the same time.
    """
    paths = list(_files(raw))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for path, sha256 in progress(_hashes(paths, workers), total=len(paths), what="manifest"):
        writer.writerow([_name(path, raw), path.stat().st_size, sha256])
    write_text(manifest, text.getvalue())


def check_manifest(raw: Path, manifest: Path, *, workers: int = 1) -> None:
    """Refuse raw files that are not those of the manifest.

    Raises
    ------
    UserError
        If a file is missing, was changed, or is not listed; it names the first such file.
    """
    listed = _read(manifest)
    if unlisted := [path for path in _files(raw) if _name(path, raw) not in listed]:
        raise UserError(f"{unlisted[0]} is not listed in {manifest}.", CURE)
    paths = {raw / name: known for name, known in listed.items()}
    for path, (size, _) in paths.items():
        if not path.is_file():
            raise UserError(f"{path} is missing, though {manifest} lists it.", CURE)
        if path.stat().st_size != size:
            raise UserError(
                f"{path} has {path.stat().st_size} bytes, not the {size} of {manifest}.", CURE
            )
    for path, sha256 in progress(_hashes(paths, workers), total=len(paths), what="check raw"):
        if sha256 != paths[path][1]:
            raise UserError(f"{path} changed: its SHA-256 is not that of {manifest}.", CURE)


def _hashes(paths: Collection[Path], workers: int) -> Iterator[tuple[Path, str]]:
    # Threads do: hashing leaves the interpreter to the others.
    with ThreadPoolExecutor(workers) as pool:
        yield from zip(paths, pool.map(sha256_of, paths), strict=True)


def _read(manifest: Path) -> dict[str, tuple[int, str]]:
    try:
        with manifest.open(newline="", encoding="utf-8") as handle:
            return {
                row["path"]: (int(row["bytes"]), row["sha256"]) for row in csv.DictReader(handle)
            }
    except FileNotFoundError as error:
        raise UserError(f"there is no {manifest}.", CURE) from error
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{manifest} is no manifest (path,bytes,sha256).", CURE) from error


def _files(raw: Path) -> Iterator[Path]:
    # Links are followed here: DVC places its own, and users link folders on a larger disk.
    walk = os.walk(raw, followlinks=True)
    paths = (Path(folder) / name for folder, _, names in walk for name in names)
    for path in sorted(paths, key=lambda path: _name(path, raw)):
        if path.is_file() and not is_hidden(path.relative_to(raw)):
            yield path


def _name(path: Path, raw: Path) -> str:
    return path.relative_to(raw).as_posix()
