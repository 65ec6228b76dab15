"""X-Net (its authors' Keras code): a U-Net of depthwise X-blocks around a non-local bottleneck."""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he_normal import he_normal
from segrepro.models._keras import batch_norm
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="X-Net",
    source=(
        "Qi et al., X-Net: brain stroke lesion segmentation based on depthwise separable "
        "convolution and long-range dependencies; written from the code alone: Andrewsher/X-Net "
        "(daf3cd9), whose README prints 15.1 million parameters"
    ),
    licence="none, all rights reserved",
    channels=1,
    classes=1,
    size=(224, 192),
    training_mb=5300,
    disagreements=(
        Disagreement(
            where="non-local operation",
            says="its usual form takes a softmax of the similarities",
            but="the code has the dot-product form, which divides them by the number of positions",
            choice="the code",
        ),
        Disagreement(
            where="initial depthwise kernels",
            says="each filter of a depthwise convolution sees one channel",
            but=(
                "Keras's he_normal counts all channels, so these kernels begin smaller by the "
                "root of their number"
            ),
            choice="as Keras",
        ),
        Disagreement(
            where="weight decay",
            says="the code adds 1e-5 times each squared kernel to the loss",
            but="it is part of the layers there",
            choice="a matter of the recipe; the network has none",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (64, 128, 256, 512, 1024)
    """Filters of each level, from the finest to the coarsest."""
    similarity_width: Annotated[PositiveInt, Field(ge=2)] = 128
    """Filters inside the feature similarity module; its non-local operation has half of them."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = XNet(config, channels=channels, classes=classes)
    he_normal(network)
    return network


class XNet(nn.Module):
    """An encoder of X-blocks, the feature similarity module, and a decoder of X-blocks."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        widths = config.widths
        self.multiple = 2 ** (len(widths) - 1)
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            XBlock(before, width) for before, width in pairwise((channels, *widths))
        )
        self.similarity = FeatureSimilarity(widths[-1], config.similarity_width)
        self.up = nn.ModuleList(
            nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), _convolution(below, width, 3))
            for below, width in pairwise(widths[::-1])
        )
        self.decoder = nn.ModuleList(XBlock(2 * width, width) for width in widths[-2::-1])
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
        features = self.similarity(features)
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([skips.pop(), up(features)], dim=1))
        logits: Tensor = self.output(features)
        return logits


class XBlock(nn.Module):
    """Three depthwise separable convolutions beside a 1x1 shortcut; nothing follows the sum."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.shortcut = _convolution(width_in, width, 1)
        self.convolutions = nn.Sequential(
            *(_separable(before, width) for before in (width_in, width, width))
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H, W)."""
        added: Tensor = self.convolutions(features) + self.shortcut(features)
        return added


class FeatureSimilarity(nn.Module):
    """A non-local operation between two 3x3 convolutions, plus its own input."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.enter = _convolution(width, inner, 3)
        self.non_local = NonLocal(inner)
        self.leave = _convolution(inner, width, 3)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        added: Tensor = features + self.leave(self.non_local(self.enter(features)))
        return added


class NonLocal(nn.Module):
    """Every position plus the mean of all, each weighed by a dot product (Wang et al. 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.theta, self.phi, self.g = (
            nn.Conv2d(width, width // 2, 1, bias=False) for _ in range(3)
        )
        self.output = nn.Conv2d(width // 2, width, 1, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        theta, phi, g = (project(features).flatten(2) for project in (self.theta, self.phi, self.g))
        # The dot-product form: divided by the number of positions, without a softmax.
        similarity = theta.transpose(1, 2) @ phi / theta.shape[2]
        gathered = g @ similarity.transpose(1, 2)
        out: Tensor = features + self.output(gathered.unflatten(2, features.shape[2:]))
        return out


def _separable(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width_in, 3, padding=1, groups=width_in, bias=False),
        batch_norm(width_in),
        nn.ReLU(inplace=True),
        *_convolution(width_in, width, 1),
    )


def _convolution(width_in: int, width: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, kernel, padding=kernel // 2),
        batch_norm(width),
        nn.ReLU(inplace=True),
    )
