"""Download what a publisher offers without an account."""

from pathlib import Path
from typing import Self

import pooch
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from segrepro.datasets._types import Source
from segrepro.errors import UserError
from segrepro.progress import note


def download(source: Source, raw: Path) -> None:
    """Place one file below `raw`; a file with the right SHA-256 that is there already stays.

    Raises
    ------
    UserError
        If the publisher cannot be reached or sends other bytes than the known ones.
    """
    target = raw / source.path
    try:
        with _Bar(source.path) as bar:
            pooch.retrieve(
                source.url,
                known_hash=None if source.sha256 is None else f"sha256:{source.sha256}",
                fname=target.name,
                path=target.parent,
                downloader=pooch.HTTPDownloader(progressbar=bar, timeout=60),
            )
    # pooch raises OSError if the network fails, ValueError if the hash does not match.
    except (OSError, ValueError) as error:
        raise UserError(
            f"cannot fetch {source.path} from {source.url}: {' '.join(str(error).split())}",
            "Try again later, or download it yourself and use `segrepro fetch --from DIR`.",
        ) from error


class _Bar:
    """The four methods that pooch asks of a progress bar, on stderr."""

    def __init__(self, name: str) -> None:
        self.total = 0
        console = Console(stderr=True)
        columns = (TextColumn(name), BarColumn(), DownloadColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task(name, total=None)
        if not console.is_terminal:
            note(f"fetch {name}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: int) -> None:
        """Count bytes."""
        self._progress.update(self._task, advance=done, total=self.total or None)

    def reset(self) -> None:
        """Start again; pooch does so just before it fills the bar."""
        self._progress.reset(self._task)

    def close(self) -> None:
        """Nothing to do: the context ends it."""
