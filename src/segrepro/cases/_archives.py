"""Unpack archives of strangers: nothing leaves the folder, no link, no bomb.

Zip, tar (plain, gzip, bzip2, xz), rar, and tar encrypted as ``openssl enc -aes-256-cbc`` does.
"""

import base64
import binascii
import hashlib
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import rarfile
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from segrepro.errors import UserError
from segrepro.files import atomic_write
from segrepro.progress import progress

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar")
MOST_MEMBERS = 2_000_000
MOST_TIMES = 200
"""How much larger than the archive its members may be in all, beyond `SLACK_BYTES`."""
SLACK_BYTES = 1 << 30
CHUNK_BYTES = 1 << 20
_CURE = "Get the archive again from its publisher; do not unpack one that you do not trust."


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_file: bool
    is_folder: bool
    open: Callable[[], IO[bytes]]


def is_archive(path: Path) -> bool:
    """Tell by its name whether a file can be unpacked."""
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def unpack(
    archive: Path, into: Path, *, password_variable: str = "", most_times: int = MOST_TIMES
) -> None:
    """Write the files of an archive below a folder.

    Parameters
    ----------
    archive
        Its members' hidden files, and macOS's ``__MACOSX`` folder, are left out.
    into
        Folder to fill.
    password_variable
        Environment variable with the password of an encrypted tar; empty if it is not encrypted.
    most_times
        How many times larger than the archive its content may be, 1 GiB aside.

    Raises
    ------
    UserError
        If it is broken, holds a link, a device or a name that leads out of the folder, is larger
        unpacked than it may be or than it says, or the password is missing or wrong.
    """
    limit = SLACK_BYTES + most_times * archive.stat().st_size
    limit = min(limit, shutil.disk_usage(_existing(into)).free)
    try:
        with _opened(archive, password_variable) as (members, total):
            _write_members(archive, progress(members, total=total, what="unpack"), into, limit)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        rarfile.Error,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        text = " ".join(str(error).split()).rstrip(".")[:200]
        raise UserError(f"{archive} cannot be unpacked: {text}.", _cure(error)) from error


def _cure(error: Exception) -> str:
    if isinstance(error, rarfile.RarCannotExec):
        return "Install unrar, unar, 7z or bsdtar, or unpack it yourself and give the folder."
    return _CURE


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _write_members(archive: Path, members: Iterator[_Member], into: Path, limit: int) -> None:
    written, seen = 0, set[str]()
    for count, member in enumerate(members, start=1):
        if count > MOST_MEMBERS:
            raise UserError(f"{archive} holds more than {MOST_MEMBERS} members.", _CURE)
        name = _safe_name(archive, member.name)
        if member.is_folder or name is None:
            continue
        if not member.is_file:
            raise UserError(f"{archive} holds {member.name!r}, a link or a device.", _CURE)
        if name.lower() in seen:
            raise UserError(f"{archive} holds {member.name!r} twice.", _CURE)
        seen.add(name.lower())
        written += _write_member(archive, member, into / name, limit - written)


