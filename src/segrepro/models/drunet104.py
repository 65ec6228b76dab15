"""DR-UNet104 (Colman et al. 2020): a U-Net of 104 layers, with residual bottlenecks below."""

from typing import Annotated, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he_normal import he_normal
from segrepro.models._keras import MOMENTUM
from segrepro.models._pointwise import StridedPointwise
from segrepro.models._shape import check_sides

EXPANSION = 4
"""A bottleneck's output has so many times the filters of its 3x3 convolution."""
DROPOUT = 0.5

FACTS = Facts(
    title="DR-UNet104",
    source="Colman et al. 2020, section 2; code: jordan-colman/DR-Unet104 (2b63b87), Keras",
    licence="Apache-2.0",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=4900,
    disagreements=(
        Disagreement(
            where="input",
            says="the paper segments slices of 240x240 pixels with four modalities",
            but="the REUnet paper, whose baseline it is, has other images",
            choice="any number of channels, and sides that are multiples of 32",
        ),
        Disagreement(
            where="padding inside the network",
            says="the code pads level 4 from 30 to 32 pixels, and crops its partner by as much",
            but="this fits 240x240 only: 256x256 cannot run",
            choice="left out",
        ),
        Disagreement(
            where="batch normalisation",
            says="Keras has an epsilon of 1e-3",
            but="the code sets 1e-5 as it trains",
            choice="1e-5, and Keras's momentum",
        ),
        Disagreement(
            where="skip connections",
            says="each level of the encoder ends in a dropout",
            but="our sources do not say whether its skip connection leaves before or after that",
            choice="after: the level's output is one tensor",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (16, 32, 64, 128, 256, 512)
    """Filters of the 3x3 convolutions of each level, from the finest to the bridge."""
    blocks: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (2, 3, 3, 5, 14, 4)
    """Bottlenecks of each level."""

    @model_validator(mode="after")
    def _as_many_blocks_as_widths(self) -> Self:
        if len(self.blocks) != len(self.widths):
            raise ValueError("blocks and widths must name the same number of levels")
        return self


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = DRUNet104(config, channels=channels, classes=classes)
    he_normal(network)
    return network


class DRUNet104(nn.Module):
    """Levels of pre-activated bottlenecks, and a decoder of one wide residual block a level."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        skips = [EXPANSION * width for width in config.widths]
        ups = [2 * width for width in config.widths[-2::-1]]
        self.multiple = 2 ** (len(skips) - 1)
        self.encoder = nn.ModuleList(
            _level(before, width, count, first=place == 0)
            for place, (before, width, count) in enumerate(
                zip((channels, *skips), config.widths, config.blocks, strict=False)
            )
        )
        # Keras's transposed convolution with padding `same`: the last row and column are cut below.
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, skip, 3, stride=2)
            for below, skip in zip((skips[-1], *ups), skips[-2::-1], strict=False)
        )
        self.decoder = nn.ModuleList(
            DecoderBlock(2 * skip, width) for skip, width in zip(skips[-2::-1], ups, strict=True)
        )
        # Between the levels of the decoder: the last one drops nothing.
        self.drop = nn.Dropout(DROPOUT)
        self.output = nn.Sequential(*_activated(nn.Conv2d(ups[-1], classes, 1)))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels - 1)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        features = images
        levels: list[Tensor] = []
        for level in self.encoder:
            features = level(features)
            levels.append(features)
        features = levels.pop()
        for up, block in zip(self.up, self.decoder, strict=True):
            # Not `padding=1, output_padding=1`: that would cut the first row and column.
            raised = up(features)[..., :-1, :-1]
            features = block(torch.cat([raised, levels.pop()], dim=1))
            features = self.drop(features) if levels else features
        logits: Tensor = self.output(features)
        return logits


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each of activated features, beside a shortcut."""

    def __init__(
        self, width_in: int, width: int, *, shortcut: bool, stride: int = 1, first: bool = False
    ) -> None:
        super().__init__()
        enter = StridedPointwise(width_in, width, stride=stride)
        self.residual = nn.Sequential(
            # An image is not normalised.
            *([enter] if first else _activated(enter)),
            *_activated(nn.Conv2d(width, width, 3, padding=1)),
            *_activated(nn.Conv2d(width, EXPANSION * width, 1)),
        )
        # Of the features before their activation.
        self.shortcut = (
            StridedPointwise(width_in, EXPANSION * width, stride=stride)
            if shortcut
            else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, 4 width, H / stride, W / stride)."""
        added: Tensor = self.residual(features) + self.shortcut(features)
        return added


class DecoderBlock(nn.Module):
    """Two 3x3 convolutions of activated features beside a 1x1 shortcut."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            *_activated(nn.Conv2d(width_in, width, 3, padding=1)),
            *_activated(nn.Conv2d(width, width, 3, padding=1)),
        )
        self.shortcut = nn.Conv2d(width_in, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H, W)."""
        added: Tensor = self.residual(features) + self.shortcut(features)
        return added


def _level(width_in: int, width: int, count: int, *, first: bool) -> nn.Sequential:
    """Return a level of the encoder; all but the first one halve the sides and end in a dropout."""
    enter = Bottleneck(width_in, width, shortcut=True, stride=1 if first else 2, first=first)
    others = (Bottleneck(EXPANSION * width, width, shortcut=False) for _ in range(count - 1))
    return nn.Sequential(enter, *others, nn.Identity() if first else nn.Dropout(DROPOUT))


def _activated(convolution: nn.Conv2d) -> list[nn.Module]:
    """Return a convolution after batch normalisation and ReLU."""
    norm = nn.BatchNorm2d(convolution.in_channels, momentum=MOMENTUM)
    return [norm, nn.ReLU(inplace=True), convolution]
