"""U-Net as the baseline of RDIU-Net (Kurosawa et al. 2023), fitted to the reported 15.6 million.

The paper says U-Net and gives its number of parameters (Table 1), nothing else. No U-Net whose
filters double and whose levels have two convolutions each comes near; of the layouts with powers of
two as filters, this one does: a bottom as wide as the last level, with three convolutions.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._keras import batch_norm, initialise
from segrepro.models._shape import check_sides

BOTTOM_CONVOLUTIONS = 3

FACTS = Facts(
    title="U-Net (15.6 M)",
    source="Kurosawa, Elibol and Chong, ICCAS 2023, Table 1; no code",
    licence="no code",
    channels=1,
    classes=1,
    size=(128, 128),
    training_mb=1000,
    disagreements=(
        Disagreement(
            where="layers",
            says="the paper reports a U-Net of 15.6 million parameters",
            but="it gives no filters, and no usual U-Net has that size (7.8, 31.0 and 34.5 million "
            "are common)",
            choice="a layout fitted to the number: 64 to 512 filters, three convolutions at the "
            "bottom, 256 to 32 on the way up; 15,594,881 parameters",
        ),
        Disagreement(
            where="batch normalisation",
            says="the paper does not say whether its U-Net has any",
            but="with it the number is 15,612,545, which also rounds to 15.6 million",
            choice="none, as in the original U-Net; `batch_norm` adds it",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[
        tuple[Annotated[PositiveInt, Field(multiple_of=2)], ...], Field(min_length=1)
    ] = (64, 128, 256, 512)
    """Filters of each level above the bottom; on its way up a level has half of them."""
    batch_norm: bool = False
    """Whether each 3x3 convolution is followed by batch normalisation."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = UNet(config.widths, normalise=config.batch_norm, channels=channels, classes=classes)
    initialise(network)
    return network


class UNet(nn.Module):
    """A U-Net whose bottom is as wide as the level above, and whose way up is half as wide."""

    def __init__(
        self, widths: tuple[int, ...], *, normalise: bool, channels: int, classes: int
    ) -> None:
        super().__init__()
        ups = [width // 2 for width in widths[::-1]]
        self.multiple = 2 ** len(widths)
        self.normalises = normalise
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            _convolutions(before, width, count=2, normalise=normalise)
            for before, width in pairwise((channels, *widths))
        )
        self.bottom = _convolutions(
            widths[-1], widths[-1], count=BOTTOM_CONVOLUTIONS, normalise=normalise
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, width, 2, stride=2)
            for below, width in pairwise((widths[-1], *ups))
        )
        self.decoder = nn.ModuleList(
            _convolutions(3 * width, width, count=2, normalise=normalise) for width in ups
        )
        self.output = nn.Conv2d(ups[-1], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels above the bottom)."""
        check_sides(images, multiple=self.multiple)
        if self.training and self.normalises:
            check_batch(images, stride=self.multiple)
        features = images
        skips: list[Tensor] = []
        for block in self.encoder:
            features = block(features)
            skips.append(features)
            features = self.pool(features)
        features = self.bottom(features)
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([skips.pop(), up(features)], dim=1))
        logits: Tensor = self.output(features)
        return logits


def _convolutions(width_in: int, width: int, *, count: int, normalise: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in [width_in] + [width] * (count - 1):
        layers.append(nn.Conv2d(before, width, 3, padding=1))
        if normalise:
            layers.append(batch_norm(width))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
