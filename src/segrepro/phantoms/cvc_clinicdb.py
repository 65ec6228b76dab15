"""Synthetic colonoscopy frames in the layout of CVC-ClinicDB: sequences of near copies."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from segrepro.datasets.cvc_clinicdb import FIRST_FRAMES, FRAMES
from segrepro.errors import UserError
from segrepro.files import write_bytes
from segrepro.phantoms._textures import (
    Field,
    as_bytes,
    blob,
    pixel_centres,
    smooth_noise,
    soft_step,
)
from segrepro.progress import progress

SHAPE = (288, 384)
RUN = 3
"""So many frames of each sequence come before any further ones."""
MUCOSA, POLYP = (176.0, 92.0, 70.0), (214.0, 128.0, 96.0)
EDGE = 22
"""Width of the black border, in pixels."""


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write ``Original/N.tif`` and ``Ground Truth/N.tif``.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Frames, at most 612: three of each sequence, then three more of each.
    seed
        Equal seeds give equal bytes.
    """
    if cases > FRAMES:
        raise UserError(f"{cases} frames are asked for; there are {FRAMES}.", "Ask for fewer.")
    for frame, sequence in progress(_order()[:cases], total=cases, what="phantom cvc_clinicdb"):
        offset = frame - FIRST_FRAMES[sequence]
        colours, polyp = colonoscopy(seed, sequence, offset)
        write_bytes(raw / "Original" / f"{frame}.tif", _tif(colours))
        mask = np.where(polyp, 255, 0).astype(np.uint8)
        # Copies in the wild have either.
        stored = mask if sequence % 2 else np.repeat(mask[..., None], 3, axis=2)
        write_bytes(raw / "Ground Truth" / f"{frame}.tif", _tif(stored))


def _order() -> list[tuple[int, int]]:
    """Return (frame, sequence from 0 on) in the order in which they are written."""
    ends = (*FIRST_FRAMES[1:], FRAMES + 1)
    ranges = [range(first, end) for first, end in zip(FIRST_FRAMES, ends, strict=True)]
    ranked = [
        (offset // RUN, sequence, frame)
        for sequence, frames in enumerate(ranges)
        for offset, frame in enumerate(frames)
    ]
    return [(frame, sequence) for _, sequence, frame in sorted(ranked)]


def _tif(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "TIFF")
    return buffer.getvalue()


def colonoscopy(
    seed: int, sequence: int, offset: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return a frame of a sequence, shape (H, W, 3), and where its polyp lies, shape (H, W).

    Frames of a sequence show one scene, a little further on each time.
    """
    rng = np.random.default_rng([seed, sequence])
    drift_x, drift_y = offset * rng.uniform(-2.5, 2.5, 2)
    x, y = pixel_centres(SHAPE)
    lumen = np.hypot(x - drift_x - SHAPE[1] * rng.uniform(0.2, 0.8), y - drift_y - SHAPE[0] * 0.3)
    folds = np.sin(lumen / rng.uniform(13, 20) + 2 * smooth_noise(SHAPE, 50, rng))
    light = 0.35 + 0.6 * np.clip(lumen / 210, 0, 1) + 0.08 * folds
    depth = _polyp(x - drift_x, y - drift_y, rng)
    # A polyp stands out: lit from one side, dark on the other, a shadow round its foot.
    bulge = np.sqrt(np.clip(depth, 0, 1))
    slope = np.gradient(bulge.astype(np.float64))
    light = light + 0.3 * bulge + 5.0 * (slope[0] * 0.6 + slope[1] * 0.4)
    light = light - 0.25 * np.exp(-((depth / 0.12) ** 2))
    vessels = np.exp(-((smooth_noise(SHAPE, 14, rng) / 0.07) ** 2)) * (depth < 0)
    gloss = _gloss(depth, folds, np.random.default_rng([seed, sequence, offset]))
    frame = _border(x, y)
    shade = soft_step(depth, 0.3)
    planes = []
    noise = np.random.default_rng([seed, sequence, offset, 1])
    for channel, (mucosa, polyp) in enumerate(zip(MUCOSA, POLYP, strict=True)):
        plane = (mucosa + (polyp - mucosa) * shade - (8, 26, 18)[channel] * vessels) * light
        plane = plane + (255 - plane) * gloss + 3 * noise.standard_normal(SHAPE)
        plane[1::2] = np.roll(plane[1::2], offset % 3, axis=1)  # interlaced
        planes.append(as_bytes(plane * frame + 4))
    return np.stack(planes, axis=-1), (depth > 0) & (frame > 0.5)


def _polyp(x: Field, y: Field, rng: np.random.Generator) -> Field:
    centre_x, centre_y = SHAPE[1] * rng.uniform(0.3, 0.7), SHAPE[0] * rng.uniform(0.4, 0.7)
    length = rng.uniform(24, 62)
    radii = (length, length * rng.uniform(0.7, 0.95))
    return blob(x - centre_x, y - centre_y, radii=radii, roughness=0.1, rng=rng)


def _gloss(depth: Field, folds: Field, rng: np.random.Generator) -> Field:
    """Return where wet mucosa mirrors the lamp, 0 to 1."""
    wet = smooth_noise(SHAPE, 3, rng) + 0.6 * folds + 0.5 * (depth > 0.3)
    return soft_step(np.asarray(wet - 2.9), 0.4)


def _border(x: Field, y: Field) -> Field:
    """Return 1 inside the endoscope's picture, an octagon, and 0 on the black border."""
    from_x = np.minimum(x, SHAPE[1] - x)
    from_y = np.minimum(y, SHAPE[0] - y)
    inside = np.minimum(np.minimum(from_x - EDGE, from_y - 6), (from_x + from_y - EDGE - 50) / 1.4)
    return soft_step(inside, 4)
