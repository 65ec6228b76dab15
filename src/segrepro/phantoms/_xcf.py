"""Write GIMP's image files (XCF, version 0), as its own ``devel-docs/xcf.txt`` describes them."""

import struct
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

TILE = 64
Planes = NDArray[np.uint8]


def encode_xcf(layers: Sequence[tuple[str, Planes]]) -> bytes:
    """Return the bytes of an RGB picture.

    Parameters
    ----------
    layers
        Name and pixels of each layer, the topmost first, all of one height and width: shape
        (H, W, 3) or, with opacity, (H, W, 4).
    """
    height, width = layers[0][1].shape[:2]
    head = b"gimp xcf file\0" + struct.pack(">III", width, height, 0)
    head += _property(17, b"\x01") + _property(0, b"")  # run-length encoded
    # Two lists of pointers, each ended by a zero: the layers, and no channels.
    at = len(head) + 4 * (len(layers) + 2)
    pointers, blocks = [], []
    for name, pixels in layers:
        pointers.append(at)
        blocks.append(_layer(name, pixels, at))
        at += len(blocks[-1])
    return head + struct.pack(f">{len(layers) + 2}I", *pointers, 0, 0) + b"".join(blocks)


def _property(number: int, payload: bytes) -> bytes:
    return struct.pack(">II", number, len(payload)) + payload


def _layer(name: str, pixels: Planes, start: int) -> bytes:
    height, width, channels = pixels.shape
    text = name.encode() + b"\0"
    head = struct.pack(">III", width, height, channels - 3) + struct.pack(">I", len(text)) + text
    for number, value in ((6, 255), (8, 1), (7, 0)):  # opacity, visible, mode
        head += _property(number, struct.pack(">I", value))
    head += _property(15, struct.pack(">ii", 0, 0)) + _property(0, b"")
    hierarchy = start + len(head) + 8
    return head + struct.pack(">II", hierarchy, 0) + _hierarchy(pixels, hierarchy)


def _hierarchy(pixels: Planes, start: int) -> bytes:
    height, width, channels = pixels.shape
    level = start + 12 + 8
    head = struct.pack(">III", width, height, channels) + struct.pack(">II", level, 0)
    tiles = [_encoded(tile) for tile in _tiles(pixels)]
    first = level + 8 + 4 * (len(tiles) + 1)
    starts = [first + sum(len(tile) for tile in tiles[:number]) for number in range(len(tiles))]
    head += struct.pack(">II", width, height) + struct.pack(f">{len(tiles) + 1}I", *starts, 0)
    return head + b"".join(tiles)


def _tiles(pixels: Planes) -> Iterator[Planes]:
    height, width = pixels.shape[:2]
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield pixels[top : top + TILE, left : left + TILE]


def _encoded(tile: Planes) -> bytes:
    return b"".join(_runs(tile[..., channel].tobytes()) for channel in range(tile.shape[2]))


def _runs(plane: bytes) -> bytes:
    """Return a plane as repeated bytes where it is flat, and as it stands where it is not."""
    values = np.frombuffer(plane, dtype=np.uint8)
    ends = np.append(np.flatnonzero(np.diff(values)) + 1, len(values))
    if len(ends) > len(values) // 8:
        return struct.pack(">BH", 128, len(plane)) + plane
    coded, start = bytearray(), 0
    for end in ends.tolist():
        count, value = end - start, plane[start : start + 1]
        if count <= 127:
            coded += struct.pack(">B", count - 1) + value
        else:
            coded += struct.pack(">BH", 127, count) + value
        start = end
    return bytes(coded)
