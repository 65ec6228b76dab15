"""The skeleton of Swin-Unet (Cao et al. 2021, Figure 1), which Mamba-UNet takes over.

Features are (N, H, W, C). The names of modules are those of the code of both: HuCaoFighting's
Swin-Unet and ziyangwang007's Mamba-UNet.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from segrepro.models._drop_path import rising
from segrepro.models._patches import PATCH, Expanding, Merging, PatchEmbedding


class MakesBlock(Protocol):
    """Makes one block of a level, which keeps the shape of its features."""

    def __call__(self, level: int, place: int, *, width: int, drop_path: float) -> nn.Module:
        """Return the block at this place of its stage; level 0 is the finest."""


class SwinSkeleton(nn.Module):
    """Stages of blocks that coarsen, and as many that refine and see the former's inputs.

    Parameters
    ----------
    block
        Makes the blocks.
    width
        Channels of the finest level; each coarser one has twice as many.
    depths
        Blocks of each level, in the encoder and again in the decoder, which has none on the
        coarsest level.
    drop_path
        Of the encoder's last block; the decoder's have those of the encoder's same level.
    """

    def __init__(
        self,
        block: MakesBlock,
        *,
        width: int,
        depths: Sequence[int],
        drop_path: float,
        channels: int,
        classes: int,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(len(depths))]
        drops = rising(drop_path, depths)

        def blocks(level: int) -> list[nn.Module]:
            return [
                block(level, place, width=widths[level], drop_path=drop)
                for place, drop in enumerate(drops[level])
            ]

        coarsest = len(depths) - 1
        finer = range(coarsest - 1, -1, -1)
        self.multiple = PATCH * 2**coarsest
        self.patch_embed = PatchEmbedding(channels, width)
        self.layers = nn.ModuleList(
            Down(blocks(level), None if level == coarsest else Merging(widths[level]))
            for level in range(len(depths))
        )
        self.layers_up = nn.ModuleList([_expanding(widths[coarsest])])
        self.layers_up.extend(
            Up(blocks(level), _expanding(widths[level]) if level else None) for level in finer
        )
        self.concat_back_dim = nn.ModuleList([nn.Identity()])
        self.concat_back_dim.extend(nn.Linear(2 * widths[level], widths[level]) for level in finer)
        self.norm = nn.LayerNorm(widths[coarsest])
        self.norm_up = nn.LayerNorm(width)
        self.up = Expanding(width, factor=PATCH, width_out=width)
        self.output = nn.Conv2d(width, classes, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (N, channels, H, W) to logits; the sides are multiples of `multiple`."""
        features = self.patch_embed(images)
        skips: list[Tensor] = []
        for down in self.layers:
            skips.append(features)
            features = down(features)
        # The coarsest stage's input is no skip connection.
        skips.pop()
        features = self.layers_up[0](self.norm(features))
        for join, up in zip(self.concat_back_dim[1:], self.layers_up[1:], strict=True):
            features = up(join(torch.cat([features, skips.pop()], dim=-1)))
        features = self.up(self.norm_up(features))
        logits: Tensor = self.output(features.permute(0, 3, 1, 2))
        return logits


def _expanding(width: int) -> Expanding:
    return Expanding(width, factor=2, width_out=width // 2)


class Down(nn.Module):
    """Blocks, and what coarsens their output."""

    def __init__(self, blocks: list[nn.Module], coarsen: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.downsample = coarsen or nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, C) to (N, H / 2, W / 2, 2 C), or to the same shape."""
        out: Tensor = self.downsample(self.blocks(features))
        return out


class Up(nn.Module):
    """Blocks, and what refines their output."""

    def __init__(self, blocks: list[nn.Module], refine: nn.Module | None) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*blocks)
        self.upsample = refine or nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, C) to (N, 2 H, 2 W, C / 2), or to the same shape."""
        out: Tensor = self.upsample(self.blocks(features))
        return out
