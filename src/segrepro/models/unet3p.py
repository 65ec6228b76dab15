"""UNet 3+ (Huang et al. 2020, sections 2.1 and 2.2): a U-Net whose decoder sees every level.

The code is ZJUGiveLab/UNet-Version: PyTorch, whose network ends in a sigmoid; ours gives logits.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models import _he
from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._shape import check_sides

GAMMA_STD = 0.02

FACTS = Facts(
    title="UNet 3+",
    source="Huang et al. 2020, sections 2.1 and 2.2; code: ZJUGiveLab/UNet-Version (8ecd067)",
    licence="none, all rights reserved",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=9000,
    disagreements=(
        Disagreement(
            where="output",
            says="losses on logits need logits",
            but="the code ends in a sigmoid, with deep supervision in five",
            choice="the logits before it",
        ),
        Disagreement(
            where="deep supervision",
            says="the paper supervises every level of the decoder",
            but="the code has one class of networks with it and one without",
            choice="off; `deep_supervision=true` returns five outputs in training, finest first",
        ),
        Disagreement(
            where="class-guided module",
            says="the paper multiplies the output by whether the deepest level sees the organ",
            but="the code's form has no gradient there, and cannot run as published",
            choice="left out",
        ),
        Disagreement(
            where="encoder",
            says="the paper also shows ResNet-101 and VGG-16 below its decoder",
            but="the code has the plain U-Net's encoder",
            choice="the code",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (64, 128, 256, 512, 1024)
    """Filters of each level of the encoder, from the finest to the coarsest. Each branch into the
    decoder has as many as the finest."""
    deep_supervision: bool = False
    """Whether every level of the decoder, and the deepest of the encoder, gets an output. In
    training the network then returns the logits of all, the finest first."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = UNet3Plus(config, channels=channels, classes=classes)
    _he.initialise(network)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, GAMMA_STD)
    return network


class UNet3Plus(nn.Module):
    """An encoder, and a decoder each of whose levels joins one branch from every level."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        widths, levels = config.widths, len(config.widths)
        joined = levels * widths[0]
        self.multiple = 2 ** (levels - 1)
        self.deep_supervision = config.deep_supervision
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            nn.Sequential(*_convolution(before, width), *_convolution(width, width))
            for before, width in pairwise((channels, *widths))
        )
        # From the second coarsest level to the finest; what is below one is the decoder's but for
        # the coarsest level, which has the encoder's features only.
        self.decoder = nn.ModuleList(
            FullScaleJoin(
                (*widths[: level + 1], *[joined] * (levels - level - 2), widths[-1]),
                widths[0],
                level=level,
            )
            for level in reversed(range(levels - 1))
        )
        sources = [joined] * (levels - 1) + [widths[-1]]
        heads = sources if config.deep_supervision else sources[:1]
        self.outputs = nn.ModuleList(nn.Conv2d(source, classes, 3, padding=1) for source in heads)

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return the logits of images whose sides are multiples of 2^(levels - 1).

        With deep supervision, in training, those of every level, the finest first.
        """
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        # The decoder overwrites the encoder's features level by level: those of the levels above
        # are the encoder's still, those of the levels below the decoder's.
        features = [self.encoder[0](images)]
        for block in self.encoder[1:]:
            features.append(block(self.pool(features[-1])))
        for level, join in zip(reversed(range(len(features) - 1)), self.decoder, strict=True):
            features[level] = join(features)
        if not (self.training and self.deep_supervision):
            logits: Tensor = self.outputs[0](features[0])
            return logits
        return tuple(
            _enlarged(output(level), 2**halvings)
            for halvings, (output, level) in enumerate(zip(self.outputs, features, strict=True))
        )


class FullScaleJoin(nn.Module):
    """A level of the decoder: one branch from each level, brought to this level's size (2.1)."""

    def __init__(self, sources: tuple[int, ...], width: int, *, level: int) -> None:
        super().__init__()
        self.level = level
        self.branches = nn.ModuleList(
            nn.Sequential(*_convolution(source, width)) for source in sources
        )
        self.join = nn.Sequential(*_convolution(len(sources) * width, len(sources) * width))

    def forward(self, features: list[Tensor]) -> Tensor:
        """Map the features of all levels, the finest first, to those of this level."""
        branches = [
            branch(self._at_this_size(source, level))
            for level, (branch, source) in enumerate(zip(self.branches, features, strict=True))
        ]
        joined: Tensor = self.join(torch.cat(branches, dim=1))
        return joined

    def _at_this_size(self, features: Tensor, level: int) -> Tensor:
        if level < self.level:
            return functional.max_pool2d(features, 2 ** (self.level - level), ceil_mode=True)
        return _enlarged(features, 2 ** (level - self.level))


def _enlarged(features: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return features
    return functional.interpolate(
        features, scale_factor=factor, mode="bilinear", align_corners=False
    )


def _convolution(width_in: int, width: int) -> list[nn.Module]:
    return [
        nn.Conv2d(width_in, width, 3, padding=1),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    ]
