"""PNG files without anything that could differ from run to run."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segrepro.errors import UserError

DTYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


def encode_png(plane: NDArray[Any]) -> bytes:
    """Return the PNG bytes of a uint8 or uint16 plane, shape (H, W)."""
    if plane.ndim != 2 or plane.dtype not in DTYPES:
        raise ValueError(f"a PNG holds a uint8 or uint16 plane, not {plane.dtype} {plane.shape}")
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(plane)).save(buffer, format="PNG")
    return buffer.getvalue()


def decode_png(content: bytes, path: Path) -> NDArray[Any]:
    """Return the plane of PNG bytes, shape (H, W), uint8 or uint16; `path` is for the message."""
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(f"{path} is broken: {error}.", "Run `segrepro convert` again.") from error
