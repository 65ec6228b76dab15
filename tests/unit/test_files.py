"""Whole files or no files."""

import errno
import os
from pathlib import Path

import pytest

from segrepro.errors import UserError
from segrepro.files import all_or_none, atomic_write, sha256_of, write_bytes, write_json


def write_half(path: Path) -> None:
    with atomic_write(path) as handle:
        handle.write(b"half")
        raise RuntimeError


def test_a_file_appears_with_its_content(tmp_path: Path) -> None:
    write_bytes(tmp_path / "new/folder/file.bin", b"abc")
    assert (tmp_path / "new/folder/file.bin").read_bytes() == b"abc"
    # SHA-256 of "abc": FIPS 180-2, appendix B.1.
    assert sha256_of(tmp_path / "new/folder/file.bin").startswith(
        "ba7816bf8f01cfea414140de5dae2223"
    )


def test_an_error_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_middle_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(RuntimeError):
        write_half(tmp_path / "file")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_set_is_whole_or_absent(tmp_path: Path) -> None:
    def write_one_of_two() -> None:
        with all_or_none(tmp_path / "one", tmp_path / "two"):
            write_bytes(tmp_path / "one", b"1")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_one_of_two()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_a_users_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError) as raised:
        write_bytes(tmp_path / "file", b"abc")
    assert "No space left on device" in raised.value.fact
    assert list(tmp_path.iterdir()) == []


def test_json_is_sorted_and_refuses_nan(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    assert (tmp_path / "a.json").read_text() == '{\n  "a": 2,\n  "b": 1\n}\n'
    with pytest.raises(ValueError, match="Out of range float values"):
        write_json(tmp_path / "b.json", {"a": float("nan")})
    assert not (tmp_path / "b.json").exists()
