"""DeepLabv3+ (Chen et al. 2018), section 3 and two codes: dense in PyTorch, separable in Keras.

``head=dense`` is jfzhang95/pytorch-deeplab-xception, checked against it on ResNet-101;
``head=separable`` is the paper's own, as in bonlime/keras-deeplab-v3-plus on Xception-65.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat
from torch import Tensor, nn

from segrepro.models import _he, _keras
from segrepro.models._batch import check_batch
from segrepro.models._dilated import Norm, PooledContext, convolution, resized, scaled
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._mobilenetv2 import MobileNetV2
from segrepro.models._resnet import BLOCKS, ResNet
from segrepro.models._xception import Xception65, separable

RATES_AT_STRIDE_16 = (6, 12, 18)
MULTI_GRID = (1, 2, 4)

FACTS = Facts(
    title="DeepLabv3+",
    source="Chen et al. 2018, section 3; code: jfzhang95/pytorch-deeplab-xception (9135e10), "
    "bonlime/keras-deeplab-v3-plus (69a547c), VainF/DeepLabV3Plus-Pytorch (4e1087d), and the "
    "authors' own in tensorflow/models",
    licence="MIT (the first three), Apache-2.0 (the authors')",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=2800,
    disagreements=(
        Disagreement(
            where="encoder",
            says="the paper's best one is aligned Xception-65, its other ResNet-101",
            but="the papers that use it as a baseline name none",
            choice="ResNet-101 at output stride 16; `backbone` gives the others, and MobileNetV2",
        ),
        Disagreement(
            where="convolutions of pyramid and decoder",
            says="the paper makes them depthwise separable for Xception",
            but="the PyTorch codes keep them dense, for Xception too",
            choice=(
                "separable with `backbone=xception65`, dense with `backbone=xception` and all "
                "others; `head` chooses"
            ),
        ),
        Disagreement(
            where="order of the pyramid",
            says="the authors' code puts the pooled branch first",
            but="the PyTorch codes put it last",
            choice="first with `head=separable`, last with `head=dense`",
        ),
        Disagreement(
            where="dropout",
            says="the authors' code drops 0.1 after the pyramid",
            but="jfzhang95 drops 0.5 there and 0.5 and 0.1 in the decoder",
            choice="as the code of the chosen `head`",
        ),
        Disagreement(
            where="first convolution of Xception",
            says="the authors' code pads its image on all sides",
            but="Keras pads an image of even sides on the right and at the bottom only",
            choice="the authors' code",
        ),
        Disagreement(
            where="early features with Xception",
            says="Keras: the second separable convolution of entry block 2, 256 channels",
            but="jfzhang95: the activated output of entry block 1, 128 channels",
            choice="as the code of the chosen `head`",
        ),
        Disagreement(
            where="activation inside Xception's blocks",
            says="the paper adds batch normalisation and ReLU after every depthwise convolution",
            but="the authors' code has that ReLU in the last three convolutions only",
            choice="the code: elsewhere the ReLU comes before the depthwise convolution",
        ),
        Disagreement(
            where="padding and dilation of MobileNetV2",
            says="its paper pads what a depthwise convolution reads; what follows a lost stride "
            "dilates",
            but="jfzhang95 pads before the expansion, and dilates from the next stage on",
            choice="jfzhang95: only so are its 6.62 billion multiply-adds reached",
        ),
        Disagreement(
            where="decoder",
            says="the paper found two 3x3 convolutions best",
            but="VainF has one",
            choice="two; `decoder_convolutions=1` gives VainF's number of parameters",
        ),
        Disagreement(
            where="multi-grid of the last ResNet stage",
            says="jfzhang95 dilates its bottlenecks by 2 times 1, 2 and 4",
            but="VainF dilates all of them by 2",
            choice="1, 2 and 4",
        ),
        Disagreement(
            where="epsilon of batch normalisation",
            says="Keras: 1e-3 in Xception",
            but="and 1e-5 in the pyramid and the decoder",
            choice="as Keras with `head=separable`; PyTorch's 1e-5 everywhere with `head=dense`",
        ),
        Disagreement(
            where="bilinear resizing",
            says="the authors' code and jfzhang95 align the corners",
            but="VainF does not",
            choice="aligned",
        ),
    ),
    pretraining="ImageNet, the encoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: Literal["resnet101", "resnet50", "xception", "xception65", "mobilenetv2"] = (
        "resnet101"
    )
    """``xception65`` and ``xception`` name one encoder: the first with Keras's head by default, the
    second with jfzhang95's."""
    head: Literal["dense", "separable"] | None = None
    """Whose code is followed behind the encoder, with its normalisation, dropout and start. By
    default ``separable`` for ``xception65`` and ``dense`` for the others."""
    output_stride: Literal[8, 16] = 16
    decoder_convolutions: Literal[1, 2] = 2
    width_factor: PositiveFloat = 1.0
    """Multiplies every number of filters; 1 is the paper's network."""


