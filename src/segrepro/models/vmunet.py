"""VM-UNet (Ruan and Xiang 2024): a U-Net of state-space blocks, as the authors' code has it.

The code is JCruan519/VM-UNet. Features are (N, H, W, C); the names of parameters are the code's.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._drop_path import falling, rising
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._patches import PATCH, Expanding, Merging, PatchEmbedding, initialise
from segrepro.models._pretrained import load_mirrored
from segrepro.models._shape import check_sides
from segrepro.models._ss2d import VSSBlock

Depths = tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt]
LAST_SHARE = 4
"""The last features have so many times fewer channels than the first."""

FACTS = Facts(
    title="VM-UNet",
    source="Ruan and Xiang 2024; code: JCruan519/VM-UNet (43c495b)",
    licence="Apache-2.0",
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=5900,
    disagreements=(
        Disagreement(
            where="depths",
            says="the configurations of the experiments have 2, 2, 2, 2 and 2, 2, 2, 1 blocks",
            but="the class's defaults are 2, 2, 9, 2 and 2, 9, 2, 2",
            choice="the configurations; `depths` and `decoder_depths` give the others",
        ),
        Disagreement(
            where="finest skip connection",
            says="a U-Net joins encoder and decoder at every resolution",
            but="the code adds the three coarser ones, and has no use for the finest",
            choice="the code",
        ),
        Disagreement(
            where="output layer",
            says="the code ends in a sigmoid if there is one class, and in none otherwise",
            but="the loss of this repository begins with logits",
            choice="logits",
        ),
        Disagreement(
            where="images of one channel",
            says="the code repeats them three times",
            but="a first layer of one channel can do what that does with fewer weights",
            choice="a layer of the data set's channels",
        ),
        Disagreement(
            where="initial weights",
            says="the code loads VMamba-S, trained on ImageNet, into encoder and decoder",
            but="the papers that use it as a baseline do not say that they did",
            choice="drawn at random; `pretrained` names a file of VMamba-S",
        ),
    ),
    pretraining="VMamba-S on ImageNet, vmamba_small_e238_ema.pth, encoder and mirrored decoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depths: Depths = (2, 2, 2, 2)
    """Blocks of each stage of the encoder, from the finest to the coarsest."""
    decoder_depths: Depths = (2, 2, 2, 1)
    """Blocks of each stage of the decoder, from the coarsest to the finest."""
    width: Annotated[int, Field(gt=0, multiple_of=LAST_SHARE)] = 96
    """Channels of the finest stage; each coarser one has twice as many."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Probability that training leaves out the deepest block's residual; 0 for the first and the
    last one, and even steps between."""
    pretrained: Path | None = None
    """A file of VMamba's weights, with which encoder and decoder begin."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = VMUNet(config, channels=channels, classes=classes)
    initialise(network)
    if config.pretrained is not None:
        load_mirrored(network, config.pretrained)
    return network


class VMUNet(nn.Module):
    """Four stages that coarsen and four that refine; the decoder adds the encoder's features."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        widths = [config.width * 2**level for level in range(len(config.depths))]
        down = zip(widths, rising(config.drop_path, config.depths), strict=True)
        up = zip(widths[::-1], falling(config.drop_path, config.decoder_depths), strict=True)
        self.multiple = PATCH * 2 ** (len(widths) - 1)
        self.patch_embed = PatchEmbedding(channels, widths[0])
        self.layers = nn.ModuleList(
            Down(width, drops, last=width == widths[-1]) for width, drops in down
        )
        self.layers_up = nn.ModuleList(
            Up(width, drops, first=width == widths[-1]) for width, drops in up
        )
        last = widths[0] // LAST_SHARE
        self.final_up = Expanding(widths[0], factor=PATCH, width_out=last)
        self.final_conv = nn.Conv2d(last, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 32."""
        check_sides(images, multiple=self.multiple)
        features = self.patch_embed(images)
        skips: list[Tensor] = []
        for down in self.layers:
            skips.append(features)
            features = down(features)
        features = self.layers_up[0](features)
        for up in self.layers_up[1:]:
            features = up(features + skips.pop())
        logits: Tensor = self.final_conv(self.final_up(features).permute(0, 3, 1, 2))
        return logits


class Down(nn.Module):
    """Blocks, and what coarsens their output, but for the last stage."""

    def __init__(self, width: int, drops: list[float], *, last: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(VSSBlock(width, drop_path=drop) for drop in drops))
        self.downsample = nn.Identity() if last else Merging(width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, width) to (N, H / 2, W / 2, 2 width), at last to the same shape."""
        out: Tensor = self.downsample(self.blocks(features))
        return out


class Up(nn.Module):
    """What refines the features, but for the first stage, and blocks."""

    def __init__(self, width: int, drops: list[float], *, first: bool) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(VSSBlock(width, drop_path=drop) for drop in drops))
        self.upsample = nn.Identity() if first else Expanding(2 * width, factor=2, width_out=width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, 2 width) to (N, 2 H, 2 W, width), at first to the same shape."""
        out: Tensor = self.blocks(self.upsample(features))
        return out
