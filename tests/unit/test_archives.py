"""Archives of friends and strangers."""

import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from segrepro.cases import _archives
from segrepro.cases._archives import is_archive, unpack
from segrepro.errors import UserError

VARIABLE = "SECRET_OF_TEST"
FILES = {"a.txt": b"first", "folder/b.txt": b"second" * 1000}


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def rarred(path: Path, files: dict[str, bytes]) -> Path:
    """Write a RAR 3 archive whose members are stored: it needs no program to read."""
    blocks = [b"Rar!\x1a\x07\x00", _rar_block(0x73, 0, bytes(6))]
    for name, content in files.items():
        fixed = struct.pack(
            "<IIBIIBBHI",
            *(len(content), len(content), 3, zlib.crc32(content)),
            *(0, 29, 0x30, len(name), stat.S_IFREG | 0o644),
        )
        blocks += [_rar_block(0x74, 0x8000, fixed + name.encode()), content]
    path.write_bytes(b"".join([*blocks, _rar_block(0x7B, 0, b"")]))
    return path


def _rar_block(kind: int, flags: int, rest: bytes) -> bytes:
    body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body


WRITERS: dict[str, Callable[[Path, dict[str, bytes]], Path]] = {
    "a.zip": zipped,
    "a.tar": tarred,
    "a.tar.gz": lambda path, files: tarred(path, files, "w:gz"),
    "a.tgz": lambda path, files: tarred(path, files, "w:gz"),
    "a.tar.bz2": lambda path, files: tarred(path, files, "w:bz2"),
    "a.tar.xz": lambda path, files: tarred(path, files, "w:xz"),
    "a.rar": rarred,
}


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_gives_its_files(name: str, tmp_path: Path) -> None:
    archive = WRITERS[name](tmp_path / name, FILES)
    assert is_archive(archive)
    unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == FILES


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("evil", ["../evil", "/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_no_path_leaves_the_folder(name: str, evil: str, tmp_path: Path) -> None:
    archive = WRITERS[name](tmp_path / name, {evil: b"x"})
    with pytest.raises(UserError):
        unpack(archive, tmp_path / "inner" / "out")
    assert [path for path in tmp_path.rglob("*evil*") if path != archive] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UserError, match="a link or a device"):
        unpack(tmp_path / "a.tar", tmp_path / "out")


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match="a link or a device"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar.bz2", "a.tar.xz"])
def test_a_bomb_is_stopped_and_leaves_no_half_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = WRITERS[name](tmp_path / name, {"bomb": bytes(30_000_000)})
    monkeypatch.setattr(_archives, "SLACK_BYTES", 0)
    with pytest.raises(UserError, match="more than there may be"):
        unpack(archive, tmp_path / "out", most_times=10)
    assert content_of(tmp_path / "out") == {}


def test_a_member_that_is_larger_than_it_says_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a": bytes(1000)})
    data = archive.read_bytes()
    # The size stands in the local header and in the directory at the end.
    archive.write_bytes(data.replace(struct.pack("<I", 1000), struct.pack("<I", 10)))
    with pytest.raises(UserError):
        unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == {}


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "a.zip", {str(n): b"" for n in range(5)})
    monkeypatch.setattr(_archives, "MOST_MEMBERS", 4)
    with pytest.raises(UserError, match="more than 4 members"):
        unpack(archive, tmp_path / "out")


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    archive = tarred(tmp_path / "a.tar", {"a": b"1", "A": b"2"})
    with pytest.raises(UserError, match="twice"):
        unpack(archive, tmp_path / "out")


def test_hidden_files_and_those_of_macos_are_left_out(tmp_path: Path) -> None:
    files = {"a": b"1", ".DS_Store": b"2", "__MACOSX/a": b"3", "x/._a": b"4"}
    unpack(zipped(tmp_path / "a.zip", files), tmp_path / "out")
    assert content_of(tmp_path / "out") == {"a": b"1"}


@pytest.mark.parametrize("name", WRITERS)
def test_a_truncated_archive_is_named(name: str, tmp_path: Path) -> None:
    archive = WRITERS[name](tmp_path / name, {"a": os.urandom(20_000)})
    archive.write_bytes(archive.read_bytes()[:9000])
    with pytest.raises(UserError, match=name):
        unpack(archive, tmp_path / "out")
    assert content_of(tmp_path / "out") == {}


# An independent encryption: the command with which the publisher of ATLAS made his archive.
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")


def encrypted(path: Path, password: str, *, armoured: bool) -> Path:
    plain = tarred(path.with_name("plain.tar.gz"), FILES, "w:gz")
    command = ["openssl", "aes-256-cbc", "-md", "sha256", "-pass", f"pass:{password}"]
    command += ["-in", str(plain), "-out", str(path), *(["-a"] if armoured else [])]
    subprocess.run(command, check=True, capture_output=True)
    plain.unlink()
    return path


@openssl
@pytest.mark.parametrize("armoured", [True, False])
def test_what_openssl_encrypted_is_unpacked(
    armoured: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = encrypted(tmp_path / "a.tar.gz", "s3cret", armoured=armoured)
    monkeypatch.setenv(VARIABLE, "s3cret")
    unpack(archive, tmp_path / "out", password_variable=VARIABLE)
    assert content_of(tmp_path / "out") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar.gz", "out"]


@openssl
def test_a_wrong_password_is_told_without_telling_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = encrypted(tmp_path / "a.tar.gz", "s3cret", armoured=True)
    monkeypatch.setenv(VARIABLE, "guessed")
    with pytest.raises(UserError) as caught:
        unpack(archive, tmp_path / "out", password_variable=VARIABLE)
    assert "guessed" not in str(caught.value)
    assert content_of(tmp_path) == {"a.tar.gz": archive.read_bytes()}


def test_a_missing_password_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"Salted__12345678" + bytes(16))
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError, match="SECRET_OF_TEST is not set"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out", password_variable=VARIABLE)


def test_what_openssl_did_not_encrypt_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "x")
    for content in (b"plain text, no base64!", hashlib.sha256().digest()):
        (tmp_path / "a.tar.gz").write_bytes(content)
        with pytest.raises(UserError, match="was not encrypted"):
            unpack(tmp_path / "a.tar.gz", tmp_path / "out", password_variable=VARIABLE)
