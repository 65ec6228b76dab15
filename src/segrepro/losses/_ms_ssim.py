"""Multi-scale structural similarity of two maps in 0..1 (Wang, Simoncelli and Bovik 2003)."""

import torch
from torch import Tensor
from torch.nn import functional

EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the five scales, the finest first (Wang 2003)."""
WINDOW, SIGMA = 11, 1.5
"""Side and standard deviation of the Gaussian window, in pixels (Wang 2004)."""
C1, C2 = 0.01**2, 0.03**2
"""Constants of luminance and contrast, for a range of 1."""
LEAST = 1e-6
"""A negative correlation has no power, and the slope of a power is infinite at 0."""


def ms_ssim(ones_nkhw: Tensor, others_nkhw: Tensor) -> Tensor:
    """Return the similarity of each image and class.

    Contrast and structure count at each scale, luminance at the coarsest. A map too small to be
    halved four times has fewer scales, whose exponents are enlarged to the same sum; a window is
    no larger than its map, and an axis of one pixel (a volume of one slice) is not halved.

    Parameters
    ----------
    ones_nkhw, others_nkhw
        Shape (N, K, H, W) or (N, K, D, H, W), float32, in 0..1.

    Returns
    -------
    Tensor
        Shape (N, K), in 0..1; 1 where both are equal.
    """
    # Every class of every image is a picture for itself.
    one, other = (maps.flatten(0, 1).unsqueeze(1) for maps in (ones_nkhw, others_nkhw))
    scales = min(len(EXPONENTS), max(one.shape[2:]).bit_length())
    enlarged = sum(EXPONENTS) / sum(EXPONENTS[:scales])
    similarity = torch.ones(len(one), dtype=one.dtype, device=one.device)
    for scale, exponent in enumerate(EXPONENTS[:scales], start=1):
        luminance, structure = _compared(one, other)
        compared = luminance * structure if scale == scales else structure
        mean = compared.flatten(1).mean(dim=1).clamp(min=LEAST)
        similarity = similarity * mean ** (exponent * enlarged)
        if scale < scales:
            one, other = _halved(one), _halved(other)
    return similarity.view(ones_nkhw.shape[:2])


def _halved(maps: Tensor) -> Tensor:
    """Return the means over neighbours along each axis; a pixel without one is left out."""
    # Not `avg_pool3d`: on a GPU its gradient is never the same bits twice, and PyTorch refuses it.
    for axis in range(2, maps.dim()):
        pairs = maps.shape[axis] // 2
        if pairs:
            even = maps.narrow(axis, 0, 2 * pairs)
            maps = torch.unflatten(even, axis, (pairs, 2)).mean(dim=axis + 1)
    return maps


def _compared(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return luminance, and contrast times structure, of every place of the window."""
    mean, other_mean = _smoothed(one), _smoothed(other)
    spread = _smoothed(one * one) - mean**2 + _smoothed(other * other) - other_mean**2
    common = _smoothed(one * other) - mean * other_mean
    luminance = (2 * mean * other_mean + C1) / (mean**2 + other_mean**2 + C1)
    return luminance, (2 * common + C2) / (spread + C2)


def _smoothed(maps: Tensor) -> Tensor:
    """Return the Gaussian means over all windows that lie within the maps."""
    convolve = functional.conv2d if maps.dim() == 4 else functional.conv3d
    for axis in range(2, maps.dim()):
        side = min(WINDOW, maps.shape[axis])
        places = torch.arange(side, dtype=maps.dtype, device=maps.device) - (side - 1) / 2
        window = torch.exp(-((places / SIGMA) ** 2) / 2)
        shape = [1] * maps.dim()
        shape[axis] = side
        maps = convolve(maps, (window / window.sum()).view(shape))
    return maps
