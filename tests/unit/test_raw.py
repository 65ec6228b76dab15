"""Fetching, phantoms and manifests."""

import hashlib
import shutil
import socket
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from segrepro.cases import raw as stage
from segrepro.cases.compare import check_copy
from segrepro.datasets import isbi2012
from segrepro.datasets._types import Source
from segrepro.errors import UserError
from segrepro.protocol.stages import PhantomStage

FILES = ("train-volume.tif", "train-labels.tif")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a user's download; fetching looks at names only."""
    folder = tmp_path / "download"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "isbi2012"


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "isbi2012.manifest.csv"


def fetch(raw: Path, manifest: Path, source: Path | None) -> None:
    stage.fetch("isbi2012", raw=raw, manifest=manifest, source=source)


def names(raw: Path) -> list[str]:
    return sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*") if path.is_file())


def test_the_manifest_lists_path_size_and_hash(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    digests = [hashlib.sha256(name.encode()).hexdigest() for name in FILES]
    assert manifest.read_text() == (
        f"path,bytes,sha256\ntrain-labels.tif,16,{digests[1]}\ntrain-volume.tif,16,{digests[0]}\n"
    )


def test_files_that_are_not_the_data_sets_are_not_copied(
    raw: Path, manifest: Path, source: Path
) -> None:
    (source / "holiday.jpg").write_text("beach")
    (source / "test-volume.tif").write_text("optional")
    fetch(raw, manifest, source)
    assert names(raw) == ["test-volume.tif", "train-labels.tif", "train-volume.tif"]


def test_the_second_layout_is_copied_with_its_folders(
    raw: Path, manifest: Path, tmp_path: Path
) -> None:
    for kind in ("image", "label"):
        (tmp_path / "png" / "train" / kind).mkdir(parents=True)
        (tmp_path / "png" / "train" / kind / "0.png").write_text(kind)
    fetch(raw, manifest, tmp_path / "png")
    assert names(raw) == ["train/image/0.png", "train/label/0.png"]


def test_a_link_out_of_the_folder_is_refused(
    raw: Path, manifest: Path, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (source / "train-volume.tif").unlink()
    (source / "train-volume.tif").symlink_to(tmp_path / "secret")
    with pytest.raises(UserError, match=r"train-volume\.tif is a link"):
        fetch(raw, manifest, source)
    assert not raw.exists()


def test_a_link_that_leads_nowhere_is_a_missing_file(
    raw: Path, manifest: Path, source: Path
) -> None:
    (source / "train-volume.tif").unlink()
    (source / "train-volume.tif").symlink_to(source / "gone")
    with pytest.raises(UserError, match="does not hold isbi2012"):
        fetch(raw, manifest, source)


def test_a_linked_folder_below_raw_is_listed(raw: Path, manifest: Path, tmp_path: Path) -> None:
    for kind in ("image", "label"):
        (tmp_path / "large-disk" / kind).mkdir(parents=True)
        (tmp_path / "large-disk" / kind / "0.png").write_text(kind)
    raw.mkdir(parents=True)
    (raw / "train").symlink_to(tmp_path / "large-disk")
    fetch(raw, manifest, None)
    assert [line.split(",")[0] for line in manifest.read_text().splitlines()[1:]] == [
        "train/image/0.png",
        "train/label/0.png",
    ]


def test_a_folder_without_the_files_says_what_was_looked_for(
    raw: Path, manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=r"train-volume\.tif \+ train-labels\.tif"):
        fetch(raw, manifest, tmp_path)


def test_a_source_that_does_not_exist_is_refused(raw: Path, manifest: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="neither a folder nor an archive"):
        fetch(raw, manifest, tmp_path / "nowhere")


def test_without_a_source_the_error_says_what_to_get_where_and_how(
    raw: Path, manifest: Path
) -> None:
    with pytest.raises(UserError) as caught:
        fetch(raw, manifest, None)
    assert str(raw) in caught.value.fact
    assert isbi2012.CARD.url in caught.value.cure
    assert isbi2012.CARD.terms in caught.value.cure
    assert "segrepro fetch isbi2012 --from DIR" in caught.value.cure
    assert "\n" not in caught.value.fact + caught.value.cure


def test_a_folder_filled_by_hand_gets_its_manifest(raw: Path, manifest: Path, source: Path) -> None:
    raw.parent.mkdir()
    source.rename(raw)
    fetch(raw, manifest, None)
    stage.check_manifest(raw, manifest)


def test_the_raw_folder_may_be_its_own_source(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    fetch(raw, manifest, raw)
    assert names(raw) == sorted(FILES)


def test_a_failed_fetch_leaves_no_manifest(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    with pytest.raises(UserError):
        fetch(raw, manifest, source / "nowhere")
    assert not manifest.exists()


def test_a_file_that_is_not_the_published_one_is_refused(
    raw: Path, manifest: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Source(path="train-volume.tif", sha256="0" * 64)
    monkeypatch.setattr(isbi2012, "SOURCES", (known,))
    with pytest.raises(UserError, match="not the published file"):
        fetch(raw, manifest, source)
    assert not manifest.exists()


def test_a_phantom_is_not_fetched(raw: Path, manifest: Path) -> None:
    with pytest.raises(UserError, match="synthetic"):
        stage.fetch("isbi2012-phantom", raw=raw, manifest=manifest, source=None)


def test_an_unknown_data_set_gets_the_list(raw: Path, manifest: Path) -> None:
    with pytest.raises(UserError) as caught:
        stage.fetch("isbi2021", raw=raw, manifest=manifest, source=None)
    assert "isbi2012" in caught.value.cure


def test_a_missing_file_is_named(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    (raw / "train-labels.tif").unlink()
    with pytest.raises(UserError, match=r"train-labels\.tif is missing"):
        stage.check_manifest(raw, manifest)


def test_a_changed_size_is_named(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    (raw / "train-labels.tif").write_text("longer than it was")
    with pytest.raises(UserError, match=r"train-labels\.tif has 18 bytes, not the 16"):
        stage.check_manifest(raw, manifest)


def test_changed_bytes_of_the_same_size_are_named(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    (raw / "train-labels.tif").write_text("TRAIN-LABELS.TIF")
    with pytest.raises(UserError, match=r"train-labels\.tif changed"):
        stage.check_manifest(raw, manifest)


def test_a_file_that_was_added_later_is_named(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source)
    (raw / "test-volume.tif").write_text("new")
    with pytest.raises(UserError, match=r"test-volume\.tif is not listed"):
        stage.check_manifest(raw, manifest)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "path,bytes,sha256\nx,many,y\n"])
def test_a_broken_manifest_is_named(raw: Path, manifest: Path, source: Path, text: str) -> None:
    fetch(raw, manifest, source)
    manifest.write_text(text)
    with pytest.raises(UserError, match=r"isbi2012\.manifest\.csv"):
        stage.check_manifest(raw, manifest)


def test_a_missing_manifest_is_named(raw: Path, manifest: Path) -> None:
    with pytest.raises(UserError, match=r"there is no .*manifest\.csv"):
        stage.check_manifest(raw, manifest)


def test_a_phantom_replaces_the_files_of_an_earlier_one(raw: Path, manifest: Path) -> None:
    (raw / "train" / "image").mkdir(parents=True)
    (raw / "train" / "image" / "0.png").write_text("stale")
    (raw / "README").write_text("not the data set's")
    part = PhantomStage(dataset="isbi2012", cases=1, seed=0)
    stage.phantom(part, raw=raw, manifest=manifest)
    stacks = ["test-volume.tif", "train-labels.tif", "train-volume.tif"]
    assert names(raw) == ["README", *stacks]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let downloads write their own URL; return the list of URLs asked for."""
    asked: list[str] = []

    def retrieve(url: str, *, fname: str, path: Path, **_: object) -> None:
        asked.append(url)
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_text(url)

    monkeypatch.setattr("segrepro.cases._download.pooch.retrieve", retrieve)
    sources = tuple(Source(path=name, url=f"https://example.org/{name}") for name in FILES)
    monkeypatch.setattr(isbi2012, "SOURCES", sources)
    return asked


def test_what_has_a_url_is_downloaded(raw: Path, manifest: Path, served: list[str]) -> None:
    fetch(raw, manifest, None)
    assert served == [f"https://example.org/{name}" for name in FILES]
    stage.check_manifest(raw, manifest)


def test_a_network_that_fails_ends_in_one_message(
    raw: Path, manifest: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setattr("segrepro.cases._download.ATTEMPTS", 1)
    here = tuple(
        replace(source, url=f"https://example.org/{source.path}") for source in isbi2012.SOURCES
    )
    monkeypatch.setattr(isbi2012, "SOURCES", here)
    with pytest.raises(UserError, match=r"cannot fetch train-volume\.tif from https://example"):
        fetch(raw, manifest, None)
    assert not manifest.exists()


def archive_of(source: Path, path: Path, wrapped: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*")):
            archive.write(file, f"{wrapped}{file.relative_to(source).as_posix()}")
    return path


@pytest.mark.parametrize("wrapped", ["", "isbi/", "isbi/release 1/"])
def test_an_archive_is_brought_without_the_folders_around_it(
    wrapped: str, raw: Path, manifest: Path, source: Path, tmp_path: Path
) -> None:
    (source / "holiday.jpg").write_text("beach")
    fetch(raw, manifest, archive_of(source, tmp_path / "a.zip", wrapped))
    assert names(raw) == sorted(FILES)
    assert [path.name for path in sorted(raw.parent.iterdir())] == [raw.name, manifest.name]


def test_a_folder_may_wrap_the_layout(raw: Path, manifest: Path, source: Path) -> None:
    fetch(raw, manifest, source.parent)
    assert names(raw) == sorted(FILES)


def test_an_archive_of_something_else_leaves_nothing(
    raw: Path, manifest: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.txt").write_text("x")
    with pytest.raises(UserError, match="what was unpacked does not hold"):
        fetch(raw, manifest, archive_of(tmp_path / "other", tmp_path / "a.zip"))
    assert list(raw.parent.iterdir()) == []


def test_published_archives_in_a_folder_are_unpacked(
    raw: Path, manifest: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isbi2012, "SOURCES", (Source(path="published.zip", unpack_to=""),))
    folder = tmp_path / "downloads"
    folder.mkdir()
    archive_of(source, folder / "published.zip")
    fetch(raw, manifest, folder)
    assert names(raw) == sorted(FILES)


def test_a_downloaded_archive_is_unpacked_and_removed(
    raw: Path, manifest: Path, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = archive_of(source, tmp_path / "a.zip", "isbi/")

    def download(wanted: Source, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(archive, folder / wanted.path)

    monkeypatch.setattr("segrepro.cases._get.download", download)
    url = "https://example.org/a.zip"
    monkeypatch.setattr(isbi2012, "SOURCES", (Source(path="a.zip", url=url, unpack_to=""),))
    fetch(raw, manifest, None)
    assert names(raw) == sorted(FILES)


def test_a_copy_is_compared_with_what_is_published(source: Path) -> None:
    with pytest.raises(UserError) as caught:
        check_copy("isbi2012", source)
    assert "2 files match *.tif, not 3" in caught.value.fact
    (source / "test-volume.tif").write_text("third")
    assert "3 files match *.tif" in check_copy("isbi2012", source)


def test_everything_that_differs_is_said_at_once(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = (
        Source(path=FILES[0], how="ask", bytes=7),
        Source(path=FILES[1], how="ask", sha256="0" * 64),
    )
    monkeypatch.setattr(isbi2012, "SOURCES", sources)
    with pytest.raises(UserError) as caught:
        check_copy("isbi2012", source)
    for said in ("not 3", "train-volume.tif has 16 bytes, not 7", "SHA-256 of train-labels.tif"):
        assert said in caught.value.fact


def test_a_copy_of_something_else_is_not_compared(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds nothing of this data set"):
        check_copy("isbi2012", tmp_path)
