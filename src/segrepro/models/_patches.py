"""What turns images into patches, and coarsens and refines these: Swin-Unet's, also of Mamba-UNet.

Features are (N, H, W, C). The names of parameters are those of the published checkpoints.
"""

import torch
from torch import Tensor, nn

PATCH = 4
"""Pixels along a side of the first patches."""


class PatchEmbedding(nn.Module):
    """Each patch of 4x4 pixels becomes one vector (Liu et al. 2021, section 3.1)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, PATCH, stride=PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, H / 4, W / 4, width)."""
        out: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return out


class Merging(nn.Module):
    """Four neighbours become one, with twice the channels."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)
        self.norm = nn.LayerNorm(4 * width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, width) to (N, H / 2, W / 2, 2 width)."""
        # Down before right, as the checkpoints have it.
        neighbours = [features[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.reduction(self.norm(torch.cat(neighbours, dim=-1)))
        return out


class Expanding(nn.Module):
    """Each vector becomes factor x factor neighbours (Cao et al. 2021, section 3)."""

    def __init__(self, width: int, *, factor: int, width_out: int) -> None:
        super().__init__()
        self.factor = factor
        self.expand = nn.Linear(width, factor**2 * width_out, bias=False)
        self.norm = nn.LayerNorm(width_out)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, width) to (N, factor H, factor W, width_out)."""
        images, height, width, _ = features.shape
        factor = self.factor
        blocks = self.expand(features).view(images, height, width, factor, factor, -1)
        spread = blocks.transpose(2, 3).reshape(images, height * factor, width * factor, -1)
        out: Tensor = self.norm(spread)
        return out


def initialise(network: nn.Module) -> None:
    """Draw the weights of all linear layers with deviation 0.02, cut at 2, and zero their biases.

    Convolutions keep PyTorch's start and bare parameters that of their own module, as in the
    sources. Draws from the default generator of PyTorch: the caller seeds it.
    """
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
