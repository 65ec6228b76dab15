"""GIMP's own image files (XCF), flattened: only what hand-drawn masks need.

The format: GIMP's ``devel-docs/xcf.txt``. Read are RGB pictures of 8 bits whose layers cover the
whole canvas in normal mode, uncompressed, run-length encoded or zlib-compressed; everything else
is refused by name.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
TILE = 64
MOST_PIXELS = 64_000_000
MOST_LAYERS = 16
OPAQUE = 255
NORMAL_MODES = {0, 28}  # "legacy", and that of GIMP 2.10
CHANNELS = {0: 3, 1: 4}  # of a layer's type: RGB and RGBA
Planes = NDArray[np.uint8]

# Numbers of properties (xcf.txt, "Properties").
OPACITY, MODE, VISIBLE, OFFSETS, COMPRESSION = 6, 7, 8, 15, 17


@dataclass(frozen=True)
class _Picture:
    """The bytes of a file and what its header says."""

    content: bytes
    wide_pointers: bool
    width: int
    height: int
    compression: int
    layers: tuple[int, ...]
    """Where they begin, the topmost first."""

    def pointers(self, at: int) -> Iterator[int]:
        """Yield the pointers of the list at `at`, which a zero ends."""
        code, size = (">Q", 8) if self.wide_pointers else (">I", 4)
        while (pointer := int(struct.unpack_from(code, self.content, at)[0])) != 0:
            yield pointer
            at += size


def flattened(content: bytes, path: Path) -> Planes:
    """Return the picture that the visible layers make, shape (H, W, 3).

    Parameters
    ----------
    content, path
        The bytes of the file; the path is for the message.

    Raises
    ------
    UserError
        If the file is broken or of a kind that is not read.
    """
    try:
        picture = _header(content)
        canvas = np.zeros((picture.height, picture.width, 3), dtype=np.uint8)
        for start in reversed(picture.layers):
            layer = _layer(picture, start)
            if layer is not None:
                canvas = _over(layer, canvas)
    except (struct.error, ValueError, IndexError, zlib.error) as error:
        raise UserError(f"{path} is no GIMP picture that can be read: {error}.", CURE) from error
    return canvas


def _over(layer: Planes, below: Planes) -> Planes:
    if layer.shape[2] == 3:
        return layer
    alpha = layer[..., 3:].astype(np.uint32)
    mixed = layer[..., :3] * alpha + below * (OPAQUE - alpha)
    return np.asarray((mixed + OPAQUE // 2) // OPAQUE, dtype=np.uint8)


def _header(content: bytes) -> _Picture:
    if not content.startswith(b"gimp xcf ") or content[13:14] != b"\0":
        raise ValueError("its first bytes are not 'gimp xcf'")
    version = 0 if content[9:13] == b"file" else int(content[10:13])
    width, height, kind = struct.unpack_from(">III", content, 14)
    if not 0 < width * height <= MOST_PIXELS:
        raise ValueError(f"it claims {width} x {height} pixels")
    at = 26
    if version >= 4:
        # 100 and 150 are 8 bits; version 4 alone writes 0 for them.
        if (precision := struct.unpack_from(">I", content, at)[0]) not in {0, 100, 150}:
            raise ValueError(f"it has precision {precision}, not 8 bits")
        at += 4
    if kind != 0:
        raise ValueError("it is not RGB")
    properties, at = _properties(content, at)
    compression = properties.get(COMPRESSION, b"\0")[0]
    picture = _Picture(content, version >= 11, width, height, compression, ())
    layers = []
    for pointer in picture.pointers(at):
        layers.append(pointer)
        if len(layers) > MOST_LAYERS:
            raise ValueError(f"it has more than {MOST_LAYERS} layers")
    return _Picture(content, version >= 11, width, height, compression, tuple(layers))


def _properties(content: bytes, at: int) -> tuple[dict[int, bytes], int]:
    """Return the properties from `at` on by number, and where they end."""
    properties: dict[int, bytes] = {}
    while True:
        number, size = struct.unpack_from(">II", content, at)
        at += 8
        if number == 0:
            return properties, at
        if at + size > len(content):
            raise ValueError(f"property {number} runs past the end")
        properties[number] = content[at : at + size]
        at += size


def _layer(picture: _Picture, start: int) -> Planes | None:
    """Return the pixels of a layer, shape (H, W, 3 or 4), or ``None`` if it is hidden."""
    width, height, kind, name_bytes = struct.unpack_from(">IIII", picture.content, start)
    properties, at = _properties(picture.content, start + 16 + name_bytes)
    numbers = {key: int.from_bytes(value) for key, value in properties.items()}
    if numbers.get(VISIBLE, 1) == 0:
        return None
    if (width, height) != (picture.width, picture.height) or numbers.get(OFFSETS, 0) != 0:
        raise ValueError("a layer does not cover the canvas")
    if kind not in CHANNELS or numbers.get(MODE, 0) not in NORMAL_MODES:
        raise ValueError(f"a layer has type {kind} and mode {numbers.get(MODE, 0)}")
    if numbers.get(OPACITY, OPAQUE) != OPAQUE:
        raise ValueError("a layer is translucent")
    code = ">QQ" if picture.wide_pointers else ">II"
    hierarchy, mask = struct.unpack_from(code, picture.content, at)
    if mask:
        raise ValueError("a layer has a layer mask")
    return _pixels(picture, hierarchy, CHANNELS[kind])


def _pixels(picture: _Picture, hierarchy: int, channels: int) -> Planes:
    width, height, found = struct.unpack_from(">III", picture.content, hierarchy)
    if (width, height, found) != (picture.width, picture.height, channels):
        raise ValueError(f"a layer stores {width} x {height} pixels of {found} bytes")
    if (level := next(picture.pointers(hierarchy + 12), None)) is None:
        raise ValueError("a layer has no pixels")
    tiles = picture.pointers(level + 8)
    pixels = np.empty((height, width, channels), dtype=np.uint8)
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            box = pixels[top : top + TILE, left : left + TILE]
            if (start := next(tiles, None)) is None:
                raise ValueError("tiles are missing")
            box[:] = _tile(picture, start, box.shape)
    return pixels


def _tile(picture: _Picture, start: int, shape: tuple[int, ...]) -> Planes:
    """Return one tile, shape (rows, columns, channels)."""
    rows, columns, channels = shape
    size = rows * columns * channels
    if picture.compression == 1:
        planes = _run_lengths(picture.content, start, rows * columns, channels)
        return planes.reshape(channels, rows, columns).transpose(1, 2, 0)
    if picture.compression == 0:
        stored = picture.content[start : start + size]
    elif picture.compression == 2:
        stored = zlib.decompressobj().decompress(picture.content[start:], size)
    else:
        raise ValueError(f"it has compression {picture.compression}")
    if len(stored) != size:
        raise ValueError("a tile is cut short")
    return np.frombuffer(stored, dtype=np.uint8).reshape(shape)


def _run_lengths(content: bytes, at: int, size: int, channels: int) -> Planes:
    """Return the bytes of a tile, shape (channels, size): one channel is coded after the other."""
    coded = bytearray()
    for channel in range(1, channels + 1):
        while len(coded) < channel * size:
            code = content[at]
            at += 1
            # 127 and 128 are followed by a longer count (xcf.txt, "RLE compressed tile data").
            count = code + 1 if code < 127 else 256 - code
            if code in {127, 128}:
                count = int.from_bytes(content[at : at + 2])
                at += 2
            if count == 0:
                raise ValueError("a run of a tile is empty")
            step = 1 if code < 128 else count
            coded += content[at : at + step] * (count // step)
            at += step
        if len(coded) != channel * size:
            raise ValueError("a tile's runs are not as long as the tile, or cut short")
    return np.frombuffer(bytes(coded), dtype=np.uint8).reshape(channels, size)
