"""Mamba-UNet (Wang et al. 2024): Swin-Unet's skeleton with VMamba's blocks.

The authors' code is ziyangwang007/Mamba-UNet.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.models._facts import Disagreement, Facts
from segrepro.models._patches import initialise
from segrepro.models._pretrained import load_mirrored
from segrepro.models._shape import check_sides
from segrepro.models._ss2d import VSSBlock
from segrepro.models._swin import SwinSkeleton

FACTS = Facts(
    title="Mamba-UNet",
    source="Wang et al. 2024; code: ziyangwang007/Mamba-UNet (dfe92ba)",
    licence="Apache-2.0",
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=6600,
    disagreements=(
        Disagreement(
            where="depths",
            says="the configuration of the experiments has 2, 2, 2, 2 blocks",
            but="the class's default is 2, 2, 9, 2",
            choice="the configuration; `depths` gives the other",
        ),
        Disagreement(
            where="images of one channel",
            says="the code repeats them three times",
            but="a first layer of one channel can do what that does with fewer weights",
            choice="a layer of the data set's channels",
        ),
        Disagreement(
            where="initial weights",
            says="the code loads VMamba-T, trained on ImageNet, into encoder and decoder",
            but="the papers that use it as a baseline do not say that they did",
            choice="drawn at random; `pretrained` names a file of VMamba-T",
        ),
    ),
    pretraining="VMamba-T on ImageNet, vmamba_tiny_e292.pth, encoder and mirrored decoder",
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (2, 2, 2, 2)
    """Blocks of each level, from the finest to the coarsest, in the encoder and, but for the
    coarsest, in the decoder."""
    width: Annotated[int, Field(gt=0, multiple_of=2)] = 96
    """Channels of the finest level; each coarser one has twice as many."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Probability that training leaves out the deepest block's residual; 0 for the first one, and
    even steps between."""
    pretrained: Path | None = None
    """A file of VMamba's weights, with which encoder and decoder begin."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = MambaUNet(config, channels=channels, classes=classes)
    initialise(network)
    if config.pretrained is not None:
        load_mirrored(network, config.pretrained)
    return network


class MambaUNet(SwinSkeleton):
    """Four levels of state-space blocks; the decoder joins the encoder's features to its own."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        def block(level: int, place: int, *, width: int, drop_path: float) -> VSSBlock:  # noqa: ARG001 - all are alike
            return VSSBlock(width, drop_path=drop_path)

        super().__init__(
            block,
            width=config.width,
            depths=config.depths,
            drop_path=config.drop_path,
            channels=channels,
            classes=classes,
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 32."""
        check_sides(images, multiple=self.multiple)
        return super().forward(images)
