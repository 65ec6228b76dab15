"""Keras's ``he_normal``: the start of networks whose code asks for it."""

import math

from torch import nn

TRUNCATED_STD = 0.87962566103423978
"""Standard deviation of a standard normal distribution without its tails beyond 2."""


def he_normal(network: nn.Module) -> None:
    """Draw the kernels of convolutions and dense layers as Keras does, and zero their biases.

    Draws from the default generator of PyTorch: the caller seeds it.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear):
            std = math.sqrt(2 / _fan_in(module))
            # Keras cuts at two standard deviations and widens what is left to the nominal one.
            wide = std / TRUNCATED_STD
            nn.init.trunc_normal_(module.weight, std=wide, a=-2 * wide, b=2 * wide)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def _fan_in(layer: nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.Linear) -> int:
    if isinstance(layer, nn.Linear):
        return layer.in_features
    if isinstance(layer, nn.ConvTranspose2d):
        # Keras reads its kernel, whose axes are swapped, as that of any other convolution.
        return layer.out_channels * math.prod(layer.kernel_size)
    # Of a depthwise convolution too Keras counts all channels, though each filter sees one.
    return layer.in_channels * math.prod(layer.kernel_size)
