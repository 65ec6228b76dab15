"""Read image files whole or not at all: a truncated file is named, never half used."""

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from segrepro.errors import UserError

CURE = "Get the file again from its publisher, then run `segrepro fetch`."


def read_grey_png(path: Path) -> NDArray[np.uint8]:
    """Return an 8-bit (or 1-bit) grey image, shape (H, W), values 0 to 255.

    Raises
    ------
    UserError
        If the file is truncated, not a PNG, or not grey.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            image.load()
            if image.mode not in {"L", "1"}:
                raise UserError(
                    f"{path} has mode {image.mode}, not 8-bit grey.",
                    "Save it as an 8-bit grey PNG without a palette.",
                )
            return np.array(image.convert("L"))
    # Pillow reports a broken PNG in any of these, depending on where the file breaks.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise UserError(f"{path} is broken or truncated: {error}.", CURE) from error


def read_stack(path: Path) -> NDArray[Any]:
    """Return all pages of a grey multi-page TIFF, shape (pages, H, W), in the stored type.

    Raises
    ------
    UserError
        If the file is truncated, not a TIFF, or its pages are of different sizes or not grey.
    """
    try:
        with _complaints_raised(), tifffile.TiffFile(path) as tif:
            page_count, series = len(tif.pages), tif.series
            stack: NDArray[Any] = series[0].asarray()
    # tifffile reports a broken file in any of these, depending on where it breaks.
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise UserError(f"{path} is broken or truncated: {error}.", CURE) from error
    if stack.ndim == 2:
        stack = stack[np.newaxis]
    if len(series) != 1 or stack.ndim != 3 or page_count not in {1, len(stack)}:
        raise UserError(
            f"{path} is not one stack of equal grey pages: it holds {page_count} pages in "
            f"{len(series)} series, the first of shape {stack.shape}.",
            CURE,
        )
    return stack


def read_page(path: Path, page: int) -> NDArray[Any]:
    """Return one page of a stack that `read_stack` accepts, shape (H, W)."""
    try:
        with _complaints_raised():
            plane: NDArray[Any] = tifffile.imread(path, key=page)
    except (OSError, ValueError, IndexError, struct.error) as error:
        raise UserError(f"{path} is broken or truncated: {error}.", CURE) from error
    return plane


@contextmanager
def _complaints_raised() -> Iterator[None]:
    # tifffile only logs a chain of pages that leads out of the file, and returns fewer pages.
    logger = tifffile.logger()
    heard: list[str] = []
    ear = logging.Handler(level=logging.WARNING)
    ear.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    propagate = logger.propagate
    logger.addHandler(ear)
    logger.propagate = False
    try:
        yield
        if heard:
            raise ValueError(heard[0])
    finally:
        logger.removeHandler(ear)
        logger.propagate = propagate
