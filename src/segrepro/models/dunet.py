"""D-UNet (its authors' Keras code): a 2D U-Net over neighbouring slices, fused with a 3D branch.

The slices are the channels of the input, in their order; the target belongs to the middle one or,
where their number is even, to the one after the middle: of four slices to the third.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he_normal import he_normal
from segrepro.models._keras import batch_norm
from segrepro.models._layers import LAYERS
from segrepro.models._shape import check_sides
from segrepro.models._squeeze import SqueezeExcitation

MULTIPLE = 16
HALVED = 4
"""Two pools halve the volume's depth: it must be a multiple of this."""

Five = Annotated[tuple[PositiveInt, ...], Field(min_length=5, max_length=5)]


FACTS = Facts(
    title="D-UNet",
    source=(
        "Zhou et al., D-UNet: a dimension-fusion U shape network for chronic stroke lesion "
        "segmentation; written from the code alone: SZUHvern/D-UNet (0114733), whose README "
        "prints the same count"
    ),
    licence="none, all rights reserved",
    # Four slices.
    channels=4,
    classes=1,
    size=(192, 192),
    training_mb=2300,
    disagreements=(
        Disagreement(
            where="neighbouring slices",
            says="slices as channels, for one target slice",
            but="the code takes two slices before it and one after it, zeros beyond the volume",
            choice="the slicing decides",
        ),
        Disagreement(
            where="number of slices",
            says="four, halved twice in the 3D branch",
            but="a photograph has three channels and a single slice one",
            choice=(
                "any number: the 3D branch reads empty slices in place of missing ones, as the "
                "code does beyond a volume's ends; the 2D branch needs none, for zeros add nothing"
            ),
        ),
        Disagreement(
            where="2x2 convolutions",
            says="an even kernel has no middle",
            but="Keras pads them on the right and at the bottom",
            choice="as Keras",
        ),
        Disagreement(
            where="loss",
            says="the code names a mixture of Dice and focal loss",
            but="its line has an unbalanced parenthesis and cannot run",
            choice="a matter of the recipe; the network returns logits",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Five = (32, 64, 128, 256, 512)
    """Filters of each level, from the finest to the coarsest; the 3D branch has the first three."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """After the convolutions of the two coarsest levels."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = DUNet(config, slices=channels, classes=classes)
    he_normal(network)
    return network


class DUNet(nn.Module):
    """A U-Net whose second and third level add the features of a 3D branch."""

    def __init__(self, config: Config, *, slices: int, classes: int) -> None:
        super().__init__()
        widths = config.widths
        self.missing = missing_slices(slices)
        depth = slices + sum(self.missing)
        self.pool = nn.MaxPool2d(2)
        self.pool_volume = nn.MaxPool3d(2)
        self.dropout = nn.Dropout(config.dropout)
        self.volume_encoder = nn.ModuleList(
            _double_convolution(before, width, dimensions=3)
            for before, width in pairwise((1, *widths[:3]))
        )
        self.encoder = nn.ModuleList(
            _double_convolution(before, width) for before, width in pairwise((slices, *widths))
        )
        self.fusions = nn.ModuleList(
            Fusion(width, depth=depth // 2**level)
            for level, width in enumerate(widths[1:3], start=1)
        )
        self.up = nn.ModuleList(Up(below, width) for below, width in pairwise(widths[::-1]))
        self.decoder = nn.ModuleList(
            _double_convolution(2 * width, width) for width in widths[-2::-1]
        )
        self.output = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 16."""
        check_sides(images, multiple=MULTIPLE)
        if self.training:
            check_batch(images, stride=MULTIPLE)
        *skips, features = self._encoded(images)
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([skips.pop(), up(features)], dim=1))
        logits: Tensor = self.output(features)
        return logits

    def _encoded(self, images: Tensor) -> list[Tensor]:
        # The same numbers once as channels and once as the depth of a volume of one channel.
        slices = functional.pad(images[:, None], (0, 0, 0, 0, *self.missing))
        volume = self.volume_encoder[0](slices)
        levels = [self.encoder[0](images)]
        fused = zip(self.encoder[1:3], self.volume_encoder[1:], self.fusions, strict=True)
        for block, volume_block, fusion in fused:
            volume = volume_block(self.pool_volume(volume))
            levels.append(fusion(block(self.pool(levels[-1])), volume))
        for block in self.encoder[3:]:
            levels.append(self.dropout(block(self.pool(levels[-1]))))
        return levels


def missing_slices(slices: int) -> tuple[int, int]:
    """Return how many slices are missing before and after these to the next multiple of 4.

    The code reads two slices before its target and one after it; a longer window likewise has one
    more before. The target is the one after the middle, and stays it.
    """
    whole = -(-slices // HALVED) * HALVED
    before = whole // 2 - slices // 2
    return before, whole - slices - before


class Fusion(nn.Module):
    """The dimension fusion: features of the volume, made flat, plus those of the slices."""

    def __init__(self, width: int, *, depth: int) -> None:
        super().__init__()
        self.flatten = nn.Conv3d(width, 1, 1)
        self.convolution = nn.Conv2d(depth, width, 3, padding=1)
        self.excite_volume = SqueezeExcitation(width, ratio=16)
        self.excite = SqueezeExcitation(width, ratio=16)

    def forward(self, features: Tensor, volume: Tensor) -> Tensor:
        """Add (N, width, H, W) and (N, width, depth, H, W) to (N, width, H, W)."""
        # With its one channel dropped, the volume's depth takes the place of the channels.
        flat = functional.relu(self.convolution(self.flatten(volume)[:, 0]))
        added: Tensor = self.excite_volume(flat) + self.excite(features)
        return added


class Up(nn.Module):
    """Nearest neighbours, then Keras's 2x2 convolution with padding "same", and ReLU."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width_in, width, 2)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, 2H, 2W)."""
        enlarged = functional.interpolate(features, scale_factor=2, mode="nearest")
        # An even kernel has no middle: Keras pads nothing on the left and top.
        return functional.relu(self.convolution(functional.pad(enlarged, (0, 1, 0, 1))))


def _double_convolution(width_in: int, width: int, *, dimensions: int = 2) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (width_in, width):
        layers.append(LAYERS[dimensions].convolution(before, width, 3, padding=1))
        layers.append(batch_norm(width, dimensions=dimensions))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
