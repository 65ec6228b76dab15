"""Synthetic EM sections in the layout of ISBI-2012: cells that drift from section to section.

Shapes: S seeds; (H, W) the full grid, (h, w) the half grid on which smooth things are computed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from segrepro.files import atomic_write
from segrepro.progress import progress

SIZE = 512
HALF = SIZE // 2
MARGIN = 40  # half-grid pixels beyond the border that may hold a seed
Field = NDArray[np.float32]


def write(raw: Path, *, cases: int, seed: int) -> None:
    """Write ``train-volume.tif``, ``train-labels.tif`` and ``test-volume.tif``.

    Parameters
    ----------
    raw
        Folder to write into.
    cases
        Sections of the training volume; the test volume has as many.
    seed
        Equal seeds give equal bytes. A longer volume begins like a shorter one.
    """
    train_seed, test_seed = np.random.SeedSequence(seed).spawn(2)
    train = list(progress(sections(cases, train_seed), total=cases, what="phantom isbi2012"))
    test = list(progress(sections(cases, test_seed), total=cases, what="phantom isbi2012, test"))
    _write_stack(raw / "train-volume.tif", [image for image, _ in train])
    _write_stack(raw / "train-labels.tif", [label for _, label in train])
    _write_stack(raw / "test-volume.tif", [image for image, _ in test])


def _write_stack(path: Path, pages: list[NDArray[np.uint8]]) -> None:
    with atomic_write(path) as handle:
        # No metadata and a fixed software tag: the file must not say when it was made.
        tifffile.imwrite(
            handle, np.stack(pages), photometric="minisblack", metadata=None, software="segrepro"
        )


def sections(
    count: int, seed: np.random.SeedSequence
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8]]]:
    """Yield (image, label) of consecutive sections, each (512, 512); label 255 is inside a cell."""
    rng = np.random.default_rng(seed)
    tissue = _new_tissue(rng)
    for _ in range(count):
        geometry = _cut(tissue)
        yield _image(geometry, tissue, rng), _label(geometry, rng)
        _drift(tissue, rng)


@dataclass
class _Tissue:
    """What changes slowly from one section to the next, in half-grid pixels."""

    seeds: NDArray[np.float64]
    """(S, 2) rows and columns."""
    radii: NDArray[np.float64]
    """(S,) the bigger, the more room a cell takes."""
    shades: NDArray[np.float64]
    """(S,) brightness of the cytoplasm, around 0."""
    mitochondria: NDArray[np.float64]
    """(M, 6): cell, offset by rows, by columns, long radius, short radius, angle."""
    warp: Field
    """(2, h, w) displacement that makes membranes wobble."""
    thickness: Field
    """(h, w) relative width of the membranes, around 1."""
    contrast: Field
    """(h, w) how dark membranes look, around 1: where it is low they fade."""


@dataclass(frozen=True)
class _Geometry:
    """One section."""

    cell: NDArray[np.int64]
    """(H, W) index of the seed whose cell a pixel belongs to."""
    wall: Field
    """(H, W) distance to the nearest wall, in full-grid pixels."""
    thickness: Field
    contrast: Field


def _new_tissue(rng: np.random.Generator) -> _Tissue:
    # A few big axons among many thin processes, as in a nerve cord.
    big = rng.uniform(-MARGIN, HALF + MARGIN, (14, 2))
    small = rng.uniform(-MARGIN, HALF + MARGIN, (250, 2))
    seeds = np.concatenate([big, small])
    radii = np.concatenate([rng.uniform(22, 44, len(big)), rng.gamma(4.0, 1.6, len(small))])
    return _Tissue(
        seeds=seeds,
        radii=radii,
        shades=rng.normal(0, 7, len(seeds)),
        mitochondria=_new_mitochondria(len(big), rng),
        warp=np.stack([_warp(rng), _warp(rng)]),
        thickness=1 + 0.3 * _smooth_noise((HALF, HALF), 14, rng),
        contrast=1 + 0.3 * _smooth_noise((HALF, HALF), 10, rng),
    )


def _new_mitochondria(cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    owners = np.arange(cells)
    count = len(owners)
    return np.column_stack(
        [
            owners,
            rng.normal(0, 9, (count, 2)),
            rng.uniform(22, 42, count),
            rng.uniform(14, 24, count),
            rng.uniform(0, np.pi, count),
        ]
    )


def _warp(rng: np.random.Generator) -> Field:
    coarse = 7 * _smooth_noise((HALF, HALF), 22, rng)
    fine = 1.6 * _smooth_noise((HALF, HALF), 7, rng) + 0.5 * _smooth_noise((HALF, HALF), 2, rng)
    return np.asarray(coarse + fine, dtype=np.float32)


def _smooth_noise(shape: tuple[int, int], sigma: float, rng: np.random.Generator) -> Field:
    """Return noise of mean 0 and spread 1 with structures of about `sigma` pixels."""
    # Structures of many pixels need few samples: draw them coarsely and enlarge.
    step = max(1, int(sigma // 2))
    coarse = rng.standard_normal([side // step + 2 for side in shape], dtype=np.float32)
    smooth = ndimage.gaussian_filter(coarse, sigma / step, mode="wrap")
    large = _enlarged(smooth, (smooth.shape[0] * step, smooth.shape[1] * step))
    cropped = large[: shape[0], : shape[1]]
    return np.asarray((cropped - cropped.mean()) / cropped.std(), dtype=np.float32)


def _enlarged(field: Field, shape: tuple[int, int]) -> Field:
    factors = (shape[0] / field.shape[0], shape[1] / field.shape[1])
    return np.asarray(ndimage.zoom(field, factors, order=1, grid_mode=True, mode="nearest"))


def _drift(tissue: _Tissue, rng: np.random.Generator) -> None:
    """Move on by one section of 50 nm: most things stay, a little changes."""
    tissue.seeds += rng.normal(0, 0.7, tissue.seeds.shape)
    tissue.radii *= np.exp(rng.normal(0, 0.03, tissue.radii.shape))
    tissue.mitochondria[:, 1:3] += rng.normal(0, 1.2, (len(tissue.mitochondria), 2))
    tissue.mitochondria[:, 3:5] *= np.exp(rng.normal(0, 0.08, (len(tissue.mitochondria), 2)))
    tissue.mitochondria[:, 5] += rng.normal(0, 0.1, len(tissue.mitochondria))
    tissue.warp = _mixed(tissue.warp, np.stack([_warp(rng), _warp(rng)]), 0.0, 0.12)
    shape = (HALF, HALF)
    tissue.thickness = _mixed(tissue.thickness, 1 + 0.3 * _smooth_noise(shape, 14, rng), 1, 0.35)
    tissue.contrast = _mixed(tissue.contrast, 1 + 0.3 * _smooth_noise(shape, 10, rng), 1, 0.35)


def _mixed(old: Field, new: Field, mean: float, share: float) -> Field:
    """Return a step of a random walk that keeps its mean and spread."""
    mixed = mean + np.sqrt(1 - share**2) * (old - mean) + share * (new - mean)
    return np.asarray(mixed, dtype=np.float32)


def _cut(tissue: _Tissue) -> _Geometry:
    rows, columns = np.mgrid[0:HALF, 0:HALF].astype(np.float32)
    points = np.stack([rows + tissue.warp[0], columns + tissue.warp[1]], axis=-1).reshape(-1, 2)
    # A power diagram is a Voronoi diagram of seeds lifted out of the plane by their radii.
    lift = np.sqrt(tissue.radii.max() ** 2 - tissue.radii**2)
    lifted = np.column_stack([tissue.seeds, lift])
    flat = np.column_stack([points, np.zeros(len(points))])
    found = cKDTree(lifted).query(flat, k=2)
    distances, nearest = np.asarray(found[0]), np.asarray(found[1])
    apart = np.linalg.norm(tissue.seeds[nearest[:, 0]] - tissue.seeds[nearest[:, 1]], axis=1)
    wall = (distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * np.maximum(apart, 1))
    shape = (SIZE, SIZE)
    cell = nearest[:, 0].reshape(HALF, HALF).repeat(2, axis=0).repeat(2, axis=1)
    return _Geometry(
        cell=cell,
        wall=2 * _enlarged(wall.reshape(HALF, HALF).astype(np.float32), shape),
        thickness=np.clip(_enlarged(tissue.thickness, shape), 0.65, 2.6),
        contrast=np.clip(_enlarged(tissue.contrast, shape), 0.3, 1.7),
    )


def _label(geometry: _Geometry, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return 255 inside cells, which cover 75 to 81 % of a section (published: 73 to 83 %)."""
    relative = geometry.wall / geometry.thickness
    edge = np.quantile(relative, rng.uniform(0.19, 0.25))
    return np.where(relative < edge, 0, 255).astype(np.uint8)