def _safe_name(archive: Path, name: str) -> str | None:
    """Return a relative name within the folder, or ``None`` for what nobody needs."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise UserError(f"{archive} holds {name!r}, which leads out of its folder.", _CURE)
    if any(part.startswith(".") or part == "__MACOSX" for part in path.parts):
        return None
    return path.as_posix()


def _write_member(archive: Path, member: _Member, target: Path, limit: int) -> int:
    """Write one file and return its size; what it says of its size is not believed."""
    written = 0
    with member.open() as reader, atomic_write(target) as writer:
        while chunk := reader.read(CHUNK_BYTES):
            written += len(chunk)
            if written > min(member.size, limit):
                raise UserError(
                    f"{archive}: {member.name!r} unpacks to more than "
                    f"{'it says' if member.size <= limit else 'there may be'}.",
                    _CURE,
                )
            writer.write(chunk)
    if written < member.size:
        raise EOFError(f"{member.name!r} ends after {written} of {member.size} bytes")
    return written


@contextmanager
def _opened(
    archive: Path, password_variable: str
) -> Iterator[tuple[Iterator[_Member], int | None]]:
    if password_variable:
        with tempfile.TemporaryFile(dir=archive.parent) as plain:
            _decrypt(archive, plain, _password(archive, password_variable))
            plain.seek(0)
            with tarfile.open(fileobj=plain, mode="r:*") as tar:
                yield _tar_members(tar), None
    elif archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as zipped:
            yield _zip_members(zipped), len(zipped.infolist())
    elif archive.name.lower().endswith(".rar"):
        with rarfile.RarFile(archive) as rar:
            yield _rar_members(rar), len(rar.infolist())
    else:
        with tarfile.open(archive, mode="r:*") as tar:
            yield _tar_members(tar), None


def _zip_members(zipped: zipfile.ZipFile) -> Iterator[_Member]:
    for info in zipped.infolist():
        kind = stat.S_IFMT(info.external_attr >> 16)
        yield _Member(
            name=info.filename,
            size=info.file_size,
            is_file=kind in {0, stat.S_IFREG},
            is_folder=info.is_dir(),
            open=lambda info=info: zipped.open(info),  # type: ignore[misc]
        )


def _rar_members(rar: rarfile.RarFile) -> Iterator[_Member]:
    for info in rar.infolist():
        yield _Member(
            name=info.filename,
            size=info.file_size,
            is_file=info.is_file(),
            is_folder=info.is_dir(),
            open=lambda info=info: rar.open(info),  # type: ignore[misc]
        )


def _tar_members(tar: tarfile.TarFile) -> Iterator[_Member]:
    for info in tar:
        yield _Member(
            name=info.name,
            size=info.size,
            is_file=info.isreg(),
            is_folder=info.isdir(),
            open=lambda info=info: _extracted(tar, info),  # type: ignore[misc]
        )


def _extracted(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    reader = tar.extractfile(info)
    if reader is None:
        raise tarfile.TarError(f"{info.name!r} has no content")
    return reader


def _password(archive: Path, variable: str) -> bytes:
    password = os.environ.get(variable, "")
    if not password:
        raise UserError(
            f"{archive} is encrypted, and the environment variable {variable} is not set.",
            f"Ask the publisher for the password, then: export {variable}=...",
        )
    return password.encode()


def _decrypt(archive: Path, plain: IO[bytes], password: bytes) -> None:
    """Undo ``openssl enc -aes-256-cbc -md sha256``, with or without ``-a`` (base64)."""
    with _unarmoured(archive) as reader:
        magic, salt = reader.read(8), reader.read(8)
        if magic != b"Salted__" or len(salt) != 8:
            raise UserError(f"{archive} was not encrypted by `openssl enc`.", _CURE)
        key_and_start = _derived(password, salt, 48)
        cipher = Cipher(algorithms.AES(key_and_start[:32]), modes.CBC(key_and_start[32:]))
        decryptor, unpadder = cipher.decryptor(), PKCS7(128).unpadder()
        try:
            while chunk := reader.read(CHUNK_BYTES):
                plain.write(unpadder.update(decryptor.update(chunk)))
            plain.write(unpadder.update(decryptor.finalize()) + unpadder.finalize())
        except ValueError:
            # From None: nothing about the password may reach a log.
            raise UserError(
                f"{archive} cannot be decrypted: the password is wrong, or the file is broken.",
                "Compare the password and the SHA-256 of the archive with the publisher's.",
            ) from None


def _derived(password: bytes, salt: bytes, length: int) -> bytes:
    """Return OpenSSL's ``EVP_BytesToKey`` with SHA-256 and one iteration."""
    derived = block = b""
    while len(derived) < length:
        block = hashlib.sha256(block + password + salt).digest()
        derived += block
    return derived[:length]


@contextmanager
def _unarmoured(archive: Path) -> Iterator[IO[bytes]]:
    with archive.open("rb") as handle:
        is_plain = handle.read(8) == b"Salted__"
        handle.seek(0)
        if is_plain:
            yield handle
            return
        with tempfile.TemporaryFile(dir=archive.parent) as decoded:
            try:
                # Lines of base64, as `openssl -a` writes them, need not end at our chunks.
                rest = b""
                while chunk := handle.read(CHUNK_BYTES):
                    text = rest + b"".join(chunk.split())
                    whole = len(text) // 4 * 4
                    decoded.write(base64.b64decode(text[:whole], validate=True))
                    rest = text[whole:]
            except binascii.Error as error:
                raise UserError(f"{archive} was not encrypted by `openssl enc`.", _CURE) from error
            decoded.seek(0)
            yield decoded
