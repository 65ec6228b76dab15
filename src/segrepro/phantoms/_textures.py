"""What flat phantoms are drawn with: smooth noise, smooth edges, closed outlines."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Field = NDArray[np.float32]


def smooth_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Field:
    """Return noise of mean 0 and spread 1 with structures of about `sigma` pixels."""
    # Structures of many pixels need few samples: draw them coarsely and enlarge.
    step = max(1, int(sigma // 2))
    coarse = rng.standard_normal([side // step + 3 for side in shape], dtype=np.float32)
    smooth = ndimage.gaussian_filter(coarse, sigma / step, mode="wrap")
    large = enlarged(smooth, step)[: shape[0], : shape[1]]
    return np.asarray((large - large.mean()) / large.std(), dtype=np.float32)


def enlarged(field: Field, factor: int) -> Field:
    """Return a field `factor` times as large along both axes, linearly between its values."""
    if factor == 1:
        return field
    return np.asarray(ndimage.zoom(field, factor, order=1, grid_mode=True, mode="nearest"))


def pixel_centres(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Return the x and y of every pixel's centre; (0, 0) is the picture's outer corner."""
    rows, columns = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float32)
    return columns + np.float32(0.5), rows + np.float32(0.5)


def soft_step(distance: NDArray[np.floating], width: float) -> Field:
    """Return 1 where a signed distance is well above 0, 0 well below, and a slope between."""
    return np.asarray(np.clip(0.5 + distance / width, 0, 1), dtype=np.float32)


def wavy_radius(angle: Field, roughness: float, rng: np.random.Generator) -> Field:
    """Return a factor around 1 for each angle: a closed outline with a few lobes."""
    factor = np.ones_like(angle)
    for lobes in range(2, 7):
        size, phase = roughness * rng.normal() / lobes, rng.uniform(0, 2 * np.pi)
        factor += np.float32(size) * np.cos(lobes * angle + np.float32(phase))
    return np.asarray(np.maximum(factor, 0.4), dtype=np.float32)


def blob(
    x: Field, y: Field, *, radii: tuple[float, float], roughness: float, rng: np.random.Generator
) -> Field:
    """Return how deep each point lies inside a turned, wavy oval: 1 at its centre, 0 on its edge.

    Parameters
    ----------
    x, y
        Of each point, from the oval's centre.
    radii
        Half its length and half its width.
    roughness
        0 for a true oval; 0.3 has clear lobes.
    """
    turn = rng.uniform(0, np.pi)
    along = (x * np.cos(turn) + y * np.sin(turn)) / radii[0]
    across = (y * np.cos(turn) - x * np.sin(turn)) / radii[1]
    outline = wavy_radius(np.arctan2(across, along), roughness, rng)
    return np.asarray(1 - np.hypot(along, across) / outline, dtype=np.float32)


def as_bytes(grey: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Return grey values rounded and cut to 0..255."""
    return np.asarray(np.clip(np.rint(grey), 0, 255), dtype=np.uint8)
