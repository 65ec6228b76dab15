"""Mobile-Unet (Jing et al. 2022): MobileNetV2, and five transposed convolutions on the way up.

No official code is known. Four independent re-implementations agree on the filters of the decoder;
this is their common ground.
"""

from itertools import pairwise

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._dilated import scaled
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he import initialise
from segrepro.models._mobilenetv2 import InvertedResidual, MobileNetV2, relu6_convolution
from segrepro.models._shape import check_sides

LAST_WIDTH = 1280
EXPANSION = 6

FACTS = Facts(
    title="Mobile-Unet",
    source=(
        "Jing et al. 2022, whose abstract names MobileNetV2, five deconvolution layers and a "
        "softmax; the filters from re-implementations: akirasosa/mobile-semantic-segmentation, "
        "roeiherz/MobileUNET, lafith and TinyMachines.jl"
    ),
    licence="no code of the authors'; MIT (akirasosa, roeiherz, lafith)",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=1900,
    disagreements=(
        Disagreement(
            where="filters of the decoder",
            says="the paper's abstract gives none",
            but="four re-implementations have 96, 32, 24 and 16",
            choice="these, which are the encoder's at the same sizes",
        ),
        Disagreement(
            where="last layer",
            says="the fifth deconvolution brings 16 channels to the size of the image",
            but="akirasosa ends at half of it, with two 1x1 convolutions and bilinear resizing",
            choice="the fifth deconvolution",
        ),
        Disagreement(
            where="skip connections",
            says="most concatenate them",
            but="lafith adds them, with 4x4 depthwise deconvolutions, to 13.3 million parameters",
            choice="concatenated, the encoder's features first",
        ),
        Disagreement(
            where="expansion in the decoder",
            says="most have MobileNetV2's, 6",
            but="the Julia code has 1",
            choice="6",
        ),
        Disagreement(
            where="initial kernels",
            says="MobileNetV2 comes with ImageNet weights",
            but="nothing is said of the decoder's start",
            choice="without such weights: He's normal distribution everywhere",
        ),
    ),
    pretraining="ImageNet, the encoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_factor: PositiveFloat = 1.0
    """Multiplies every number of filters; 1 is the paper's network."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = MobileUNet(config.width_factor, channels=channels, classes=classes)
    initialise(network)
    return network


class MobileUNet(nn.Module):
    """An encoder of inverted residuals, and one of them at each level of the decoder."""

    def __init__(self, width_factor: float, *, channels: int, classes: int) -> None:
        super().__init__()
        norm = nn.BatchNorm2d
        self.multiple = 32
        self.encoder = MobileNetV2(channels=channels, width_factor=width_factor, norm=norm)
        last, *widths = self.encoder.widths[::-1]
        deepest = scaled(LAST_WIDTH, width_factor)
        self.last = relu6_convolution(last, deepest, norm=norm)
        self.up = nn.ModuleList(
            _doubled(below, width) for below, width in pairwise((deepest, *widths))
        )
        self.decoder = nn.ModuleList(
            InvertedResidual(2 * width, width, expansion=EXPANSION, norm=norm) for width in widths
        )
        self.output = _doubled(widths[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 32."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        skips = self.encoder(images)
        features = self.last(skips.pop())
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([skips.pop(), up(features)], dim=1))
        logits: Tensor = self.output(features)
        return logits


def _doubled(width_in: int, width: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(width_in, width, 4, stride=2, padding=1)
