"""Say on stderr how far a long step has come."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0


def progress(items: Iterable[T], *, total: int | None, what: str) -> Iterator[T]:
    """Yield the items, with a bar on a terminal and now and then a plain line elsewhere.

    A step that is over before the first line is due prints nothing into a log.
    """
    if sys.stderr.isatty():
        console = Console(stderr=True)
        yield from track(items, description=what, total=total, console=console, transient=True)
        return
    last_s = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        if time.monotonic() - last_s >= SECONDS_BETWEEN_LINES:
            last_s = time.monotonic()
            note(f"{what}: {done} of {total}" if total else f"{what}: {done}")


def note(text: str) -> None:
    """Write one plain line to stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
