"""The layers of PyTorch that have one name per number of dimensions."""

from typing import NamedTuple

from torch import nn


class Layers(NamedTuple):
    """The layers of networks on (N, C, H, W), or of those on (N, C, D, H, W)."""

    convolution: type[nn.Conv2d] | type[nn.Conv3d]
    transposed_convolution: type[nn.ConvTranspose2d] | type[nn.ConvTranspose3d]
    max_pool: type[nn.MaxPool2d] | type[nn.MaxPool3d]
    batch_norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d]


LAYERS = {
    2: Layers(nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.BatchNorm2d),
    3: Layers(nn.Conv3d, nn.ConvTranspose3d, nn.MaxPool3d, nn.BatchNorm3d),
}
"""By the number of an image's dimensions."""

CONVOLUTIONS = (nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)
"""What an initialisation looks for."""
