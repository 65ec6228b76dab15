"""The CVC-ClinicDB reader, on frames small enough to write by hand."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets import cvc_clinicdb
from segrepro.datasets._types import Case
from segrepro.errors import UserError

ROOT = Path(__file__).parents[2]
SEQUENCES = (
    Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data"))
    / "cvc_sequences.csv"
)
FRAMES = (1, 2, 10, 26, 612)
WIDTH, HEIGHT = 12, 8


def write(raw: Path, *, ending: str = "tif", mode: str = "RGB") -> Path:
    """Write frames whose blue is their number modulo 256; the polyp is the upper left quarter."""
    for folder in ("Original", "Ground Truth"):
        (raw / folder).mkdir(parents=True, exist_ok=True)
    for frame in FRAMES:
        image = Image.new("RGB", (WIDTH, HEIGHT), (200, 100, frame % 256))
        image.save(raw / "Original" / f"{frame}.{ending}")
        polyp().convert(mode).save(raw / "Ground Truth" / f"{frame}.{ending}")
    return raw


def polyp() -> Image.Image:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[:4, :6] = 255
    return Image.fromarray(mask)


def read(raw: Path) -> list[Case]:
    return list(cvc_clinicdb.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def test_frames_are_sorted_as_numbers(tmp_path: Path) -> None:
    cases = read(write(tmp_path))
    assert [case.case_id for case in cases] == [f"frame{frame:03d}" for frame in FRAMES]
    assert [case.channels[2, 0, 0] for case in cases] == [frame % 256 for frame in FRAMES]


def test_frames_of_a_sequence_are_a_group(tmp_path: Path) -> None:
    groups = [case.group_id for case in read(write(tmp_path))]
    assert groups == ["sequence01"] * 3 + ["sequence02", "sequence29"]


def test_there_are_29_sequences_of_6_to_26_frames() -> None:
    frames = [cvc_clinicdb.sequence_of(frame) for frame in range(1, 613)]
    lengths = [frames.count(sequence) for sequence in range(1, 30)]
    assert sum(lengths) == 612
    assert (min(lengths), max(lengths)) == (6, 26)


@pytest.mark.real_images
@pytest.mark.skipif(not SEQUENCES.is_file(), reason="no cvc_sequences.csv in SEGREPRO_REAL_DATA")
def test_the_sequences_are_those_of_the_public_table() -> None:
    with SEQUENCES.open(newline="") as handle:
        rows = [{key: int(value) for key, value in row.items()} for row in csv.DictReader(handle)]
    assert len(rows) == 29
    for row in rows:
        for frame in (row["first_frame"], row["last_frame"]):
            assert cvc_clinicdb.sequence_of(frame) == row["sequence"]


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_masks_may_be_rgb_or_grey(tmp_path: Path, mode: str) -> None:
    (case, *_) = read(write(tmp_path, mode=mode))
    expected = np.zeros((HEIGHT, WIDTH))
    expected[:4, :6] = 1
    np.testing.assert_array_equal(case.mask, expected)


def test_more_than_127_in_the_first_channel_is_polyp(tmp_path: Path) -> None:
    raw = write(tmp_path)
    mask = np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8)
    mask[0, :4, 0] = (126, 127, 128, 255)
    mask[1, :, 1:] = 255
    Image.fromarray(mask).save(raw / "Ground Truth" / "1.tif")
    assert np.argwhere(read(raw)[0].mask).tolist() == [[0, 2], [0, 3]]


def test_a_mask_with_a_palette_is_refused(tmp_path: Path) -> None:
    assert "mode P" in refusal(write(tmp_path, mode="P"))


@pytest.mark.parametrize(
    ("folder", "ending"),
    [("CVC-ClinicDB", "tif"), ("TIF", "tif"), ("PNG", "png"), (".", "png")],
)
def test_all_layouts_give_the_same_cases(tmp_path: Path, folder: str, ending: str) -> None:
    published = read(write(tmp_path / "a"))
    write(tmp_path / "b" / folder, ending=ending)
    for ours, theirs in zip(published, read(tmp_path / "b"), strict=True):
        assert (ours.case_id, ours.group_id) == (theirs.case_id, theirs.group_id)
        np.testing.assert_array_equal(ours.channels, theirs.channels)
        np.testing.assert_array_equal(ours.mask, theirs.mask)


def test_a_frame_without_a_mask_and_a_mask_without_a_frame_are_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    (raw / "Ground Truth" / "10.tif").unlink()
    assert "10.tif has no mask" in refusal(raw)
    (raw / "Original" / "2.tif").unlink()
    assert "2.tif has no image; 2 files" in refusal(raw)


@pytest.mark.parametrize("name", ["0", "613", "copy of 3"])
def test_an_unknown_frame_is_refused(tmp_path: Path, name: str) -> None:
    raw = write(tmp_path)
    (raw / "Original" / "1.tif").rename(raw / "Original" / f"{name}.tif")
    assert f"{name}.tif" in refusal(raw)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    Image.new("L", (HEIGHT, WIDTH)).save(raw / "Ground Truth" / "1.tif")
    assert "(12, 8)" in refusal(raw)


def test_a_grey_frame_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    Image.new("L", (WIDTH, HEIGHT)).save(raw / "Original" / "1.tif")
    assert "mode L" in refusal(raw)


def test_a_truncated_tif_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    path = raw / "Original" / "26.tif"
    path.write_bytes(path.read_bytes()[:150])
    assert str(path) in refusal(raw)


def test_a_folder_without_frames_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "Ground Truth/*.tif" in caught.value.fact
    assert "https://" in caught.value.cure