@dataclass(frozen=True)
class Style:
    """Where the dense and the separable head differ beside their convolutions."""

    encoder_norm: Norm
    norm: Norm
    """In the pyramid and the decoder."""
    pooled_first: bool
    dropout: float
    """After the pyramid."""
    decoder_dropouts: tuple[float, float]
    early: Literal["first", "second"]
    """From which of Xception's entry blocks the decoder takes its fine features."""
    separable: bool

    def convolution(self, width_in: int, width: int, *, dilation: int = 1) -> nn.Sequential:
        """Return a 3x3 convolution, normalised and activated."""
        if self.separable:
            return separable(width_in, width, dilation=dilation, norm=self.norm)
        return convolution(width_in, width, kernel=3, dilation=dilation, norm=self.norm)


STYLES = {
    "dense": Style(
        encoder_norm=nn.BatchNorm2d,
        norm=nn.BatchNorm2d,
        pooled_first=False,
        dropout=0.5,
        decoder_dropouts=(0.5, 0.1),
        early="first",
        separable=False,
    ),
    "separable": Style(
        encoder_norm=_keras.batch_norm,
        norm=partial(nn.BatchNorm2d, momentum=_keras.MOMENTUM),
        pooled_first=True,
        dropout=0.1,
        decoder_dropouts=(0.0, 0.0),
        early="second",
        separable=True,
    ),
}


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    head = config.head or ("separable" if config.backbone == "xception65" else "dense")
    network = DeepLabV3Plus(config, STYLES[head], channels=channels, classes=classes)
    # Each as its code: Keras draws from Glorot's distribution, jfzhang95 from He's.
    (_keras if head == "separable" else _he).initialise(network)
    return network


class DeepLabV3Plus(nn.Module):
    """An encoder, a pyramid of dilated convolutions, and a decoder that sees early features."""

    def __init__(self, config: Config, style: Style, *, channels: int, classes: int) -> None:
        super().__init__()
        width = partial(scaled, factor=config.width_factor)
        self.encoder = _encoder(config, style, channels=channels)
        # MobileNetV2 also gives features of half the sides, which the decoder does not see.
        self.early_place = 1 if config.backbone == "mobilenetv2" else 0
        early, deepest = self.encoder.widths[self.early_place], self.encoder.widths[-1]
        self.pyramid = Pyramid(
            deepest,
            width(256),
            rates=[rate * 16 // config.output_stride for rate in RATES_AT_STRIDE_16],
            style=style,
        )
        self.early = convolution(early, width(48), norm=style.norm)
        width_in = width(256) + width(48)
        self.decoder = nn.Sequential()
        for dropout in style.decoder_dropouts[: config.decoder_convolutions]:
            self.decoder.extend([*style.convolution(width_in, width(256)), nn.Dropout(dropout)])
            width_in = width(256)
        self.output = nn.Conv2d(width(256), classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images of any size.

        Raises
        ------
        UserError
            If a batch of one is to be trained on: the mean of a map is a single value.
        """
        if self.training:
            check_batch(images, stride=None)
        features = self.encoder(images)
        early = self.early(features[self.early_place])
        deep = resized(self.pyramid(features[-1]), like=early)
        return resized(self.output(self.decoder(torch.cat([deep, early], dim=1))), like=images)


class Pyramid(nn.Module):
    """A 1x1 and three dilated 3x3 convolutions and the map's mean, joined (section 3.1)."""

    def __init__(self, width_in: int, width: int, *, rates: list[int], style: Style) -> None:
        super().__init__()
        local: list[nn.Module] = [
            convolution(width_in, width, norm=style.norm),
            *(style.convolution(width_in, width, dilation=rate) for rate in rates),
        ]
        pooled = PooledContext(width_in, width, bins=1, norm=style.norm)
        self.branches = nn.ModuleList([pooled, *local] if style.pooled_first else [*local, pooled])
        self.project = nn.Sequential(
            *convolution(len(self.branches) * width, width, norm=style.norm),
            nn.Dropout(style.dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H, W)."""
        joined = torch.cat([branch(features) for branch in self.branches], dim=1)
        out: Tensor = self.project(joined)
        return out


def _encoder(config: Config, style: Style, *, channels: int) -> ResNet | Xception65 | MobileNetV2:
    if config.backbone == "mobilenetv2":
        return MobileNetV2(
            channels=channels,
            output_stride=config.output_stride,
            pad="block",
            norm=style.encoder_norm,
            width_factor=config.width_factor,
        )
    if config.backbone in {"xception", "xception65"}:
        return Xception65(
            channels=channels,
            early=style.early,
            output_stride=config.output_stride,
            norm=style.encoder_norm,
            width_factor=config.width_factor,
        )
    return ResNet(
        BLOCKS[config.backbone],
        channels=channels,
        stem="plain",
        output_stride=config.output_stride,
        multi_grid=MULTI_GRID,
        norm=style.encoder_norm,
        width_factor=config.width_factor,
    )
