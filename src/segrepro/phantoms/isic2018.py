"""Synthetic dermoscopic images in the layout of ISIC 2018, task 1: pigmented lesions on skin.

They are smaller than the published ones, but of several sizes, as those are.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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

IMAGES, MASKS = "ISIC2018_Task1-2_Training_Input", "ISIC2018_Task1_Training_GroundTruth"
SHAPES = ((256, 341), (240, 320), (288, 432))
"""Rows and columns: 767 x 1022 and two other aspect ratios, at a third or less."""
SKIN, BROWN = (205.0, 152.0, 132.0), (108.0, 66.0, 52.0)


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write images, superpixels beside some of them, masks, attribution and licence.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Images, each with a mask; their ids have gaps.
    seed
        Equal seeds give equal bytes.
    """
    for folder in (IMAGES, MASKS):
        write_text(raw / folder / "ATTRIBUTION.txt", "Synthetic images: nobody's skin.\n")
        write_text(raw / folder / "LICENSE.txt", "Synthetic images: no terms.\n")
    number = 0
    for case in progress(range(cases), total=cases, what="phantom isic2018"):
        rng = np.random.default_rng([seed, case])
        colours, lesion = dermoscopy(SHAPES[case % len(SHAPES)], rng)
        name = f"ISIC_{number:07d}"
        write_bytes(raw / IMAGES / f"{name}.jpg", _encoded(colours, "JPEG", quality=92))
        mask = np.where(lesion, 255, 0).astype(np.uint8)
        write_bytes(raw / MASKS / f"{name}_segmentation.png", _encoded(mask, "PNG"))
        if case % 4 == 0:
            squares = _encoded(_superpixels(lesion.shape), "PNG")
            write_bytes(raw / IMAGES / f"{name}_superpixels.png", squares)
        number += int(rng.integers(1, 4))


def _encoded(pixels: NDArray[np.uint8], kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def _superpixels(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return squares of 16 pixels, numbered, the number's bytes in red, green and blue."""
    rows, columns = np.indices(shape) // 16
    number = rows * (shape[1] // 16 + 1) + columns
    return np.stack([number % 256, number // 256, 0 * number], axis=-1).astype(np.uint8)


def dermoscopy(
    shape: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return an image, shape (H, W, 3), and where its lesion lies, shape (H, W)."""
    x, y = pixel_centres(shape)
    size = min(shape)
    centre = [side * rng.uniform(0.42, 0.58) for side in shape]
    length = size * rng.uniform(0.16, 0.42)
    radii = (length, length * rng.uniform(0.65, 0.95))
    depth = blob(x - centre[1], y - centre[0], radii=radii, roughness=0.16, rng=rng)
    depth = depth + 0.05 * smooth_noise(shape, size / 40, rng)
    lesion = depth > 0
    pigment = soft_step(depth, rng.uniform(0.12, 0.5)) * rng.uniform(0.55, 1)
    pigment = pigment * (1 + 0.16 * smooth_noise(shape, size / 25, rng))
    light = 1 + 0.05 * smooth_noise(shape, size / 2, rng) - 0.25 * _vignette(x, y, shape)
    hair = _hairs(x, y, int(rng.integers(0, 9)), rng)
    planes = []
    for skin, brown in zip(SKIN, BROWN, strict=True):
        plane = (skin + (brown - skin) * pigment) * light
        plane = plane + 4 * smooth_noise(shape, 3, rng) + 2 * rng.standard_normal(shape)
        planes.append(as_bytes(plane * (1 - 0.75 * hair)))
    return np.stack(planes, axis=-1), lesion


def _vignette(x: Field, y: Field, shape: tuple[int, int]) -> Field:
    across = np.hypot(x / shape[1] - 0.5, y / shape[0] - 0.5)
    return np.asarray(np.clip(across - 0.45, 0, None) / 0.26, dtype=np.float32) ** 2


def _hairs(x: Field, y: Field, count: int, rng: np.random.Generator) -> Field:
    """Return how dark thin, slightly bent hairs make each pixel, 0 to 1."""
    dark = np.zeros_like(x)
    height, width = x.shape
    for _ in range(count):
        turn, bend = rng.uniform(0, np.pi), rng.uniform(-1, 1) / width
        across_x = x - width * rng.uniform(0, 1)
        across_y = y - height * rng.uniform(0, 1)
        along = across_x * np.cos(turn) + across_y * np.sin(turn)
        off = across_y * np.cos(turn) - across_x * np.sin(turn) + bend * along**2
        dark = np.maximum(dark, np.exp(-((off / 1.1) ** 2)) * (np.abs(along) < width / 3))
    return np.asarray(dark, dtype=np.float32)
