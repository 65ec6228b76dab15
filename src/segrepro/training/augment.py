"""Vary training images and their masks together. N images, C channels, D slices of a volume.

What is drawn is drawn on the CPU, nine numbers for each image, whatever is switched on. So a seed
means the same on every device and in however many parts a batch passes, and a variation that is
switched on changes no other.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from segrepro.protocol.augmentation import Augmentation

DRAWS = 9
"""Numbers drawn for each image; the order is that of `Variation`."""


@dataclass(frozen=True, kw_only=True)
class Variation:
    """What is done to each image of a batch; all tensors have shape (N,) and lie on the CPU."""

    flip_rows: Tensor
    flip_columns: Tensor
    radians: Tensor
    """Of the rotation in the plane of rows and columns, anticlockwise as images are shown."""
    shift_rows: Tensor
    """Share of the rows by which an image moves down."""
    shift_columns: Tensor
    """Share of the columns by which an image moves to the right."""
    zoom: Tensor
    """What an image's size is multiplied by."""
    brightness: Tensor
    """What is added."""
    contrast: Tensor
    """What distances to the image's mean are multiplied by."""
    noise: float
    """Standard deviation."""
    noise_seeds: Tensor
    """Integers, float64."""

    def of(self, chosen: Tensor) -> "Variation":
        """Return the variation of some of the images."""
        each: dict[str, Any] = {
            name: value[chosen] for name, value in vars(self).items() if isinstance(value, Tensor)
        }
        return replace(self, **each)


