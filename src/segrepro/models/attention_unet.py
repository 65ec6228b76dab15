"""Attention U-Net (Oktay et al. 2018, section 2), the common two-dimensional form with four gates.

The authors' code is three-dimensional only; the widespread PyTorch network for images is
LeeJunHyun/Image_Segmentation's, which benchmarks take over unchanged.
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
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="Attention U-Net",
    source=(
        "Oktay et al. 2018, section 2; counted and compared with LeeJunHyun/Image_Segmentation "
        "(5e9da93); the authors' own code, ozan-oktay/Attention-Gated-Networks (eee4881), is 3D"
    ),
    licence="none, all rights reserved (LeeJunHyun); MIT (the authors')",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=4200,
    disagreements=(
        Disagreement(
            where="gating signal",
            says="the authors gate with the coarser decoder features and resize inside the gate",
            but="the 2D code gates with features that are up-sampled and convolved already",
            choice="the 2D code: nothing is resized inside a gate",
        ),
        Disagreement(
            where="number of gates",
            says="the authors have three, none at full resolution",
            but="the 2D code has one at each of its four levels",
            choice="four",
        ),
        Disagreement(
            where="filters and outputs",
            says="the authors' 3D network has 16 to 256 filters and four outputs, fused into one",
            but="the 2D code has 64 to 1024 filters and one output",
            choice="the 2D code, 34,878,573 trained parameters for three channels and one class",
        ),
        Disagreement(
            where="initial kernels",
            says="the authors draw them from He's normal distribution",
            but="the 2D code's start is not documented",
            choice="He's",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (64, 128, 256, 512, 1024)
    """Filters of each level, from the finest to the coarsest."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = AttentionUNet(config.widths, channels=channels, classes=classes)
    initialise(network)
    return network


class AttentionUNet(nn.Module):
    """A U-Net whose skip connections pass through gates that the decoder's features steer."""

    def __init__(self, widths: tuple[int, ...], *, channels: int, classes: int) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            _double_convolution(before, width) for before, width in pairwise((channels, *widths))
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), *_convolution(below, width))
            for below, width in pairwise(widths[::-1])
        )
        self.gates = nn.ModuleList(AttentionGate(width) for width in widths[-2::-1])
        self.decoder = nn.ModuleList(
            _double_convolution(2 * width, width) for width in widths[-2::-1]
        )
        self.output = nn.Conv2d(widths[0], classes, 1)

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
        for up, gate, block in zip(self.up, self.gates, self.decoder, strict=True):
            features = up(features)
            features = block(torch.cat([gate(skips.pop(), features), features], dim=1))
        logits: Tensor = self.output(features)
        return logits


class AttentionGate(nn.Module):
    """Scale each pixel of a skip connection by one factor between 0 and 1 (Equations 1 and 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(1, width // 2)
        self.of_signal = _normalised(nn.Conv2d(width, inner, 1))
        self.of_skip = _normalised(nn.Conv2d(width, inner, 1))
        self.coefficient = _normalised(nn.Conv2d(inner, 1, 1))

    def forward(self, skip: Tensor, signal: Tensor) -> Tensor:
        """Map two tensors (N, width, H, W) to the gated skip connection, of the same shape."""
        joined = functional.relu(self.of_signal(signal) + self.of_skip(skip))
        gated: Tensor = skip * torch.sigmoid(self.coefficient(joined))
        return gated


def _double_convolution(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(*_convolution(width_in, width), *_convolution(width, width))


def _convolution(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        *_normalised(nn.Conv2d(width_in, width, 3, padding=1)), nn.ReLU(inplace=True)
    )


def _normalised(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels))
