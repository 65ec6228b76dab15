"""The JSRT and SCR reader."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets import jsrt
from segrepro.datasets._types import Case
from segrepro.errors import UserError

SIZE = 8_388_608
"""Bytes of a radiograph's file: 2048 x 2048 x 2."""
LEFT, RIGHT = np.s_[300:700, 600:900], np.s_[300:700, 100:400]
"""The patient's left is on the right of the picture."""


def file_of(number: int) -> bytes:
    """Return a radiograph's file that holds one number everywhere, high byte first."""
    return bytes([number >> 8, number & 255]) * (SIZE // 2)


def gif(path: Path, *places: tuple[slice, slice], side: int = 1024) -> None:
    """Write a mask whose file holds the indices 1 (black) and 0 (white)."""
    indices = np.ones((side, side), dtype=np.uint8)
    for place in places:
        indices[place] = 0
    image = Image.new("P", (side, side))
    image.putdata(indices.ravel().tolist())
    image.putpalette((255, 255, 255, 0, 0, 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write(raw: Path, name: str = "JPCLN001", *, fold: str = "fold1", number: int = 95) -> Path:
    (raw / "All247images").mkdir(parents=True, exist_ok=True)
    (raw / "All247images" / f"{name}.IMG").write_bytes(file_of(number))
    masks = raw / "scratch" / fold / "masks"
    gif(masks / "left lung" / f"{name}.gif", LEFT)
    gif(masks / "right lung" / f"{name}.gif", RIGHT)
    return raw


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("jsrt"))


@pytest.fixture(scope="module")
def case(raw: Path) -> Case:
    (case,) = jsrt.iter_cases(raw)
    return case


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        list(jsrt.iter_cases(raw))
    assert caught.value.cure
    return caught.value.fact


def test_a_larger_number_is_darker(case: Case) -> None:
    assert case.channels.dtype == np.uint16
    assert np.unique(case.channels).tolist() == [4095 - 95]


def test_the_high_byte_comes_first() -> None:
    content = bytearray(file_of(0))
    content[2:4] = b"\x0f\xfe"  # 4094, in the first row's second pixel
    plane = jsrt.brightness(bytes(content), Path("a.IMG"))
    assert plane[0, :3].tolist() == [4095, 1, 4095]


def test_swapped_bytes_show_as_numbers_beyond_12_bits() -> None:
    swapped = file_of(0x00FF)[::-1]
    with pytest.raises(UserError, match=r"a\.IMG holds 65280"):
        jsrt.brightness(swapped, Path("a.IMG"))


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 2, SIZE // 4])
def test_another_size_is_refused(size: int) -> None:
    with pytest.raises(UserError, match=f"{size} bytes, not {SIZE}"):
        jsrt.brightness(bytes(size), Path("a.IMG"))


def test_both_lungs_are_one_class_and_each_mask_pixel_is_four(case: Case) -> None:
    expected = np.zeros((1024, 1024), dtype=np.uint8)
    expected[LEFT] = expected[RIGHT] = 1
    assert case.mask.shape == (2048, 2048)
    for row in (0, 1):
        for column in (0, 1):
            np.testing.assert_array_equal(case.mask[row::2, column::2], expected)


def test_where_both_masks_lie_is_lung_as_well(tmp_path: Path) -> None:
    raw = write(tmp_path)
    gif(raw / "scratch/fold1/masks/left lung/JPCLN001.gif", LEFT, RIGHT)
    (case,) = jsrt.iter_cases(raw)
    assert case.mask[2 * 500, 2 * 200] == 1


def test_a_pixel_is_175_micrometres_wide(case: Case) -> None:
    assert case.spacing_mm == (0.175, 0.175)


def test_clavicles_leave_the_lungs_whole(tmp_path: Path, case: Case) -> None:
    raw = write(tmp_path)
    gif(raw / "scratch/fold1/masks/left clavicle/JPCLN001.gif", LEFT)
    (with_clavicle,) = jsrt.iter_cases(raw)
    np.testing.assert_array_equal(with_clavicle.mask, case.mask)


def test_the_folds_of_scr_are_its_split(tmp_path: Path) -> None:
    for number, fold in ((1, "fold1"), (2, "fold2")):
        write(tmp_path, f"JPCNN{number:03d}", fold=fold)
    assert jsrt.official_split(tmp_path) == {"JPCNN001": "fold1", "JPCNN002": "fold2"}


def test_a_radiograph_without_a_mask_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    (raw / "scratch/fold1/masks/right lung/JPCLN001.gif").unlink()
    assert "JPCLN001.IMG has no mask of its right lung" in refusal(raw)
    (raw / "scratch/fold1/masks/left lung/JPCLN001.gif").unlink()
    assert "left lung in no fold" in refusal(raw)


def test_masks_in_both_folds_are_refused(tmp_path: Path) -> None:
    raw = write(write(tmp_path), fold="fold2")
    assert "fold1 and fold2" in refusal(raw)


def test_a_mask_without_a_radiograph_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    gif(raw / "scratch/fold1/masks/left lung/JPCLN002.gif", LEFT)
    assert "JPCLN002.gif has no image" in refusal(raw)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    gif(raw / "scratch/fold1/masks/left lung/JPCLN001.gif", LEFT, side=2048)
    assert "(2048, 2048), not (1024, 1024)" in refusal(raw)


def test_a_grey_mask_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    path = raw / "scratch/fold1/masks/left lung/JPCLN001.gif"
    Image.new("L", (1024, 1024), 127).save(path)
    assert "JPCLN001.gif is no mask" in refusal(raw)


def test_a_truncated_mask_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    path = raw / "scratch/fold1/masks/left lung/JPCLN001.gif"
    path.write_bytes(path.read_bytes()[:900])
    assert str(path) in refusal(raw)


def test_another_name_is_refused(tmp_path: Path) -> None:
    assert "JPCXX001.IMG" in refusal(write(tmp_path, "JPCXX001"))


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    fact = refusal(tmp_path)
    assert "All247images/JPC*.IMG" in fact
    assert "left lung" in fact