def augmented(
    inputs_nchw: Tensor,
    masks_nhw: Tensor,
    augmentation: Augmentation,
    *,
    generator: torch.Generator,
    share: tuple[int, Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return images and masks, each image with its mask varied as drawn for it.

    Parameters
    ----------
    inputs_nchw
        Normalised, float32, shape (N, C, H, W) or (N, C, D, H, W); its memory format is kept.
    masks_nhw
        Labels, integer, shape (N, H, W) or (N, D, H, W), on the same device; 0 is background.
    augmentation
        The recipe's words. If all are off, the arguments are returned and nothing is drawn.
    generator
        Of the CPU.
    share
        Of how many images these are a share, and which of them they are; by default they are all.
        An image is varied alike whoever holds it.
    """
    if augmentation == Augmentation():
        return inputs_nchw, masks_nhw
    images, chosen = share or (len(inputs_nchw), torch.arange(len(inputs_nchw)))
    drawn = draw(augmentation, images, generator=generator)
    return varied(inputs_nchw, masks_nhw, drawn.of(chosen))


def draw(augmentation: Augmentation, images: int, *, generator: torch.Generator) -> Variation:
    """Return a variation of so many images, each of them drawn for itself."""
    # One row per image, in double precision: a float32 would hold 24 bits of a noise's seed.
    draws = torch.rand(images, DRAWS, generator=generator, dtype=torch.float64).unbind(dim=1)
    rows, columns, *even, seeds = draws
    signed = [2 * share - 1 for share in even]
    return Variation(
        flip_rows=rows < augmentation.flip_rows,
        flip_columns=columns < augmentation.flip_columns,
        radians=signed[0] * math.radians(augmentation.rotation_degrees),
        shift_rows=signed[1] * augmentation.shift,
        shift_columns=signed[2] * augmentation.shift,
        zoom=1 + signed[3] * augmentation.zoom,
        brightness=signed[4] * augmentation.brightness,
        contrast=1 + signed[5] * augmentation.contrast,
        noise=augmentation.noise,
        noise_seeds=torch.floor(seeds * 2**53),
    )


def varied(inputs_nchw: Tensor, masks_nhw: Tensor, drawn: Variation) -> tuple[Tensor, Tensor]:
    """Return images and masks after flips, rotation, zoom, shift, brightness, contrast, noise.

    An image turns and grows around its middle, is then shifted, and is read linearly; a mask is
    read at the nearest pixel. Beyond their edges are 0 and background.
    """
    inputs, masks = _flipped(inputs_nchw, masks_nhw, drawn)
    inputs, masks = _moved(inputs, masks, drawn)
    inputs = _with_other_intensities(inputs, drawn)
    # Every step may choose a memory format of its own; the network is fast with one of them.
    return torch.empty_like(inputs_nchw).copy_(inputs), masks


def _flipped(inputs: Tensor, masks: Tensor, drawn: Variation) -> tuple[Tensor, Tensor]:
    for axis, flips in ((-2, drawn.flip_rows), (-1, drawn.flip_columns)):
        if flips.any():
            inputs = torch.where(_each(flips, inputs), inputs.flip(axis), inputs)
            masks = torch.where(_each(flips, masks), masks.flip(axis), masks)
    return inputs, masks


def _moved(inputs: Tensor, masks: Tensor, drawn: Variation) -> tuple[Tensor, Tensor]:
    moves = (drawn.radians, drawn.shift_rows, drawn.shift_columns, drawn.zoom - 1)
    if not any(bool(move.any()) for move in moves):
        return inputs, masks
    # The slices of a volume move alike, as channels do.
    planes = inputs.flatten(1, -3)
    labels = masks.unsqueeze(1).flatten(1, -3)
    places = _sources(drawn, rows=inputs.shape[-2], columns=inputs.shape[-1], device=inputs.device)
    read = functional.grid_sample(planes, places, mode="bilinear", align_corners=False)
    # Labels are small: single precision holds each of them.
    nearest = functional.grid_sample(labels.float(), places, mode="nearest", align_corners=False)
    return read.view(inputs.shape), nearest.to(masks.dtype).view(masks.shape)


def _sources(drawn: Variation, *, rows: int, columns: int, device: torch.device) -> Tensor:
    """Return where each pixel of the result comes from: (N, rows, columns, 2), float32.

    As `grid_sample` counts: the column first, from -1 at the left edge to 1 at the right one.
    """
    # The inverse of: turn and enlarge around the middle, then shift. In pixels from the middle.
    cosine, sine = torch.cos(drawn.radians) / drawn.zoom, torch.sin(drawn.radians) / drawn.zoom
    down, right = drawn.shift_rows * rows, drawn.shift_columns * columns
    row_of = torch.stack([cosine, sine, -cosine * down - sine * right])
    column_of = torch.stack([-sine, cosine, sine * down - cosine * right])
    row = (torch.arange(rows, device=device) - (rows - 1) / 2).view(-1, 1)
    column = torch.arange(columns, device=device) - (columns - 1) / 2
    places = []
    for coefficients, pixels in ((column_of, columns), (row_of, rows)):
        scaled = (coefficients * 2 / pixels).to(device, torch.float32)
        by_row, by_column, offset = scaled.view(3, -1, 1, 1)
        places.append(by_row * row + by_column * column + offset)
    return torch.stack(places, dim=-1)


def _with_other_intensities(inputs: Tensor, drawn: Variation) -> Tensor:
    if drawn.brightness.any():
        inputs = inputs + _each(drawn.brightness, inputs)
    if (drawn.contrast != 1).any():
        means = inputs.flatten(1).mean(dim=1)
        middle = means.view(-1, *[1] * (inputs.dim() - 1))
        inputs = middle + (inputs - middle) * _each(drawn.contrast, inputs)
    if drawn.noise:
        inputs = inputs + drawn.noise * _noise(inputs, drawn.noise_seeds)
    return inputs


def _noise(inputs: Tensor, seeds: Tensor) -> Tensor:
    each = [
        torch.randn(inputs.shape[1:], generator=torch.Generator().manual_seed(int(seed)))
        for seed in seeds.tolist()
    ]
    return torch.stack(each).to(inputs.device)


def _each(values_n: Tensor, like: Tensor) -> Tensor:
    """Return one value per image, so that it meets all pixels of that image."""
    values = values_n if values_n.dtype == torch.bool else values_n.to(like.dtype)
    return values.to(like.device).view(-1, *[1] * (like.dim() - 1))
