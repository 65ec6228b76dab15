"""2D Dense-UNet (Li et al. 2018): the 2D network of H-DenseUNet, on DenseNet-161, as its code.

The code is Keras; its repository carries no licence, and nothing here is taken from it.
"""

from itertools import pairwise

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._keras import MOMENTUM, batch_norm, initialise
from segrepro.models._shape import check_sides

EPSILON = 1.1e-5
"""Of the encoder's normalisations; the decoder's have Keras's own."""
DECODER_STD = 0.05
"""Keras's `kernel_initializer="normal"`, whatever comes in."""
BOTTLENECK = 4
"""The 1x1 convolution of a dense layer has so many times the filters of its 3x3 one."""
MULTIPLE = 32

FACTS = Facts(
    title="2D Dense-UNet",
    source="Li et al. 2018 (H-DenseUNet); code: xmengli999/H-DenseUNet (06cc436), Keras",
    licence="none",
    # As the table of the Ken model's paper would have it: one MRI channel, lesion or not.
    channels=1,
    classes=2,
    size=(128, 128),
    training_mb=1900,
    disagreements=(
        Disagreement(
            where="scaling layers",
            says="DenseNet has batch normalisation only",
            but="the code adds a learned scale and shift after each one of the encoder, 219,936 "
            "numbers that repeat its gamma and beta",
            choice="without; `scale_layers=true` adds them",
        ),
        Disagreement(
            where="input",
            says="the code reads three adjacent slices of a CT volume as channels",
            but="the Ken model's table does not say what its Dense-UNet read",
            choice="any number of channels",
        ),
        Disagreement(
            where="skip connections",
            says="a U-Net concatenates",
            but="the code adds; a 1x1 convolution first widens the deepest skip from 2112 to 2208",
            choice="the code",
        ),
        Disagreement(
            where="epsilon of batch normalisation",
            says="Keras has 1e-3",
            but="the code's DenseNet has 1.1e-5",
            choice="1.1e-5 in the encoder, 1e-3 in the decoder, as the code",
        ),
        Disagreement(
            where="initial kernels",
            says="the encoder's are Keras's default, Glorot's",
            but="the code draws those of the decoder, the widened skip and the output from a "
            "normal distribution with a standard deviation of 0.05",
            choice="the code",
        ),
    ),
    pretraining="ImageNet, the encoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocks: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (6, 12, 36, 24)
    """Layers of each dense block; the default is DenseNet-161's."""
    growth: PositiveInt = 48
    """Channels that each dense layer adds."""
    stem_width: PositiveInt = 96
    """Filters of the first convolution."""
    last_width: PositiveInt = 64
    """Filters of the decoder's last 3x3 convolution."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """Before the decoder's last normalisation."""
    scale_layers: bool = False
    """Whether a learned scale and shift follows each normalisation of the encoder."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = DenseUNet(config, channels=channels, classes=classes)
    initialise(network)
    for part in (network.line, network.decoder, network.output):
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=DECODER_STD)
    return network


class DenseUNet(nn.Module):
    """A DenseNet, and a decoder that adds the encoder's features of the same level."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        scale = config.scale_layers
        width = config.stem_width
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 7, stride=2, padding=3, bias=False),
            *_norm_relu(width, scale=scale),
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.blocks, self.transitions = nn.ModuleList(), nn.ModuleList()
        skips = [width]
        for index, length in enumerate(config.blocks):
            self.blocks.append(_dense_block(width, length, growth=config.growth, scale=scale))
            width += length * config.growth
            if index < len(config.blocks) - 1:
                skips.append(width)
                self.transitions.append(_transition(width, scale=scale))
                width //= 2
        self.norm_deepest = nn.Sequential(*_norm_relu(width, scale=scale))
        self.line = nn.Conv2d(skips.pop(), width, 1)
        widths = (width, *skips[::-1], config.stem_width, config.last_width)
        self.decoder = nn.ModuleList(
            _decoder(before, after, dropout=config.dropout if level == len(skips) + 1 else 0.0)
            for level, (before, after) in enumerate(pairwise(widths))
        )
        self.output = nn.Conv2d(config.last_width, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 32.

        Raises
        ------
        UserError
            If a side is not, or one image of 32x32 is to be trained on.
        """
        check_sides(images, multiple=MULTIPLE)
        if self.training:
            check_batch(images, stride=MULTIPLE)
        features = self.stem(images)
        skips = [features]
        features = self.pool(features)
        for block, transition in zip(self.blocks[:-1], self.transitions, strict=True):
            features = block(features)
            skips.append(features)
            features = transition(features)
        features = self.norm_deepest(self.blocks[-1](features))
        skips[-1] = self.line(skips[-1])
        for convolutions in self.decoder:
            features = functional.interpolate(features, scale_factor=2, mode="nearest")
            if skips:
                features = features + skips.pop()
            features = convolutions(features)
        logits: Tensor = self.output(features)
        return logits


class DenseLayer(nn.Module):
    """A 1x1 and a 3x3 convolution, normalised and activated before, beside what they read."""

    def __init__(self, width_in: int, *, growth: int, scale: bool) -> None:
        super().__init__()
        between = BOTTLENECK * growth
        self.layers = nn.Sequential(
            *_norm_relu(width_in, scale=scale),
            nn.Conv2d(width_in, between, 1, bias=False),
            *_norm_relu(between, scale=scale),
            nn.Conv2d(between, growth, 3, padding=1, bias=False),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width_in + growth, H, W)."""
        return torch.cat([features, self.layers(features)], dim=1)


class Scale(nn.Module):
    """A learned factor and summand for each channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        return features * self.weight[:, None, None] + self.bias[:, None, None]


def _dense_block(width_in: int, length: int, *, growth: int, scale: bool) -> nn.Sequential:
    return nn.Sequential(
        *(
            DenseLayer(width_in + layer * growth, growth=growth, scale=scale)
            for layer in range(length)
        )
    )


def _transition(width: int, *, scale: bool) -> nn.Sequential:
    """Return what halves the channels (compression 0.5) and the sides between two blocks."""
    return nn.Sequential(
        *_norm_relu(width, scale=scale),
        nn.Conv2d(width, width // 2, 1, bias=False),
        nn.AvgPool2d(2),
    )


def _decoder(width_in: int, width: int, *, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(width_in, width, 3, padding=1)]
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, batch_norm(width), nn.ReLU(inplace=True))


def _norm_relu(width: int, *, scale: bool) -> list[nn.Module]:
    """Return normalisation and activation as the encoder has them."""
    layers: list[nn.Module] = [nn.BatchNorm2d(width, eps=EPSILON, momentum=MOMENTUM)]
    if scale:
        layers.append(Scale(width))
    return [*layers, nn.ReLU(inplace=True)]
