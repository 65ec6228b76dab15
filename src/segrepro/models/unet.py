"""U-Net (Ronneberger et al. 2015) as the baseline of MultiResUNet: 32 to 512 filters, Keras style.

The paper (Ibtehaz and Rahman 2020, section 6.1) names the filters and, in Table 3, the number of
parameters; the widespread Keras U-Net has exactly that number for one input channel.
"""

from functools import partial
from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._keras import batch_norm, initialise
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="U-Net",
    source=(
        "Ronneberger et al. 2015, as the baseline of Ibtehaz and Rahman 2020 (section 6.1, "
        "Table 3); code: jocicmarko/ultrasound-nerve-segmentation (df9eb77)"
    ),
    licence="MIT",
    channels=1,
    classes=1,
    size=(256, 256),
    training_mb=1300,
    disagreements=(
        Disagreement(
            where="filters and borders",
            says="the original U-Net has 64 to 1024 filters and convolves without padding",
            but=(
                "the MultiResUNet paper calls its baseline the original U-Net, with 32 to 512 "
                "filters"
            ),
            choice="32 to 512 and padding, which gives the 7,759,521 parameters of its Table 3",
        ),
        Disagreement(
            where="code",
            says="the MultiResUNet paper measures this baseline",
            but="its repository holds no U-Net",
            choice=(
                "the common Keras U-Net, whose count is the published one: no normalisation, no "
                "dropout, transposed convolutions with a bias and no activation"
            ),
        ),
        Disagreement(
            where="input channels",
            says="Table 3 sets 7,759,521 parameters beside MultiResUNet's 7,262,750",
            but="the first number fits one input channel, the second fits three",
            choice=(
                "each network takes the data set's channels, and each count says for how many "
                "it holds"
            ),
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (32, 64, 128, 256, 512)
    """Filters of each level, from the finest to the coarsest."""
    batch_norm: bool = False
    """Whether each 3x3 convolution is followed by batch normalisation. The U-Net in the repository
    of D-UNet has it; its up-sampling and 2x2 convolution have as many parameters as ours."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = UNet(config.widths, normalise=config.batch_norm, channels=channels, classes=classes)
    initialise(network)
    return network


class UNet(nn.Module):
    """An encoder, and a decoder that sees the encoder's features of the same level."""

    def __init__(
        self, widths: tuple[int, ...], *, normalise: bool, channels: int, classes: int
    ) -> None:
        super().__init__()
        double_convolution = partial(_double_convolution, normalise=normalise)
        self.multiple = 2 ** (len(widths) - 1)
        self.normalises = normalise
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            double_convolution(before, width) for before, width in pairwise((channels, *widths))
        )
        # No activation follows: the transposed convolutions of the Keras original have none.
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, width, 2, stride=2) for below, width in pairwise(widths[::-1])
        )
        self.decoder = nn.ModuleList(
            double_convolution(2 * width, width) for width in widths[-2::-1]
        )
        self.output = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels - 1)."""
        check_sides(images, multiple=self.multiple)
        if self.training and self.normalises:
            check_batch(images, stride=self.multiple)
        features = self.encoder[0](images)
        skips: list[Tensor] = []
        for block in self.encoder[1:]:
            skips.append(features)
            features = block(self.pool(features))
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([up(features), skips.pop()], dim=1))
        logits: Tensor = self.output(features)
        return logits


def _double_convolution(width_in: int, width: int, *, normalise: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (width_in, width):
        layers.append(nn.Conv2d(before, width, 3, padding=1))
        if normalise:
            layers.append(batch_norm(width))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
