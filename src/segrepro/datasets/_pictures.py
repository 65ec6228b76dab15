"""Flat pictures through Pillow, whole or not at all: no truncated file, no bomb, no surprise."""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."
MOST_PIXELS = 64_000_000
"""Of one picture: the largest that we know (ISIC) has 30 million."""


class BrokenPictureError(UserError):
    """A file that no reader can decode to its end.

    Parameters
    ----------
    path
        The file.
    reason
        Why, in a few words that say nothing of where the file lies.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is broken or truncated: {reason}.", CURE)
        self.reason = reason


def read_content(path: Path) -> bytes:
    """Return the bytes of a file; a `UserError` names one that cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.", CURE) from error


def read_picture(path: Path, formats: Sequence[str]) -> Image.Image:
    """Return the one picture of a file, decoded; see `decode_picture`."""
    return decode_picture(read_content(path), path, formats)


def decode_picture(content: bytes, path: Path, formats: Sequence[str]) -> Image.Image:
    """Return the one picture in the bytes of a file, decoded and turned as its EXIF tag says.

    Parameters
    ----------
    content, path
        The bytes; the path is for the message.
    formats
        Those of Pillow's formats that it may have, such as ``["JPEG"]``.

    Raises
    ------
    BrokenPictureError
        If it is truncated or of another format.
    UserError
        If it holds several pictures or more than `MOST_PIXELS` pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(content), formats=list(formats))
            _check_size(image, path)
            image.load()
            return ImageOps.exif_transpose(image)
    except UserError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is too large a picture to be true.", CURE) from error
    # Pillow's decoders have no common exception: they fail in whatever way the bytes lead them to.
    except Exception as error:
        raise BrokenPictureError(path, _short(error)) from error


def _check_size(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise UserError(f"{path} claims {width} x {height} pixels, too many to be true.", CURE)
    if (count := getattr(image, "n_frames", 1)) != 1:
        raise UserError(f"{path} holds {count} pictures, not one.", CURE)


def _short(error: Exception) -> str:
    # Pillow prints the object that holds the bytes, with an address that no two runs share.
    text = " ".join(str(error).split("<_io")[0].split()).rstrip(". ")
    return text[:200] or type(error).__name__


def grey_plane(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Return an 8-bit grey picture, shape (H, W), also one stored as RGB with equal channels.

    Raises
    ------
    UserError
        If it is in colour, or of another mode: nothing is mixed to grey.
    """
    if image.mode == "L":
        return np.array(image)
    if image.mode == "RGB":
        pixels = np.asarray(image)
        if (pixels[..., :1] == pixels).all():
            return np.ascontiguousarray(pixels[..., 0])
        raise UserError(f"{path} is in colour; its three channels should be equal.", CURE)
    raise UserError(f"{path} has Pillow's mode {image.mode}, not 8-bit grey.", CURE)


def colour_planes(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    """Return the red, green and blue planes of an 8-bit picture, shape (3, H, W)."""
    if image.mode != "RGB":
        raise UserError(f"{path} has Pillow's mode {image.mode}, not 8-bit RGB.", CURE)
    return np.ascontiguousarray(np.moveaxis(np.asarray(image), -1, 0))


def is_foreground(plane: NDArray[Any], path: Path) -> NDArray[np.bool_]:
    """Return where a mask of 0 and 255 (or of 0 and 1) is not 0.

    Raises
    ------
    UserError
        If it holds any other value: masks saved as JPEG or resized with blending do.
    """
    values = np.unique(plane)
    if not (set(values.tolist()) <= {0, 255} or set(values.tolist()) <= {0, 1}):
        shown = ", ".join(str(value) for value in values[:6])
        raise UserError(
            f"{path} is no mask: it holds {len(values)} values ({shown}, ...), not 0 and 255.",
            CURE,
        )
    return np.asarray(plane != 0)
