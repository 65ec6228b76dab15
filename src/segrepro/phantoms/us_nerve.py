"""Synthetic ultrasound frames of the neck in the layout of Kaggle's nerve competition."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from segrepro.files import write_bytes, write_text
from segrepro.phantoms._textures import (
    Field,
    as_bytes,
    blob,
    pixel_centres,
    smooth_noise,
    soft_step,
)
from segrepro.progress import progress

SHAPE = (420, 580)
SUBJECTS = 47
FRAMES = 3
"""Of a subject, before the next subject comes; the third shows no nerve."""


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write ``train/``, ``train_masks.csv`` and two unmarked images in ``test/``.

    In each subject's first three frames, the nerve is marked in two. The second subject's third
    frame is nearly the same as its second, but nothing is marked: the published set has such pairs.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Training frames, with an empty mask or not.
    seed
        Equal seeds give equal bytes.
    """
    rows = {}
    for case in progress(range(cases), total=cases, what="phantom us_nerve"):
        subject = 1 + case // FRAMES % SUBJECTS
        number = 1 + case % FRAMES + FRAMES * (case // (FRAMES * SUBJECTS))
        seen = case % FRAMES != 2 or case == 5
        grey, nerve = neck(seed, subject, number, seen=seen)
        if case % FRAMES == 2:
            nerve[:] = False
        write_bytes(raw / "train" / f"{subject}_{number}.tif", _tif(grey))
        mask = np.where(nerve, 255, 0).astype(np.uint8)
        write_bytes(raw / "train" / f"{subject}_{number}_mask.tif", _tif(mask))
        rows[subject, number] = _runs(nerve)
    for number in (1, 2):
        grey, _ = neck(seed, SUBJECTS + 1, number, seen=True)
        write_bytes(raw / "test" / f"{number}.tif", _tif(grey))
    lines = [f"{subject},{number},{runs}" for (subject, number), runs in sorted(rows.items())]
    write_text(raw / "train_masks.csv", "\n".join(["subject,img,pixels", *lines]) + "\n")


def _tif(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF", compression="tiff_lzw")
    return buffer.getvalue()


def _runs(nerve: NDArray[np.bool_]) -> str:
    """Return the runs of a mask: down each column, from left to right, from pixel 1 on."""
    words: list[str] = []
    height, width = nerve.shape
    end = 0
    for column in range(width):
        for row in np.flatnonzero(nerve[:, column]).tolist():
            pixel = column * height + row + 1
            if pixel == end:
                words[-1] = str(int(words[-1]) + 1)
            else:
                words += [str(pixel), "1"]
            end = pixel + 1
    return " ".join(words)


def neck(
    seed: int, subject: int, number: int, *, seen: bool
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a frame and where its nerve lies, both of shape (420, 580).

    Parameters
    ----------
    seed, subject, number
        Frames of a subject show one neck, the probe a little further on each time.
    seen
        Whether the nerve is in the frame.
    """
    rng = np.random.default_rng([seed, subject])
    x, y = pixel_centres(SHAPE)
    shift = 5.0 * (number - 1)
    layers = y + 22 * smooth_noise(SHAPE, 90, rng) + 6 * smooth_noise(SHAPE, 30, rng)
    tissue = 62 + 26 * np.sin(layers / rng.uniform(17, 24) + rng.uniform(0, 6))
    tissue = tissue + 70 * np.exp(-(((np.sin(layers / rng.uniform(34, 46))) / 0.13) ** 2))
    vessel = _oval(x - shift, y, (0.25, 0.45), (30, 46), rng)
    tissue = tissue * (1 - 0.85 * soft_step(vessel, 0.2))
    depth = _oval(x - shift, y, (0.55, 0.5), (30, 58), rng)
    if seen:
        inside = soft_step(depth, 0.25)
        honeycomb = 30 + 40 * (np.abs(smooth_noise(SHAPE, 5, rng)) < 0.35)
        tissue = tissue * (1 - inside) + honeycomb * inside
        tissue = tissue + 70 * np.exp(-((depth / 0.12) ** 2))
    attenuation = np.exp(-y / 520) * np.clip(1.3 - np.hypot(x / 580 - 0.5, y / 840), 0.2, 1)
    frame = np.random.default_rng([seed, subject, number])
    speckle = ndimage.gaussian_filter(frame.rayleigh(1.0, SHAPE), (0.8, 1.6))
    grey = tissue * attenuation * speckle * 1.05
    nerve = (depth > 0) if seen else np.zeros(SHAPE, dtype=bool)
    return as_bytes(grey), np.asarray(nerve)


def _oval(
    x: Field,
    y: Field,
    place: tuple[float, float],
    radii: tuple[float, float],
    rng: np.random.Generator,
) -> Field:
    """Return how deep each pixel lies in an oval near a place given in shares of the frame."""
    centre_x = SHAPE[1] * (place[0] + rng.uniform(-0.08, 0.08))
    centre_y = SHAPE[0] * (place[1] + rng.uniform(-0.12, 0.12))
    length = rng.uniform(*radii)
    return blob(
        x - centre_x,
        y - centre_y,
        radii=(length, length * rng.uniform(0.6, 0.8)),
        roughness=0.12,
        rng=rng,
    )
