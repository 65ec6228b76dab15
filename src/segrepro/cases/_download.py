"""Download what a publisher offers without an account; an interrupted download goes on later."""

import time
from pathlib import Path
from typing import Any, Self

import pooch
import requests
import urllib3
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from segrepro.datasets._types import Source
from segrepro.errors import UserError
from segrepro.files import write_text
from segrepro.progress import note

ATTEMPTS = 5
WAIT_SECONDS = 2.0
"""Before the second attempt; twice as long before each further one."""
TIMEOUT_SECONDS = 60
CHUNK_BYTES = 1 << 20
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""HTTP status codes of troubles that pass."""


class _PassingError(OSError):
    """A trouble that another attempt may not meet."""


def download(source: Source, raw: Path, *, wait_seconds: float = WAIT_SECONDS) -> None:
    """Place one file below `raw`; a file with the right SHA-256 that is there already stays.

    Parameters
    ----------
    source
        Its URL, then its mirrors, are tried.
    raw
        The raw folder. What has come so far waits in a hidden file beside the final one.
    wait_seconds
        Before a second attempt.

    Raises
    ------
    UserError
        If no place can be reached or all send other bytes than the known ones.
    """
    pooch.get_logger().setLevel("WARNING")  # our own line says what is fetched
    troubles = []
    for url in (source.url, *source.mirrors):
        try:
            _retrieve(source, str(url), raw / source.path, wait_seconds)
        # pooch raises ValueError if the hash does not match; requests' errors are OSErrors.
        except (OSError, ValueError) as error:
            troubles.append(f"{url}: {_short(error)}")
        else:
            return
    raise UserError(
        f"cannot fetch {source.path} from {'; nor from '.join(troubles)}.",
        "Run it again to go on where it stopped, or get the file yourself and use --from DIR.",
    )


def _short(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")[:300]


def _retrieve(source: Source, url: str, target: Path, wait_seconds: float) -> None:
    part = _Part(target, url)
    downloader = _Resuming(source, part, wait_seconds)
    try:
        pooch.retrieve(
            url,
            known_hash=None if source.sha256 is None else f"sha256:{source.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=downloader,
        )
    except ValueError:
        part.remove()  # wrong bytes do not become right by adding to them
        raise


class _Part:
    """What has come so far, and of which version of the file."""

    def __init__(self, target: Path, url: str) -> None:
        self.path = target.with_name(f".{target.name}.part")
        self._version = target.with_name(f".{target.name}.part.version")
        self._url = url

    def start(self) -> tuple[int, str]:
        """Return how many bytes are there, and the server's name of that version."""
        try:
            url, version = self._version.read_text(encoding="utf-8").split("\n")
        except (OSError, ValueError):
            return 0, ""
        if url != self._url or not self.path.exists():
            return 0, ""
        return self.path.stat().st_size, version

    def remember(self, version: str) -> None:
        write_text(self._version, f"{self._url}\n{version}")

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self._version.unlink(missing_ok=True)


class _Resuming:
    """A downloader for pooch that goes on where an earlier one stopped."""

    def __init__(self, source: Source, part: _Part, wait_seconds: float) -> None:
        self._source, self._part, self._wait_seconds = source, part, wait_seconds

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:  # noqa: ANN401, ARG002 - pooch's interface
        with _Bar(self._source.path) as bar:
            for attempt in range(ATTEMPTS):
                try:
                    self._attempt(url, bar)
                    break
                except (_PassingError, requests.ConnectionError, requests.Timeout) as error:
                    if attempt == ATTEMPTS - 1:
                        raise
                    note(f"fetch {self._source.path}: {_short(error)}; trying again")
                    time.sleep(self._wait_seconds * 2**attempt)
        self._part.path.replace(output_file)
        self._part.remove()

    def _attempt(self, url: str, bar: "_Bar") -> None:
        start, version = self._part.start()
        asked = {"Accept-Encoding": "identity"}
        if start:
            # Only if the file is still the same one (RFC 9110, section 13.1.5).
            asked |= {"Range": f"bytes={start}-", "If-Range": version}
        with requests.get(url, headers=asked, stream=True, timeout=TIMEOUT_SECONDS) as answer:
            if answer.status_code in PASSING:
                raise _PassingError(f"the server answers {answer.status_code}")
            if answer.status_code == requests.codes.requested_range_not_satisfiable:
                self._part.remove()
                raise _PassingError("the part that was there is not of this file")
            answer.raise_for_status()
            if answer.status_code != requests.codes.partial_content:
                start = 0
            expected = start + int(answer.headers.get("Content-Length", -1 - start))
            self._check_size(expected)
            # A weak name may stand for different bytes, so it cannot be resumed by.
            tag = answer.headers.get("ETag", "")
            strong = "" if tag.startswith("W/") else tag
            version = strong or answer.headers.get("Last-Modified", "")
            if version:
                self._part.remember(version)
            bar.reset(total=max(expected, 0), done=start)
            self._receive(answer, start, bar)
        self._check_came(expected)

    def _receive(self, answer: requests.Response, start: int, bar: "_Bar") -> None:
        self._part.path.parent.mkdir(parents=True, exist_ok=True)
        with self._part.path.open("ab" if start else "wb") as handle:
            try:
                # read1 gives what has come; read would lose it when the connection breaks off.
                while chunk := answer.raw.read1(CHUNK_BYTES):
                    handle.write(chunk)
                    bar.update(len(chunk))
            except urllib3.exceptions.HTTPError as error:
                raise _PassingError(f"the connection broke off: {_short(error)}") from error

    def _check_size(self, expected: int) -> None:
        if self._source.bytes is not None and expected not in {-1, self._source.bytes}:
            raise ValueError(f"{expected} bytes are offered, {self._source.bytes} are published")

    def _check_came(self, expected: int) -> None:
        came = self._part.path.stat().st_size
        if expected >= 0 and came < expected:
            raise _PassingError(f"{came} of {expected} bytes came")


class _Bar:
    """A progress bar on a terminal, one line elsewhere; on stderr."""

    def __init__(self, name: str) -> None:
        console = Console(stderr=True)
        columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task(name, total=None)
        if not console.is_terminal:
            note(f"fetch {name}")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, came: int) -> None:
        """Count bytes."""
        self._progress.update(self._task, advance=came)

    def reset(self, *, total: int, done: int) -> None:
        """Begin with some bytes there already; a total of 0 is unknown."""
        self._progress.update(self._task, total=total or None, completed=done)
