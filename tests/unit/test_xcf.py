"""GIMP's files, flattened."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segrepro.datasets._xcf import flattened
from segrepro.errors import UserError
from segrepro.phantoms._xcf import encode_xcf

NAME = Path("a.xcf")
PHOTO = np.random.default_rng(0).integers(0, 256, (70, 130, 3), dtype=np.uint8)
"""More than one tile of 64 pixels in both directions."""


def clear_layer() -> np.ndarray:
    return np.zeros((70, 130, 4), dtype=np.uint8)


def refusal(content: bytes) -> str:
    with pytest.raises(UserError, match=r"a\.xcf") as caught:
        flattened(content, NAME)
    return caught.value.fact


def with_property(content: bytes, number: int, value: bytes, *, layer: int) -> bytes:
    """Return a file in which the property of one layer has another value."""
    starts = [at for at in range(len(content)) if content.startswith(_head(number, value), at)]
    at = starts[layer] + 8
    return content[:at] + value + content[at + len(value) :]


def _head(number: int, value: bytes) -> bytes:
    return struct.pack(">II", number, len(value))


def test_one_layer_is_the_picture() -> None:
    np.testing.assert_array_equal(flattened(encode_xcf([("photo", PHOTO)]), NAME), PHOTO)


def test_flat_colours_are_coded_in_runs_and_come_back() -> None:
    flat = np.zeros((70, 130, 3), dtype=np.uint8)
    flat[10:60, 5:125] = (200, 0, 7)
    content = encode_xcf([("flat", flat)])
    assert len(content) < flat.size / 8
    np.testing.assert_array_equal(flattened(content, NAME), flat)


def test_the_upper_layer_hides_the_lower_where_it_is_opaque() -> None:
    upper = clear_layer()
    upper[20:30, 60:70] = (255, 0, 0, 255)
    picture = flattened(encode_xcf([("borders", upper), ("photo", PHOTO)]), NAME)
    expected = PHOTO.copy()
    expected[20:30, 60:70] = (255, 0, 0)
    np.testing.assert_array_equal(picture, expected)


def test_a_half_opaque_pixel_is_half_of_each() -> None:
    upper = clear_layer()
    upper[0, 0] = (100, 100, 100, 51)  # a fifth
    black = np.zeros_like(PHOTO)
    assert flattened(encode_xcf([("u", upper), ("b", black)]), NAME)[0, 0].tolist() == [20, 20, 20]


def test_a_hidden_layer_is_not_seen() -> None:
    upper = clear_layer()
    upper[:] = 255
    content = encode_xcf([("borders", upper), ("photo", PHOTO)])
    hidden = with_property(content, 8, struct.pack(">I", 0), layer=0)
    np.testing.assert_array_equal(flattened(hidden, NAME), PHOTO)


@pytest.mark.parametrize(
    ("number", "value", "fact"),
    [
        (6, struct.pack(">I", 128), "translucent"),
        (7, struct.pack(">I", 3), "mode 3"),
        (15, struct.pack(">ii", 5, 0), "does not cover"),
    ],
)
def test_a_layer_that_is_not_simply_on_top_is_refused(number: int, value: bytes, fact: str) -> None:
    content = encode_xcf([("photo", PHOTO)])
    assert fact in refusal(with_property(content, number, value, layer=0))


@pytest.mark.parametrize("content", [b"", b"<html>404</html>", b"gimp xcf v9z9\0" + bytes(40)])
def test_what_is_no_gimp_file_is_refused(content: bytes) -> None:
    refusal(content)


def test_a_picture_too_large_to_be_true_is_refused() -> None:
    content = encode_xcf([("photo", PHOTO)])
    claimed = content[:14] + struct.pack(">II", 100_000, 100_000) + content[22:]
    assert "100000 x 100000" in refusal(claimed)


def test_a_grey_picture_is_refused() -> None:
    content = encode_xcf([("photo", PHOTO)])
    assert "not RGB" in refusal(content[:22] + struct.pack(">I", 1) + content[26:])


def test_a_file_cut_anywhere_is_refused() -> None:
    content = encode_xcf([("borders", clear_layer()), ("photo", PHOTO)])
    for kept in [*range(0, 400, 7), *range(400, len(content), 997), len(content) - 1]:
        refusal(content[:kept])


@given(st.data())
def test_changed_bytes_are_read_or_refused_but_never_end_in_a_traceback(
    data: st.DataObject,
) -> None:
    content = bytearray(encode_xcf([("borders", np.zeros((9, 7, 4), dtype=np.uint8))]))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(9, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        flattened(bytes(content), NAME)
    except UserError as error:
        assert "a.xcf" in error.fact  # noqa: PT017 - either outcome is right
