"""MultiResUNet (Ibtehaz and Rahman, Neural Networks 2020), section 4 and the authors' Keras code.

Where text and code differ we follow the code, whose number of parameters is the paper's (Table 3):
filters by the factors 0.167, 0.333 and 0.5, batch normalisation without gamma inside, with gamma
after concatenation and addition, and batch normalisation after the output convolution too.
"""

from itertools import pairwise
from typing import Annotated

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._keras import BatchNormWithoutGamma, batch_norm, initialise
from segrepro.models._layers import LAYERS
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="MultiResUNet",
    source=(
        "Ibtehaz and Rahman 2020, section 4; code: nibtehaz/MultiResUNet (5318aaf), the Keras one"
    ),
    licence="MIT by its README; the licence file is MIT's text under another author's name",
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=4700,
    disagreements=(
        Disagreement(
            where="filters",
            says="the text has W/6, W/3 and W/2",
            but=(
                "Table 1 and the code have 0.167 W, 0.333 W and 0.5 W, which differ in the "
                "deepest block"
            ),
            choice="the code; W/6 would give 7,269,335 parameters, Table 3 prints 7,262,750",
        ),
        Disagreement(
            where="activations",
            says="the text normalises and activates every convolution but the output",
            but=(
                "the code activates neither 1x1 shortcuts nor transposed convolutions, nor "
                "normalises the latter"
            ),
            choice="the code",
        ),
        Disagreement(
            where="output",
            says="the text leaves the output unnormalised",
            but="the code normalises it and gives it no bias",
            choice="the code",
        ),
        Disagreement(
            where="normalisation in the blocks",
            says="the text has none after a concatenation or a sum",
            but="the code has one after each, and only these have a gamma",
            choice="the code; a gamma everywhere would give 7,269,297 parameters",
        ),
        Disagreement(
            where="PyTorch code of the same authors",
            says="it is offered as the same network",
            but=(
                "biases, a gamma everywhere, one normalisation used twice per stage of a Res "
                "path and one class more: 7,251,376 parameters"
            ),
            choice="the Keras code, which has the published count",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (32, 64, 128, 256, 512)
    """U of Equation 1: filters of each level of the U-Net to which this one is comparable."""
    alpha: Annotated[PositiveFloat, Field(validate_default=True)] = 1.67
    """Alpha of Equation 1, W = alpha U."""

    @field_validator("alpha")
    @classmethod
    def _every_convolution_has_filters(cls, alpha: float, info: ValidationInfo) -> float:
        for width in info.data.get("widths", ()):
            if 0 in filters_of(width, alpha=alpha):
                raise ValueError(f"width {width} times alpha {alpha} leaves a layer no filters")
        return alpha


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = MultiResUNet(config.widths, alpha=config.alpha, channels=channels, classes=classes)
    initialise(network)
    return network


def filters_of(width: int, *, alpha: float) -> tuple[int, int, int]:
    """Return the filters of the three 3x3 convolutions of a MultiRes block (Table 1)."""
    # The text says W/6, W/3, W/2; Table 1 and the code round these factors first.
    wide = alpha * width
    return int(wide * 0.167), int(wide * 0.333), int(wide * 0.5)


class MultiResUNet(nn.Module):
    """A U-Net of MultiRes blocks whose skip connections are Res paths (Figure 5).

    With three dimensions every kernel, pool and stride gets a third side as long as the others.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        *,
        alpha: float,
        channels: int,
        classes: int,
        dimensions: int = 2,
    ) -> None:
        super().__init__()
        layers = LAYERS[dimensions]
        outs = [sum(filters_of(width, alpha=alpha)) for width in widths]
        self.multiple = 2 ** (len(widths) - 1)
        self.pool = layers.max_pool(2)
        self.encoder = nn.ModuleList(
            MultiResBlock(before, filters_of(width, alpha=alpha), dimensions=dimensions)
            for before, width in zip([channels, *outs], widths, strict=False)
        )
        # The deeper the level, the smaller the semantic gap: 4, 3, 2, 1 stages (section 4).
        self.paths = nn.ModuleList(
            res_path(out, width, length=len(widths) - 1 - level, dimensions=dimensions)
            for level, (out, width) in enumerate(zip(outs[:-1], widths, strict=False))
        )
        # Neither activation nor normalisation follows, unlike what section 4 says of all layers.
        self.up = nn.ModuleList(
            layers.transposed_convolution(below, width, 2, stride=2)
            for below, width in zip(outs[:0:-1], widths[-2::-1], strict=True)
        )
        self.decoder = nn.ModuleList(
            MultiResBlock(2 * width, filters_of(width, alpha=alpha), dimensions=dimensions)
            for width in widths[-2::-1]
        )
        self.output = _convolution(outs[0], classes, kernel=1, relu=False, dimensions=dimensions)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels - 1)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        features = self.encoder[0](images)
        skips: list[Tensor] = []
        for path, block in zip(self.paths, self.encoder[1:], strict=True):
            skips.append(path(features))
            features = block(self.pool(features))
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([up(features), skips.pop()], dim=1))
        logits: Tensor = self.output(features)
        return logits


class MultiResBlock(nn.Module):
    """Three 3x3 convolutions in a row, all three concatenated, plus a 1x1 shortcut (Figure 3c)."""

    def __init__(
        self, width_in: int, filters: tuple[int, int, int], *, dimensions: int = 2
    ) -> None:
        super().__init__()
        width_out = sum(filters)
        self.shortcut = _convolution(
            width_in, width_out, kernel=1, relu=False, dimensions=dimensions
        )
        self.convolutions = nn.ModuleList(
            _convolution(before, width, kernel=3, relu=True, dimensions=dimensions)
            for before, width in pairwise((width_in, *filters))
        )
        self.norm_concatenated = batch_norm(width_out, dimensions=dimensions)
        self.norm_out = batch_norm(width_out, dimensions=dimensions)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, ..., H, W) to (N, sum of filters, ..., H, W)."""
        shortcut = self.shortcut(features)
        parts: list[Tensor] = []
        for convolution in self.convolutions:
            features = convolution(features)
            parts.append(features)
        joined = self.norm_concatenated(torch.cat(parts, dim=1))
        out: Tensor = self.norm_out(functional.relu(shortcut + joined, inplace=True))
        return out


class ResStage(nn.Module):
    """A 3x3 convolution beside a 1x1 shortcut, one stage of a Res path (Figure 4)."""

    def __init__(self, width_in: int, width: int, *, dimensions: int = 2) -> None:
        super().__init__()
        self.shortcut = _convolution(width_in, width, kernel=1, relu=False, dimensions=dimensions)
        self.convolution = _convolution(width_in, width, kernel=3, relu=True, dimensions=dimensions)
        self.norm_out = batch_norm(width, dimensions=dimensions)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, ..., H, W) to (N, width, ..., H, W)."""
        added = self.shortcut(features) + self.convolution(features)
        out: Tensor = self.norm_out(functional.relu(added, inplace=True))
        return out


def res_path(width_in: int, width: int, *, length: int, dimensions: int) -> nn.Sequential:
    """Return a Res path: `length` stages of `width` filters each."""
    return nn.Sequential(
        *(
            ResStage(width_in if stage == 0 else width, width, dimensions=dimensions)
            for stage in range(length)
        )
    )


def _convolution(
    width_in: int, width: int, *, kernel: int, relu: bool, dimensions: int
) -> nn.Sequential:
    # The normalisation's beta makes a bias of the convolution superfluous; the code has none.
    layers: list[nn.Module] = [
        LAYERS[dimensions].convolution(width_in, width, kernel, padding=kernel // 2, bias=False),
        BatchNormWithoutGamma(width),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)
