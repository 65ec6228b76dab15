"""The ISBI-2012 reader, on sections small enough to write by hand."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segrepro.datasets import isbi2012
from segrepro.datasets._types import Case
from segrepro.errors import UserError

COUNT = 12
Stack = NDArray[np.uint8]


@pytest.fixture
def images() -> Stack:
    return np.random.default_rng(0).integers(0, 256, (COUNT, 8, 10), dtype=np.uint8)


@pytest.fixture
def labels() -> Stack:
    return np.where(np.random.default_rng(1).random((COUNT, 8, 10)) < 0.2, 0, 255).astype(np.uint8)


def write_tifs(raw: Path, images: Stack, labels: Stack) -> Path:
    raw.mkdir(exist_ok=True)
    for name, stack in (("train-volume.tif", images), ("train-labels.tif", labels)):
        tifffile.imwrite(raw / name, stack, photometric="minisblack", metadata=None)
    return raw


def write_pngs(raw: Path, images: Stack, labels: Stack) -> Path:
    for kind, stack in (("image", images), ("label", labels)):
        (raw / "train" / kind).mkdir(parents=True)
        for number, page in enumerate(stack):
            Image.fromarray(page).save(raw / "train" / kind / f"{number}.png")
    return raw


def read(raw: Path) -> list[Case]:
    return list(isbi2012.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def test_every_page_of_the_stacks_is_a_case(tmp_path: Path, images: Stack, labels: Stack) -> None:
    cases = read(write_tifs(tmp_path, images, labels))
    assert [case.case_id for case in cases] == [f"section{n:02d}" for n in range(COUNT)]
    np.testing.assert_array_equal([case.channels[0] for case in cases], images)


def test_both_layouts_give_identical_cases(tmp_path: Path, images: Stack, labels: Stack) -> None:
    stacks = read(write_tifs(tmp_path / "tif", images, labels))
    copies = read(write_pngs(tmp_path / "png", images, labels))
    for ours, theirs in zip(stacks, copies, strict=True):
        assert (ours.case_id, ours.group_id) == (theirs.case_id, theirs.group_id)
        assert ours.spacing_mm == theirs.spacing_mm
        np.testing.assert_array_equal(ours.channels, theirs.channels)
        np.testing.assert_array_equal(ours.mask, theirs.mask)


def test_255_is_cell_and_0_is_membrane(tmp_path: Path, images: Stack, labels: Stack) -> None:
    first = read(write_tifs(tmp_path, images, labels))[0]
    np.testing.assert_array_equal(first.mask == 1, labels[0] == 255)


def test_labels_of_0_and_1_mean_the_same(tmp_path: Path, images: Stack, labels: Stack) -> None:
    first = read(write_tifs(tmp_path, images, labels // 255))[0]
    np.testing.assert_array_equal(first.mask == 1, labels[0] == 255)


def test_six_consecutive_sections_are_a_group(tmp_path: Path, images: Stack, labels: Stack) -> None:
    groups = [case.group_id for case in read(write_tifs(tmp_path, images, labels))]
    assert groups == ["block0"] * 6 + ["block1"] * 6


def test_a_pixel_is_four_nanometres_wide(tmp_path: Path, images: Stack, labels: Stack) -> None:
    assert read(write_tifs(tmp_path, images, labels))[0].spacing_mm == (4e-6, 4e-6)


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "train-volume.tif" in caught.value.fact
    assert "train/image/*.png" in caught.value.fact
    assert "https://" in caught.value.cure


def test_jpeg_labels_are_refused(tmp_path: Path, images: Stack, labels: Stack) -> None:
    labels[3, 0, 0] = 250
    fact = refusal(write_tifs(tmp_path, images, labels))
    assert "train-labels.tif, page 3" in fact
    assert "250" in fact


def test_a_truncated_png_is_named(tmp_path: Path, images: Stack, labels: Stack) -> None:
    raw = write_pngs(tmp_path, images, labels)
    broken = raw / "train" / "image" / "4.png"
    broken.write_bytes(broken.read_bytes()[:-30])
    assert str(broken) in refusal(raw)


@pytest.mark.parametrize("kept_bytes", [5, 600, -40])
def test_a_truncated_tif_is_named(
    tmp_path: Path, images: Stack, labels: Stack, kept_bytes: int
) -> None:
    raw = write_tifs(tmp_path, images, labels)
    for name in ("train-volume.tif", "train-labels.tif"):
        (raw / name).write_bytes((raw / name).read_bytes()[:kept_bytes])
    assert str(raw / "train-volume.tif") in refusal(raw)


def test_a_text_file_called_tif_is_named(tmp_path: Path, images: Stack, labels: Stack) -> None:
    raw = write_tifs(tmp_path, images, labels)
    (raw / "train-labels.tif").write_text("<html>404 not found</html>")
    assert str(raw / "train-labels.tif") in refusal(raw)


def test_stacks_of_different_length_are_refused(
    tmp_path: Path, images: Stack, labels: Stack
) -> None:
    fact = refusal(write_tifs(tmp_path, images, labels[:-1]))
    assert "12 pages" in fact
    assert "11" in fact


def test_an_image_and_a_label_of_different_size_are_refused(
    tmp_path: Path, images: Stack, labels: Stack
) -> None:
    assert "(8, 9)" in refusal(write_tifs(tmp_path, images, labels[:, :, :9]))


def test_an_image_without_a_label_is_refused(tmp_path: Path, images: Stack, labels: Stack) -> None:
    raw = write_pngs(tmp_path, images, labels)
    (raw / "train" / "label" / "7.png").unlink()
    assert "section 7" in refusal(raw)


def test_a_colour_png_is_refused(tmp_path: Path, images: Stack, labels: Stack) -> None:
    raw = write_pngs(tmp_path, images, labels)
    Image.new("RGB", (10, 8)).save(raw / "train" / "image" / "0.png")
    assert "RGB" in refusal(raw)


def test_a_png_that_is_not_a_number_is_refused(
    tmp_path: Path, images: Stack, labels: Stack
) -> None:
    raw = write_pngs(tmp_path, images, labels)
    Image.fromarray(images[0]).save(raw / "train" / "image" / "copy of 3.png")
    assert "copy of 3.png" in refusal(raw)


def test_a_deeper_image_is_refused(tmp_path: Path, images: Stack, labels: Stack) -> None:
    raw = write_tifs(tmp_path, images, labels)
    tifffile.imwrite(raw / "train-volume.tif", images.astype(np.uint16), metadata=None)
    assert "uint16" in refusal(raw)
