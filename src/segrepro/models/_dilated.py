"""What PSPNet and DeepLabv3+ are made of beside their encoders."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._pointwise import StridedPointwise

Norm = Callable[[int], nn.Module]
"""Makes a normalisation of so many channels."""


def scaled(filters: int, factor: float) -> int:
    """Return a published number of filters times a factor, rounded, and at least one."""
    return max(1, round(filters * factor))


def convolution(
    width_in: int,
    width: int,
    *,
    norm: Norm,
    kernel: int = 1,
    stride: int = 1,
    dilation: int = 1,
    relu: bool = True,
) -> nn.Sequential:
    """Return a convolution without bias, its normalisation, and by default a ReLU."""
    padding = kernel // 2 * dilation
    layers: list[nn.Module] = [
        StridedPointwise(width_in, width, stride=stride, bias=False)
        if kernel == 1 and stride > 1
        else nn.Conv2d(width_in, width, kernel, stride, padding, dilation, bias=False),
        norm(width),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class PooledContext(nn.Module):
    """The mean of each of bins x bins regions, projected and spread over the map again.

    One level of PSPNet's pyramid (Zhao et al. 2017, section 3.2) and, with one bin, the
    image-level features of DeepLabv3+ (Chen et al. 2018, section 3.1).
    """

    def __init__(self, width_in: int, width: int, *, bins: int, norm: Norm) -> None:
        super().__init__()
        self.bins = bins
        self.project = convolution(width_in, width, norm=norm)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H, W)."""
        return resized(self.project(region_means(features, bins=self.bins)), like=features)


def region_means(features: Tensor, *, bins: int) -> Tensor:
    """Return the means of bins x bins regions that cover the map, overlapping where they must.

    Parameters
    ----------
    features
        Shape (N, C, H, W).
    bins
        Regions along each axis. Region i begins in the pixel in which i / bins of the side lies,
        and ends with the one in which (i + 1) / bins of it lies.

    Returns
    -------
    Tensor
        Shape (N, C, bins, bins).
    """
    # Not `AdaptiveAvgPool2d`: PyTorch refuses its gradient on a GPU where the same bits are asked
    # for every time.
    for axis in (2, 3):
        side = features.shape[axis]
        edges = [(place * side // bins, -(-(place + 1) * side // bins)) for place in range(bins)]
        features = torch.stack(
            [features.narrow(axis, start, stop - start).mean(axis) for start, stop in edges], axis
        )
    return features


def resized(features: Tensor, *, like: Tensor) -> Tensor:
    """Return features at the height and width of another tensor, bilinearly, corners aligned."""
    return functional.interpolate(features, like.shape[2:], mode="bilinear", align_corners=True)