def _image(geometry: _Geometry, tissue: _Tissue, rng: np.random.Generator) -> NDArray[np.uint8]:
    shape = (SIZE, SIZE)
    grey = 152 + tissue.shades[geometry.cell] + 7 * _smooth_noise(shape, 30, rng)
    grey += 11 * _smooth_noise(shape, 3, rng)
    _draw_vesicles(grey, geometry, rng)
    _draw_mitochondria(grey, geometry, tissue)
    width = 2.9 * geometry.thickness
    grey -= 88 * geometry.contrast * np.exp(-((geometry.wall / width) ** 2))
    grey = ndimage.gaussian_filter(grey, 0.8)
    noise = rng.standard_normal(shape, dtype=np.float32)
    grey += 15 * noise + 34 * ndimage.gaussian_filter(noise[::-1], 0.8)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _draw_vesicles(
    grey: NDArray[np.float64], geometry: _Geometry, rng: np.random.Generator
) -> None:
    """Draw small dark rings inside cells."""
    reach = 7
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(rows, columns)
    for row, column in rng.integers(reach, SIZE - reach, (900, 2)):
        radius, depth = rng.uniform(2.5, 4.8), rng.uniform(20, 70)
        if geometry.wall[row, column] > radius + 5:
            patch = np.s_[row - reach : row + reach + 1, column - reach : column + reach + 1]
            grey[patch] -= depth * np.exp(-(((distance - radius) / 1.2) ** 2))


def _draw_mitochondria(grey: NDArray[np.float64], geometry: _Geometry, tissue: _Tissue) -> None:
    """Draw dark striped ovals inside big cells; like the publisher, do not label them."""
    rows, columns = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    for owner, d_row, d_column, long, short, angle in tissue.mitochondria:
        centre_row, centre_column = 2 * (tissue.seeds[int(owner)] + (d_row, d_column))
        reach = int(long) + 2
        box = (
            slice(max(0, int(centre_row) - reach), max(0, int(centre_row) + reach)),
            slice(max(0, int(centre_column) - reach), max(0, int(centre_column) + reach)),
        )
        y, x = rows[box] - centre_row, columns[box] - centre_column
        along = (y * np.sin(angle) + x * np.cos(angle)) / long
        across = (x * np.sin(angle) - y * np.cos(angle)) / short
        oval = along**2 + across**2
        inside = (oval < 1) & (geometry.cell[box] == int(owner)) & (geometry.wall[box] > 6)
        stripes = 22 * np.sin(across * 13 + 3 * np.sin(along * 4))
        grey[box] -= inside * (46 + stripes + 26 * (oval > 0.8))
