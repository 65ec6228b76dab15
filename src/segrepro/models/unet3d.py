"""3D U-Net (Cicek et al. 2016) as the baseline of MultiResUNet 3D, Keras style.

The paper (Ibtehaz and Rahman 2020, section 6.1) gives no layers. Its number of parameters (Table 3)
is that of Cicek's layout for four channels, with either of two equivalent habits: convolutions
without bias and full batch normalisation, which we take, or a bias and normalisation without gamma.
"""

from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._keras import batch_norm, initialise
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="3D U-Net",
    source="Ibtehaz and Rahman, Neural Networks 2020, section 6.1 and Table 3; the layout of Cicek "
    "et al., MICCAI 2016; no code",
    licence="no code",
    channels=4,
    classes=1,
    size=(48, 80, 80),
    training_mb=11200,
    disagreements=(
        Disagreement(
            where="layers",
            says="the paper names the 3D U-Net and prints 19,078,593 parameters",
            but="it lists no layers",
            choice="Cicek's layout, with convolutions without bias and full batch normalisation: "
            "it has that number for four channels",
        ),
        Disagreement(
            where="bias and gamma",
            says="the number fits convolutions without bias before full batch normalisation",
            but="it also fits convolutions with a bias before batch normalisation without gamma; "
            "with both it would be 19,080,929",
            choice="the first, which is the usual one",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[
        tuple[Annotated[PositiveInt, Field(multiple_of=2)], ...], Field(min_length=2)
    ] = (64, 128, 256, 512)
    """Filters of each level's second convolution; in the encoder its first one has half of them."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, D, H, W) -> (N, classes, D, H, W) logits."""
    network = UNet3D(config.widths, channels=channels, classes=classes)
    initialise(network)
    return network


class UNet3D(nn.Module):
    """A U-Net whose filters double before a pool, and whose way up keeps the channels."""

    def __init__(self, widths: tuple[int, ...], *, channels: int, classes: int) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        self.pool = nn.MaxPool3d(2)
        self.encoder = nn.ModuleList(
            _double_convolution(before, width // 2, width)
            for before, width in zip([channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose3d(below, below, 2, stride=2) for below in widths[:0:-1]
        )
        self.decoder = nn.ModuleList(
            _double_convolution(below + width, width, width)
            for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.output = nn.Conv3d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels - 1)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
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


def _double_convolution(width_in: int, width: int, width_out: int) -> nn.Sequential:
    # The normalisation's beta makes a bias superfluous.
    return nn.Sequential(
        nn.Conv3d(width_in, width, 3, padding=1, bias=False),
        batch_norm(width, dimensions=3),
        nn.ReLU(inplace=True),
        nn.Conv3d(width, width_out, 3, padding=1, bias=False),
        batch_norm(width_out, dimensions=3),
        nn.ReLU(inplace=True),
    )
