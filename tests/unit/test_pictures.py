"""Flat pictures are read whole or not at all."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets._pictures import (
    BrokenPictureError,
    colour_planes,
    decode_picture,
    grey_plane,
    is_foreground,
    read_picture,
)
from segrepro.errors import UserError

NAME = Path("a.png")


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png_that_claims(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


def test_a_rotated_picture_is_turned_upright() -> None:
    stored = Image.fromarray(np.array([[0, 0, 0], [0, 0, 255]], dtype=np.uint8)).resize((48, 32), 0)
    exif = Image.Exif()
    exif[274] = 8  # "rotate 90 degrees anticlockwise to see it": the last row's end becomes the top
    picture = decode_picture(encoded(stored, "JPEG", quality=95, exif=exif), NAME, ["JPEG"])
    assert picture.size == (32, 48)
    assert grey_plane(picture, NAME)[4, 28] > 200


@pytest.mark.parametrize("size", [(9_000, 9_000), (15_000, 15_000), (60_000, 60_000)])
def test_a_picture_too_large_to_be_true_is_refused_undecoded(size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match=r"a\.png .*too (many|large)"):
        decode_picture(png_that_claims(*size), NAME, ["PNG"])


def test_a_truncated_picture_is_broken_and_the_reason_names_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    path.write_bytes(encoded(Image.effect_noise((50, 50), 90))[:-200])
    with pytest.raises(BrokenPictureError) as caught:
        read_picture(path, ["PNG"])
    assert str(path) in caught.value.fact
    assert str(tmp_path) not in caught.value.reason


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_broken(content: bytes) -> None:
    with pytest.raises(BrokenPictureError, match=r"a\.png"):
        decode_picture(content, NAME, ["PNG"])


def test_the_reason_is_the_same_each_time() -> None:
    reasons = []
    for _ in range(2):
        with pytest.raises(BrokenPictureError) as caught:
            decode_picture(b"nothing", NAME, ["PNG"])
        reasons.append(caught.value.reason)
    assert reasons[0] == reasons[1]


def test_another_format_than_expected_is_broken() -> None:
    with pytest.raises(BrokenPictureError):
        decode_picture(encoded(Image.new("L", (4, 4)), "GIF"), NAME, ["PNG"])


def test_several_pages_are_refused() -> None:
    page = Image.new("L", (4, 4))
    content = encoded(page, "TIFF", save_all=True, append_images=[page])
    with pytest.raises(UserError, match="2 pictures"):
        decode_picture(content, NAME, ["TIFF"])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*none\.png"):
        read_picture(tmp_path / "none.png", ["PNG"])


def test_three_equal_channels_are_one_grey_plane() -> None:
    grey = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (grey_plane(Image.fromarray(grey).convert("RGB"), NAME) == grey).all()


def test_colour_is_not_mixed_to_grey() -> None:
    with pytest.raises(UserError, match="colour"):
        grey_plane(Image.new("RGB", (2, 2), (1, 1, 2)), NAME)


@pytest.mark.parametrize("mode", ["P", "I;16", "RGBA", "CMYK"])
def test_other_modes_are_refused_by_name(mode: str) -> None:
    with pytest.raises(UserError, match=mode):
        grey_plane(Image.new(mode, (2, 2)), NAME)
    with pytest.raises(UserError, match=mode):
        colour_planes(Image.new(mode, (2, 2)), NAME)


def test_colour_planes_are_red_green_blue() -> None:
    planes = colour_planes(Image.new("RGB", (4, 2), (10, 20, 30)), NAME)
    assert planes.shape == (3, 2, 4)
    assert planes[:, 0, 0].tolist() == [10, 20, 30]


def test_a_mask_may_hold_0_and_255_or_0_and_1() -> None:
    for high in (1, 255):
        plane = np.array([0, high], dtype=np.uint8)
        assert is_foreground(plane, NAME).tolist() == [False, True]


def test_a_blended_mask_is_refused() -> None:
    with pytest.raises(UserError, match=r"3 values \(0, 128, 255"):
        is_foreground(np.array([0, 128, 255], dtype=np.uint8), NAME)
