"""TransUNet (Chen et al. 2021): a transformer between ResNet and decoder, section 3 and code.

The code is Beckschen/TransUNet, its configuration R50-ViT-B_16; the names of modules are that
code's.
"""

from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt
from torch import Tensor, nn
from torch.nn import functional

from segrepro.errors import UserError
from segrepro.models._dilated import scaled
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._pretrained_vit import load_vit
from segrepro.models._square import check_square
from segrepro.models._vit import GROUPS, Embeddings, Encoder, Transformer

STRIDE = 16
"""Pixels of the image, along a side, to one token."""
JOINED, DECODER = 512, (256, 128, 64, 16)
"""Filters in front of the decoder, and of its four blocks."""
STEM, HIDDEN, PERCEPTRON, HEADS = 64, 768, 3072, 12
"""Filters of the ResNet's stem, channels of a token, of the perceptrons between, and heads."""

FACTS = Facts(
    title="TransUNet",
    source="Chen et al. 2021, section 3; code: Beckschen/TransUNet (02ef001)",
    licence="Apache-2.0",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=4800,
    disagreements=(
        Disagreement(
            where="size",
            says="its paper has images of 224x224",
            but="the papers that use it as a baseline have 256x256",
            choice="256x256; `image_size=224` is the paper's",
        ),
        Disagreement(
            where="images of one channel",
            says="the code repeats them three times, so that ImageNet's first layer fits",
            but="a first layer of one channel could do what that does with fewer weights",
            choice="the code: one channel and three make the same network",
        ),
        Disagreement(
            where="skip connections at a quarter and an eighth",
            says="they have exactly these sides",
            but="the pool before them has no padding and loses a pixel, 64 becoming 63",
            choice="the code: zeros at the bottom and on the right of the skips alone",
        ),
        Disagreement(
            where="initial weights",
            says="paper and code begin with R50+ViT-B_16, trained on ImageNet-21k",
            but="the papers that use it as a baseline do not say that they did",
            choice="drawn at random, as the code does before it loads; `pretrained` names the file",
        ),
    ),
    pretraining="R50+ViT-B_16.npz, of ImageNet-21k, ResNet and transformer",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: PositiveInt = 256
    """Rows, and columns, of the images; no others are taken."""
    units: tuple[PositiveInt, PositiveInt, PositiveInt] = (3, 4, 9)
    """Bottlenecks of the ResNet's blocks."""
    layers: PositiveInt = 12
    """Of the transformer."""
    width_factor: PositiveFloat = 1.0
    """Multiplies every number of filters and channels; 1 is the paper's network, and 1/2 the least
    one whose first filters make 32 groups."""
    pretrained: Path | None = None
    """The file R50+ViT-B_16.npz, with which ResNet and transformer begin."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = TransUNet(config, channels=channels, classes=classes)
    if config.pretrained is not None:
        load_vit(network, config.pretrained)
    return network


class TransUNet(nn.Module):
    """A ResNet, a transformer over its coarsest features, and a decoder that sees the others.

    Raises
    ------
    UserError
        If tokens cannot cover the images, or the groups of a normalisation its filters.
    """

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        self.side = config.image_size
        width = partial(scaled, factor=config.width_factor)
        _check(config.image_size, stem=width(STEM), hidden=width(HIDDEN))
        self.transformer = Transformer(
            Embeddings(
                config.units,
                # One channel is repeated, see `forward`.
                channels=3 if channels == 1 else channels,
                side=config.image_size // STRIDE,
                width=width(STEM),
                hidden=width(HIDDEN),
            ),
            Encoder(config.layers, width=width(HIDDEN), heads=HEADS, hidden=width(PERCEPTRON)),
        )
        widths = [width(filters) for filters in DECODER]
        skips = [*self.transformer.embeddings.hybrid_model.widths[2::-1], 0]
        self.decoder = Decoder(width(HIDDEN), width(JOINED), widths, skips=skips)
        self.segmentation_head = nn.Sequential(nn.Conv2d(widths[-1], classes, 3, padding=1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images of the size that the network was built for."""
        check_square(images, side=self.side)
        if images.shape[1] == 1:
            images = images.expand(-1, 3, -1, -1)
        tokens, skips = self.transformer(images)
        side = self.side // STRIDE
        features = tokens.transpose(1, 2).unflatten(2, (side, side))
        logits: Tensor = self.segmentation_head(self.decoder(features, skips))
        return logits


def _check(image_size: int, *, stem: int, hidden: int) -> None:
    # With one token, the ResNet's last normalisation would see single values.
    if image_size % STRIDE or image_size < 2 * STRIDE:
        raise UserError(
            f"images of {image_size}x{image_size} cannot be divided into tokens of"
            f" {STRIDE}x{STRIDE} pixels, two along each side.",
            f"Choose an `image_size` that is a multiple of {STRIDE}, at least {2 * STRIDE}.",
        )
    if stem % GROUPS or hidden % HEADS:
        raise UserError(
            f"{stem} filters make no {GROUPS} groups, or {hidden} channels no {HEADS} heads.",
            "Choose `width_factor` as 1 or 0.5.",
        )


class Decoder(nn.Module):
    """Four blocks, each of which doubles the sides; the first three see the ResNet's features."""

    def __init__(self, hidden: int, joined: int, widths: list[int], *, skips: list[int]) -> None:
        super().__init__()
        self.conv_more = _convolution(hidden, joined)
        self.blocks = nn.ModuleList(
            Up(before + skip, width)
            for (before, width), skip in zip(pairwise([joined, *widths]), skips, strict=True)
        )

    def forward(self, features: Tensor, skips: list[Tensor]) -> Tensor:
        """Map (N, hidden, H, W) to (N, widths[-1], 16 H, 16 W).

        Parameters
        ----------
        skips
            The finest first.
        """
        features = self.conv_more(features)
        for up, skip in zip(self.blocks, [*skips[::-1], None], strict=True):
            features = up(features, skip)
        return features


class Up(nn.Module):
    """Twice the sides, then two convolutions."""

    def __init__(self, width_in: int, width: int) -> None:
        super().__init__()
        self.conv1 = _convolution(width_in, width)
        self.conv2 = _convolution(width, width)

    def forward(self, features: Tensor, skip: Tensor | None) -> Tensor:
        """Map (N, C, H, W), and a skip connection of twice the sides, to (N, width, 2 H, 2 W)."""
        features = functional.interpolate(
            features, scale_factor=2, mode="bilinear", align_corners=True
        )
        if skip is not None:
            features = torch.cat([features, skip], dim=1)
        out: Tensor = self.conv2(self.conv1(features))
        return out


def _convolution(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, 3, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(inplace=True),
    )
