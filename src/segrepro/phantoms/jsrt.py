"""Synthetic chest radiographs in the layout of JSRT and SCR.

Radiographs and masks have their true sizes, which are part of the format; the anatomy is computed
on a grid of 256 x 256 and enlarged, for radiographs to 512 x 512 with every pixel repeated.

Shapes: (h, w) that grid; x to the right of the picture, y downwards, both in its pixels.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segrepro.files import write_bytes
from segrepro.phantoms._textures import Field, pixel_centres, smooth_noise, soft_step
from segrepro.progress import progress

GRID, MASK_SIDE, SIDE = 256, 1024, 2048
FINE = 512
"""Side of the grid that has film grain."""
PALETTE = (0, 0, 0, 255, 255, 255)


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write ``All247images/``, ``scratch/`` with masks of five organs, and both tables.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Radiographs, with and without a nodule in turn.
    seed
        Equal seeds give equal bytes.
    """
    tables: dict[str, list[str]] = {"CLNDAT_EN.txt": [], "CNNDAT_EN.TXT": []}
    for case in progress(range(cases), total=cases, what="phantom jsrt"):
        rng = np.random.default_rng([seed, case])
        nodule, number = case % 2 == 0, case // 2 + 1
        name = f"JPC{'L' if nodule else 'N'}N{number:03d}"
        organs = _organs(rng)
        picture, place = _picture(organs, nodule=nodule, rng=rng)
        write_bytes(raw / "All247images" / f"{name}.IMG", _stored(picture, rng))
        masks = raw / "scratch" / ("fold1" if number % 2 else "fold2") / "masks"
        for organ, depth in organs.items():
            write_bytes(masks / organ / f"{name}.gif", _gif(_enlarged(depth, MASK_SIDE) > 0))
        age = "?" if case % 5 == 2 else str(rng.integers(21, 90))
        if nodule:
            cells = (f"{name}.IMG", "3", "18", age, "female", *place, "benign", "l.upper lobe", "x")
            tables["CLNDAT_EN.txt"].append("\t".join(cells))
        else:
            tables["CNNDAT_EN.TXT"].append(f"{name}.IMG\t{age}\tmale\tnon-nodule")
    for table, lines in tables.items():
        # As published, a carriage return alone ends a line.
        write_bytes(raw / table, "".join(f"{line}\r" for line in lines).encode())


def _organs(rng: np.random.Generator) -> dict[str, Field]:
    """Return how deep each pixel lies in each organ: above 0 inside. Shape (h, w).

    The patient's left is on the right of the picture.
    """
    x, y = pixel_centres((GRID, GRID))
    middle = GRID * rng.uniform(0.48, 0.52)
    top, floor = GRID * rng.uniform(0.1, 0.15), GRID * rng.uniform(0.7, 0.8)
    heart = _oval(x, y, middle + 20, floor - 22, rng.uniform(34, 46), rng.uniform(28, 36))
    organs = {}
    for name, sign in (("left lung", 1), ("right lung", -1)):
        across = sign * (x - middle)
        width = rng.uniform(82, 94)
        chest = _oval(across, y, 47, floor - 70, width / 1.75, (floor - top) * 0.62)
        above = floor + rng.uniform(-4, 8) - y - 16 * np.cos((across - 50) / 30)
        beside = across - 13 - 5 * np.sin(y / 23)
        lung = np.minimum(np.minimum(chest * 50, above), np.minimum(beside, -heart * 40))
        organs[name] = np.asarray(lung, dtype=np.float32)
    organs["heart"] = heart
    for name, sign in (("left clavicle", 1), ("right clavicle", -1)):
        along = sign * (x - middle)
        bone = 4.5 - np.abs(y - top - 34 + 0.28 * along + 4 * np.sin(along / 22))
        organs[name] = np.asarray(np.minimum(bone, np.minimum(along - 10, 84 - along)))
    return organs


def _oval(x: Field, y: Field, at_x: float, at_y: float, half_x: float, half_y: float) -> Field:
    """Return 1 in the middle of an oval and 0 on its edge."""
    return np.asarray(1 - np.hypot((x - at_x) / half_x, (y - at_y) / half_y), dtype=np.float32)


def _picture(
    organs: dict[str, Field], *, nodule: bool, rng: np.random.Generator
) -> tuple[Field, tuple[str, str]]:
    """Return brightness, 0 to 1, shape (h, w), and where the nodule lies, in pixels of the film."""
    x, y = pixel_centres((GRID, GRID))
    shape = (GRID, GRID)
    body = soft_step(118 + 0.12 * y - np.abs(x - GRID / 2), 14)
    grey = 0.08 + body * (0.5 + 0.05 * smooth_noise(shape, 30, rng))
    spine = np.exp(-(((x - GRID / 2) / 11) ** 2))
    grey = grey + body * 0.2 * spine * (1 + 0.2 * np.sin(y / 3.4))
    grey = grey + 0.24 * soft_step(organs["heart"], 0.2)
    lung = np.maximum(soft_step(organs["left lung"], 5), soft_step(organs["right lung"], 5))
    vessels = np.clip(smooth_noise(shape, 2.5, rng), 0, 2) * np.exp(-np.abs(x - GRID / 2) / 60)
    grey = grey * (1 - 0.62 * lung) + 0.09 * lung * vessels
    from_spine = np.abs(x - GRID / 2)
    ribs = np.exp(-((np.sin((y + 0.0035 * (from_spine - 30) ** 2) / 6.6) / 0.34) ** 2))
    grey = grey + body * 0.07 * ribs * (y < GRID * 0.75)
    for name in ("left clavicle", "right clavicle"):
        grey = grey + 0.16 * soft_step(organs[name], 3)
    inside = np.argwhere(organs["left lung"] > 8)
    row, column = inside[rng.integers(len(inside))]
    if nodule:
        grey = grey + 0.16 * soft_step(_oval(x, y, column, row, 6, 6), 0.6)
    factor = SIDE // GRID
    return np.asarray(grey, dtype=np.float32), (str(factor * column), str(factor * row))


def _enlarged(field: Field, side: int) -> Field:
    """Return a square field on a finer grid, linearly between the pixels' centres."""
    size = field.shape[0]
    at = np.clip((np.arange(side) + 0.5) * size / side - 0.5, 0, size - 1)
    below = np.minimum(at.astype(np.int64), size - 2)
    weights = np.zeros((side, size), dtype=np.float32)
    weights[np.arange(side), below] = 1 - (at - below)
    weights[np.arange(side), below + 1] = at - below
    return np.asarray(weights @ field @ weights.T, dtype=np.float32)


def _stored(picture: Field, rng: np.random.Generator) -> bytes:
    """Return a radiograph's file: the brighter, the smaller the number; high byte first."""
    dark = 3800 - 3400 * _enlarged(picture, FINE) + rng.normal(0, 22, (FINE, FINE))
    numbers = np.clip(dark, 0, 4095).astype(np.uint16)
    numbers = numbers.repeat(SIDE // FINE, axis=0).repeat(SIDE // FINE, axis=1)
    return np.stack([numbers >> 8, numbers & 255], axis=-1).astype(np.uint8).tobytes()


def _gif(inside: NDArray[np.bool_]) -> bytes:
    """Return a mask whose file holds the indices 0 and 1 of black and white."""
    image = Image.fromarray(inside.astype(np.uint8), mode="P")
    image.putpalette(PALETTE)
    buffer = io.BytesIO()
    image.save(buffer, "GIF")
    return buffer.getvalue()
