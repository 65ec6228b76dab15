"""Synthetic fluorescence images of nuclei in the layout of the Murphy Lab's repository.

They have three eighths of the published width and height, with nuclei in proportion.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from segrepro.files import write_bytes, write_text
from segrepro.phantoms._textures import Field, as_bytes, blob, pixel_centres, smooth_noise
from segrepro.phantoms._xcf import encode_xcf
from segrepro.progress import progress

SHAPES = {"gnf": (386, 506), "ic100": (384, 504)}
RADII = {"gnf": 24.0, "ic100": 20.0}
SKIPPED = {"gnf": {31, 43}, "ic100": {25}}
"""Numbers of images without a mask."""
MARGIN = 42
LEAST_PIXELS = 80
Grey = NDArray[np.uint8]


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write images, label images and xcf files, and one blank image without a mask.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Images with a mask, of both cell lines in turn.
    seed
        Equal seeds give equal bytes.
    """
    write_text(raw / "README.rst", "Synthetic: these cells were never under a microscope.\n")
    blank = np.zeros((*SHAPES["gnf"], 3), dtype=np.uint8)
    write_bytes(raw / "data/images/dna-images/gnf/dna-31.png", _png(blank))
    counts = dict.fromkeys(SHAPES, 0)
    for number in progress(range(cases), total=cases, what="phantom murphy"):
        cell_line = ("gnf", "ic100")[number % 2]
        while counts[cell_line] in SKIPPED[cell_line]:
            counts[cell_line] += 1
        name = f"{cell_line}/dna-{counts[cell_line]}"
        counts[cell_line] += 1
        _write_image(raw / "data", name, cell_line, np.random.default_rng([seed, number]))


def _write_image(data: Path, name: str, cell_line: str, rng: np.random.Generator) -> None:
    bodies = _bodies(SHAPES[cell_line], RADII[cell_line], rng)
    outlines = _outlines(bodies)
    colours = np.repeat(_image(bodies, rng)[..., None], 3, axis=2)
    labels = np.where(outlines, 0, bodies).astype(np.uint8)
    write_bytes(data / f"images/dna-images/{name}.png", _png(colours))
    write_bytes(data / f"preprocessed-data/{name}.png", _png(labels))
    borders = np.zeros((*labels.shape, 4), dtype=np.uint8)
    borders[outlines] = (255, 0, 0, 255)
    drawn = encode_xcf([("borders", borders), ("Background", colours)])
    write_bytes(data / f"images/segmented-lpc/{name}.xcf", drawn)


def _png(pixels: Grey) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _bodies(shape: tuple[int, int], radius: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return nuclei 1, 2, ... and 0 between them; some touch, none touches the border."""
    deepest: Field = np.zeros(shape, dtype=np.float32)
    owner = np.zeros(shape, dtype=np.int64)
    reach = MARGIN - 1
    x, y = pixel_centres((2 * reach, 2 * reach))
    for body in range(1, int(rng.integers(38, 50))):
        row, column = (int(rng.integers(MARGIN, side - MARGIN)) for side in shape)
        length = radius * rng.uniform(0.75, 1.25)
        radii = (length, length * rng.uniform(0.6, 0.95))
        depth = blob(x - reach, y - reach, radii=radii, roughness=0.1, rng=rng)
        patch = np.s_[row - reach : row + reach, column - reach : column + reach]
        taken = depth > deepest[patch]
        # A nucleus that others nearly cover would leave crumbs: leave it away.
        if taken.sum() > 0.8 * (depth > 0).sum():
            owner[patch][taken] = body
            deepest[patch] = np.maximum(deepest[patch], depth)
    return owner


def _outlines(bodies: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return the rim of every nucleus; crumbs and what nuclei enclose are filled with it."""
    neighbours = ndimage.generate_binary_structure(2, 1)
    least = ndimage.minimum_filter(bodies, footprint=neighbours)
    most = ndimage.maximum_filter(bodies, footprint=neighbours)
    core = (bodies > 0) & (least == most)
    pieces, _ = ndimage.label(core)
    core &= np.bincount(pieces.ravel())[pieces] >= LEAST_PIXELS
    return np.asarray(ndimage.binary_fill_holes(bodies > 0) & ~core)


def _image(bodies: NDArray[np.int64], rng: np.random.Generator) -> Grey:
    shape = bodies.shape[0], bodies.shape[1]
    shades = np.concatenate([[0], rng.uniform(25, 90, bodies.max())])
    texture = 1 + 0.16 * smooth_noise(shape, 4, rng) + 0.1 * smooth_noise(shape, 1.5, rng)
    light = shades[bodies] * texture
    for row, column in rng.integers(MARGIN, min(shape) - MARGIN, (6, 2)):
        light[row - 1 : row + 2, column - 1 : column + 3] += rng.uniform(40, 140)  # debris
    grey = 14 + 5 * smooth_noise(shape, 60, rng) + ndimage.gaussian_filter(light, 1.3)
    return as_bytes(grey + 2.2 * rng.standard_normal(shape))
