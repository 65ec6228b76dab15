"""Downloads from a server on the loopback address that breaks, lies and stalls."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from segrepro.cases import _download
from segrepro.cases._download import download
from segrepro.datasets._types import Source
from segrepro.errors import UserError

CONTENT = bytes(range(256)) * 4000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Server:
    """What to answer, and what was asked."""

    url: str = ""
    content: bytes = CONTENT
    version: str = '"v1"'
    breaks_after: list[int] = field(default_factory=list)
    """Bytes to send before each of the next answers breaks off."""
    statuses: list[int] = field(default_factory=list)
    """Of the next answers, instead of an answer."""
    stalls: int = 0
    """Answers that never come."""
    ranges: list[str] = field(default_factory=list)
    """What was asked for, request by request."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    released = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            state.ranges.append(self.headers.get("Range", ""))
            if state.stalls:
                state.stalls -= 1
                released.wait(20)
                return
            if state.statuses:
                self.send_error(state.statuses.pop(0))
                return
            start = 0
            if self.headers.get("If-Range") == state.version:
                start = int(state.ranges[-1].removeprefix("bytes=").removesuffix("-"))
            body = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("ETag", state.version)
            self.end_headers()
            self.wfile.write(body[: state.breaks_after.pop(0)] if state.breaks_after else body)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}/data.bin"
    yield state
    released.set()
    http.shutdown()
    http.server_close()
    thread.join()


def get(server: Server, raw: Path, **known: object) -> Path:
    source = Source(path="data.bin", **{"url": server.url, **known})  # type: ignore[arg-type]
    download(source, raw, wait_seconds=0)
    return raw / "data.bin"


def left(raw: Path) -> list[str]:
    return sorted(path.name for path in raw.iterdir())


def test_a_file_is_downloaded_and_nothing_else_is_left(server: Server, tmp_path: Path) -> None:
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert left(tmp_path) == ["data.bin"]


def test_a_file_that_is_there_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    get(server, tmp_path, sha256=SHA256)
    get(server, tmp_path, sha256=SHA256)
    assert len(server.ranges) == 1


def test_an_interrupted_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [1000]
    assert get(server, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=1000-"]


def test_it_goes_on_in_another_run(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.breaks_after = [5000]
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    with pytest.raises(UserError, match="go on where it stopped"):
        get(server, tmp_path)
    assert not (tmp_path / "data.bin").exists()
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=5000-"]


def test_a_file_that_changed_meanwhile_is_begun_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.breaks_after = [5000]
    monkeypatch.setattr(_download, "ATTEMPTS", 1)
    with pytest.raises(UserError):
        get(server, tmp_path)
    server.content, server.version = b"new" * 3000, '"v2"'
    assert get(server, tmp_path).read_bytes() == b"new" * 3000


def test_a_download_that_stays_truncated_ends_in_one_message(
    server: Server, tmp_path: Path
) -> None:
    server.breaks_after = [10, 0, 0, 0, 0]
    with pytest.raises(UserError, match=r"cannot fetch data\.bin from http://127"):
        get(server, tmp_path, sha256=SHA256)
    assert not (tmp_path / "data.bin").exists()


def test_other_bytes_than_the_known_ones_are_refused_and_not_kept(
    server: Server, tmp_path: Path
) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(UserError, match="hash"):
        get(server, tmp_path, sha256=SHA256)
    assert left(tmp_path) == []


def test_another_size_than_the_known_one_is_refused_before_it_is_loaded(
    server: Server, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="1024000 bytes are offered, 7 are published"):
        get(server, tmp_path, bytes=7)


def test_a_missing_file_is_not_asked_for_twice(server: Server, tmp_path: Path) -> None:
    server.statuses = [404, 404]
    with pytest.raises(UserError, match="404"):
        get(server, tmp_path)
    assert len(server.ranges) == 1


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_server_that_stalls_is_asked_again(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_download, "TIMEOUT_SECONDS", 0.2)
    server.stalls = 1
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_mirror_is_asked_when_the_publisher_fails(server: Server, tmp_path: Path) -> None:
    mirror = server.url
    server.statuses = [404]
    source = Source(path="data.bin", url=server.url + "?gone", mirrors=(mirror,), sha256=SHA256)
    download(source, tmp_path, wait_seconds=0)
    assert (tmp_path / "data.bin").read_bytes() == CONTENT


def test_all_places_are_named_when_all_fail(server: Server, tmp_path: Path) -> None:
    server.statuses = [404, 410]
    source = Source(path="a", url=server.url + "?1", mirrors=(server.url + "?2",))
    with pytest.raises(UserError, match=r"\?1: 404.*; nor from .*\?2: 410"):
        download(source, tmp_path, wait_seconds=0)
