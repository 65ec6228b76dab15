"""The ISIC 2018 reader, on images small enough to write by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets import isic2018
from segrepro.datasets._types import Case
from segrepro.errors import UserError

IDS = ("ISIC_0000000", "ISIC_0000001", "ISIC_0000003")  # 2 is missing, as published
WIDTH, HEIGHT = 40, 24


def write(raw: Path, ids: tuple[str, ...] = IDS) -> Path:
    """Write images of one shade each, and masks whose lesion is as many columns wide as the id."""
    for number, name in enumerate(ids):
        for folder in (isic2018.IMAGES, isic2018.MASKS):
            (raw / folder).mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", (WIDTH, HEIGHT), (200, 100, 20 * number))
        image.save(raw / isic2018.IMAGES / f"{name}.jpg", quality=95)
        mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
        mask[:, : number + 1] = 255
        save_mask(raw, name, mask)
    return raw


def save_mask(raw: Path, name: str, mask: np.ndarray) -> None:
    Image.fromarray(mask).save(raw / isic2018.MASKS / f"{name}_segmentation.png")


def read(raw: Path) -> list[Case]:
    return list(isic2018.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def test_each_image_gets_the_mask_of_its_id_though_ids_have_gaps(tmp_path: Path) -> None:
    cases = read(write(tmp_path))
    assert [case.case_id for case in cases] == list(IDS)
    assert [int(case.mask.sum()) for case in cases] == [HEIGHT * width for width in (1, 2, 3)]
    assert [case.group_id for case in cases] == list(IDS)


def test_colours_are_red_green_blue(tmp_path: Path) -> None:
    red, green, blue = read(write(tmp_path))[0].channels[:, 5, 5].astype(int)
    assert abs(red - 200) < 4
    assert abs(green - 100) < 4
    assert blue < 4


def test_superpixels_beside_the_images_are_no_images_and_no_masks(tmp_path: Path) -> None:
    raw = write(tmp_path)
    trap = Image.new("RGB", (WIDTH, HEIGHT), (1, 2, 3))
    for folder in (isic2018.IMAGES, isic2018.MASKS):
        trap.save(raw / folder / "ISIC_0000000_superpixels.png")
    assert len(read(raw)) == 3


def test_masks_of_task_2_are_not_read(tmp_path: Path) -> None:
    raw = write(tmp_path)
    name = "ISIC_0000000_attribute_globules.png"
    Image.new("L", (WIDTH, HEIGHT), 255).save(raw / isic2018.MASKS / name)
    assert read(raw)[0].mask.sum() == HEIGHT


@pytest.mark.parametrize(
    ("lost", "fact"),
    [
        (f"{isic2018.IMAGES}/ISIC_0000001.jpg", "has no image"),
        (f"{isic2018.MASKS}/ISIC_0000001_segmentation.png", "has no mask"),
    ],
)
def test_a_file_without_its_partner_is_named(tmp_path: Path, lost: str, fact: str) -> None:
    raw = write(tmp_path)
    (raw / lost).unlink()
    assert "ISIC_0000001" in refusal(raw)
    assert fact in refusal(raw)


def test_a_blended_mask_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    save_mask(raw, "ISIC_0000001", np.full((HEIGHT, WIDTH), 127, dtype=np.uint8))
    assert "ISIC_0000001_segmentation.png is no mask" in refusal(raw)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    save_mask(raw, "ISIC_0000001", np.zeros((WIDTH, HEIGHT), dtype=np.uint8))
    assert "(24, 40)" in refusal(raw)


def test_a_truncated_image_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    path = raw / isic2018.IMAGES / "ISIC_0000003.jpg"
    path.write_bytes(path.read_bytes()[:-20])
    assert str(path) in refusal(raw)


def test_another_name_is_refused(tmp_path: Path) -> None:
    assert "copy.jpg" in refusal(write(tmp_path, ("copy",)))


def test_hidden_copies_are_not_read(tmp_path: Path) -> None:
    raw = write(tmp_path)
    (raw / isic2018.IMAGES / "._ISIC_0000000.jpg").write_bytes(b"macOS")
    assert len(read(raw)) == 3


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert isic2018.MASKS in caught.value.fact
    assert "https://" in caught.value.cure


def test_the_archives_are_pinned_by_their_known_digits() -> None:
    images, masks = isic2018.SOURCES
    assert (images.sha256 or "").startswith("80f98572347a")
    assert (images.sha256 or "").endswith("675f")
    assert (masks.sha256 or "").startswith("99f8b2bb3c4d")
    assert (masks.sha256 or "").endswith("604c")
