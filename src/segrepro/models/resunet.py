"""Deep residual U-Net (Zhang et al., IEEE GRSL 2018), with five levels: a baseline of Ken's table.

Zhang's has four levels, 64 to 512 filters; Ken's row of the table comes from another paper, whose
network of about 33 million parameters has a fifth.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he import initialise
from segrepro.models._pointwise import StridedPointwise
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="ResUNet",
    source="Zhang, Liu and Wang, IEEE Geoscience and Remote Sensing Letters 2018; a row of the "
    "table of Patil et al. (Ken model); written from the description",
    licence="no code used",
    channels=1,
    classes=2,
    size=(128, 128),
    training_mb=1900,
    disagreements=(
        Disagreement(
            where="levels",
            says="Zhang: four levels, 64 to 512 filters, 8.2 million parameters",
            but="Ken's row repeats the X-Net paper's, whose ResUNet has about 33 million",
            choice="five levels, 64 to 1024 filters; `widths=[64,128,256,512]` is Zhang's",
        ),
        Disagreement(
            where="shortcuts",
            says="Zhang: a 1x1 convolution where the size changes",
            but="copies differ in whether batch normalisation follows it",
            choice="none; `norm_on_shortcuts` adds it",
        ),
        Disagreement(
            where="up-sampling",
            says="Zhang: feature maps are up-sampled",
            but="the interpolation is not named",
            choice="nearest neighbour",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (64, 128, 256, 512, 1024)
    """Filters of each level; the last one is the bridge."""
    norm_on_shortcuts: bool = False
    """Whether batch normalisation follows the 1x1 convolutions of the shortcuts."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = ResUNet(
        config.widths, norm=config.norm_on_shortcuts, channels=channels, classes=classes
    )
    initialise(network)
    return network


class ResUNet(nn.Module):
    """A U-Net of pre-activated residual units, which halve by their stride and not by pools."""

    def __init__(self, widths: tuple[int, ...], *, norm: bool, channels: int, classes: int) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        first = ResidualUnit(channels, widths[0], stride=1, activate_input=False, norm=norm)
        self.encoder = nn.ModuleList(
            [first, *(ResidualUnit(*pair, stride=2, norm=norm) for pair in pairwise(widths))]
        )
        self.decoder = nn.ModuleList(
            ResidualUnit(below + width, width, stride=1, norm=norm)
            for below, width in pairwise(widths[::-1])
        )
        self.output = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels - 1)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        features = images
        skips: list[Tensor] = []
        for unit in self.encoder:
            features = unit(features)
            skips.append(features)
        skips.pop()
        for unit in self.decoder:
            came_up = functional.interpolate(features, scale_factor=2, mode="nearest")
            features = unit(torch.cat([came_up, skips.pop()], dim=1))
        logits: Tensor = self.output(features)
        return logits


class ResidualUnit(nn.Module):
    """Twice normalisation, ReLU and a 3x3 convolution, beside a 1x1 shortcut."""

    def __init__(
        self, width_in: int, width: int, *, stride: int, norm: bool, activate_input: bool = True
    ) -> None:
        super().__init__()
        # The first unit of the network sees the image, which is not normalised and activated.
        before = [nn.BatchNorm2d(width_in), nn.ReLU()] if activate_input else []
        self.convolutions = nn.Sequential(
            *before,
            nn.Conv2d(width_in, width, 3, stride=stride, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.shortcut = nn.Sequential(StridedPointwise(width_in, width, stride=stride))
        if norm:
            self.shortcut.append(nn.BatchNorm2d(width))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H / stride, W / stride)."""
        added: Tensor = self.convolutions(features) + self.shortcut(features)
        return added
