"""RDIU-Net (Kurosawa et al., ICCAS 2023), section 3, with widths fitted to its 5.9 million.

The paper gives the block (Figure 6) and the dense bottom (Equation 2), but neither filters nor the
number of blocks nor a decoder. Those below, with involution's own reduction and groups, give the
reported number of parameters (Table 1). Biases and normalisation are as Keras makes them.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._involution import Involution
from segrepro.models._keras import batch_norm, initialise
from segrepro.models._shape import check_sides

FACTS = Facts(
    title="RDIU-Net",
    source="Kurosawa, Elibol and Chong, ICCAS 2023, section 3; involution after Li et al., "
    "CVPR 2021; no code of RDIU-Net",
    licence="no code (involution, d-li14/involution at 21c3158: MIT)",
    channels=1,
    classes=1,
    size=(128, 128),
    training_mb=1000,
    disagreements=(
        Disagreement(
            where="filters and number of dense blocks",
            says="the paper reports 5.9 million parameters and at least two blocks",
            but="it gives neither filters nor the number of blocks",
            choice="32 to 256 filters, 256 at the bottom, three blocks: 5,914,327 parameters",
        ),
        Disagreement(
            where="input of a dense block",
            says="Equation 2: the outputs of all blocks before it",
            but="the first block has none before it",
            choice="the first block takes the pooled features; the others the outputs only",
        ),
        Disagreement(
            where="decoder",
            says="the network is based on the U-Net",
            but="nothing more is said of its way up",
            choice="transposed convolution, skip, two 3x3 convolutions with batch normalisation; "
            "`decoder=rib` puts the residual block there instead of the second one",
        ),
        Disagreement(
            where="involution",
            says="the text names a 1x1 involution; the last index of Equation 1 is garbled",
            but="it gives neither reduction nor groups",
            choice="involution's own: reduction 4, 16 channels per group",
        ),
        Disagreement(
            where="convolutions that make the involution's weights",
            says="the authors of involution: the first one without bias, the second with one",
            but="Keras's own example has a bias in both",
            choice="both, for the paper's other layers are counted as Keras makes them",
        ),
        Disagreement(
            where="normalisation after the involution",
            says="the text gives each layer batch normalisation and ReLU",
            but="without the one after the involution the number also rounds to 5.9 million",
            choice="the text; `norm_after_involution=false` leaves it out",
        ),
        Disagreement(
            where="comparison of sizes",
            says="Table 1: 15.6 million (U-Net) against 5.9 million",
            but="no pair of networks with the same filters has these sizes",
            choice="the baseline, `unet_rdi`, is fitted by itself",
        ),
        Disagreement(
            where="dropout",
            says="the block has a dropout",
            but="its rate is not given",
            choice="0.2",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (32, 64, 128, 256)
    """Filters of each level above the bottom, which is as wide as the last of them."""
    blocks: PositiveInt = 3
    """N of Equation 2: densely connected blocks at the bottom."""
    kernel: PositiveInt = 1
    """Side of the involutions' window, odd."""
    channels_per_group: PositiveInt = 16
    reduction: PositiveInt = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    norm_after_involution: bool = True
    """Whether batch normalisation follows an involution."""
    decoder: Literal["unet", "rib"] = "unet"
    """A second convolution on the way up, or a residual involution block in its place."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = RDIUNet(config, channels=channels, classes=classes)
    initialise(network)
    return network


class RDIUNet(nn.Module):
    """A U-Net with residual involution blocks in the encoder and a dense bottom (Figure 5)."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        widths = config.widths
        self.multiple = 2 ** len(widths)
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            _stage(before, width, config) for before, width in pairwise((channels, *widths))
        )
        self.bottom = DenseBottom(widths[-1], config)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(below, width, 2, stride=2)
            for below, width in pairwise((widths[-1], *widths[::-1]))
        )
        self.decoder = nn.ModuleList(
            _stage(2 * width, width, config)
            if config.decoder == "rib"
            else nn.Sequential(_convolution(2 * width, width), _convolution(width, width))
            for width in widths[::-1]
        )
        self.output = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels above the bottom)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        features = images
        skips: list[Tensor] = []
        for stage in self.encoder:
            features = stage(features)
            skips.append(features)
            features = self.pool(features)
        features = self.bottom(features)
        for up, block in zip(self.up, self.decoder, strict=True):
            features = block(torch.cat([skips.pop(), up(features)], dim=1))
        logits: Tensor = self.output(features)
        return logits


class DenseBottom(nn.Module):
    """Blocks of a convolution and a RIB, each fed with all outputs before it (Equation 2)."""

    def __init__(self, width: int, config: Config) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            _stage(width * max(1, before), width, config) for before in range(config.blocks)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the last block's output, of the same shape."""
        # What comes in is not among the outputs that Equation 2 concatenates.
        outputs: list[Tensor] = [self.blocks[0](features)]
        for block in self.blocks[1:]:
            outputs.append(block(torch.cat(outputs, dim=1)))
        return outputs[-1]


class ResidualInvolutionBlock(nn.Module):
    """Involution, 1x1 convolution and dropout beside the identity (Figure 6)."""

    def __init__(self, width: int, config: Config) -> None:
        super().__init__()
        self.involution = Involution(
            width,
            kernel=config.kernel,
            channels_per_group=config.channels_per_group,
            reduction=config.reduction,
        )
        self.norm = batch_norm(width) if config.norm_after_involution else nn.Identity()
        self.convolution = nn.Sequential(
            nn.ReLU(inplace=True), nn.Conv2d(width, width, 1), batch_norm(width)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        changed = self.convolution(self.norm(self.involution(features)))
        out: Tensor = self.relu(self.dropout(changed) + features)
        return out


def _stage(width_in: int, width: int, config: Config) -> nn.Sequential:
    return nn.Sequential(_convolution(width_in, width), ResidualInvolutionBlock(width, config))


def _convolution(width_in: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width_in, width, 3, padding=1), batch_norm(width), nn.ReLU(inplace=True)
    )
