"""Masks as runs of pixels in a line of text, as Kaggle's competitions write them."""

import numpy as np
from numpy.typing import NDArray


def decode_column_runs(text: str, *, height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask of runs that go down the columns, from left to right.

    Parameters
    ----------
    text
        ``"start length start length ..."``; the first pixel has number 1, the one below it 2.
        Starts rise and runs do not meet. Empty: no pixel.
    height, width
        Of the mask.

    Returns
    -------
    mask
        Shape (H, W).

    Raises
    ------
    ValueError
        If the text is no such list, or a run leaves the picture.
    """
    numbers = np.array([int(word) for word in text.split()], dtype=np.int64)
    if len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers are no pairs of start and length")
    starts, lengths = numbers[::2] - 1, numbers[1::2]
    ends = starts + lengths
    if (lengths < 1).any() or (starts < 0).any() or (ends > height * width).any():
        raise ValueError(f"a run is empty or leaves a picture of {width} x {height} pixels")
    if (starts[1:] < ends[:-1]).any():
        raise ValueError("its runs overlap or are not in order")
    pixels = np.zeros(height * width, dtype=bool)
    for start, end in zip(starts, ends, strict=True):
        pixels[start:end] = True
    return np.ascontiguousarray(pixels.reshape((height, width), order="F"))
