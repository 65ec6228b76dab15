"""Swin-Unet (Cao et al. 2021): a U-Net of attention within shifted windows, section 3 and code.

The code is HuCaoFighting/Swin-Unet; it is read, not copied: it has no licence.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from torch import Tensor, nn

from segrepro.errors import UserError
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._patches import PATCH, initialise
from segrepro.models._pretrained import load_mirrored
from segrepro.models._square import check_square
from segrepro.models._swin import SwinSkeleton
from segrepro.models._window import SwinBlock

FACTS = Facts(
    title="Swin-Unet",
    source="Cao et al. 2021, section 3; code: HuCaoFighting/Swin-Unet (f48f623)",
    licence="no licence",
    # As the REUnet paper has its images: three channels, one object.
    channels=3,
    classes=1,
    size=(256, 256),
    training_mb=2900,
    disagreements=(
        Disagreement(
            where="size and window",
            says="its paper has images of 224x224 and windows of 7x7",
            but="the papers that use it as a baseline have 256x256, which 7 does not divide",
            choice="windows of 8x8 at 256x256; `image_size=224 window=7` is the paper's",
        ),
        Disagreement(
            where="depths of the decoder",
            says="the configuration names depths of its own for it",
            but="the code ignores them and takes the encoder's",
            choice="the code",
        ),
        Disagreement(
            where="images of one channel",
            says="the code repeats them three times",
            but="a first layer of one channel can do what that does with fewer weights",
            choice="a layer of the data set's channels",
        ),
        Disagreement(
            where="initial weights",
            says="paper and code begin with Swin-T, trained on ImageNet, in encoder and decoder",
            but="the papers that use it as a baseline do not say that they did",
            choice="drawn at random; `pretrained` names a file of Swin-T",
        ),
        Disagreement(
            where="position biases of another window",
            says="Swin-T's are those of windows of 7x7",
            but="at 256x256 the windows are of 8x8, and the code then leaves these tensors out",
            choice="left out too, and named among those that were not loaded",
        ),
    ),
    pretraining=(
        "Swin-T on ImageNet, swin_tiny_patch4_window7_224.pth, encoder and mirrored decoder"
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: PositiveInt = 256
    """Rows, and columns, of the images; no others are taken."""
    window: PositiveInt = 8
    """Side of a window; where the features are no larger, one window holds them."""
    depths: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (2, 2, 2, 2)
    """Blocks of each level, from the finest to the coarsest, in the encoder and, but for the
    coarsest, in the decoder."""
    heads: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = (3, 6, 12, 24)
    """Attention heads of each level."""
    width: Annotated[int, Field(gt=0, multiple_of=2)] = 96
    """Channels of the finest level; each coarser one has twice as many."""
    drop_path: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Probability that training leaves out the deepest block's residual; 0 for the first one, and
    even steps between."""
    pretrained: Path | None = None
    """A file of Swin-T's weights, with which encoder and decoder begin."""


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = SwinUNet(config, channels=channels, classes=classes)
    initialise(network)
    if config.pretrained is not None:
        load_mirrored(network, config.pretrained)
    return network


class SwinUNet(SwinSkeleton):
    """Four levels of windowed attention; the decoder joins the encoder's features to its own.

    Raises
    ------
    UserError
        If a level's features cannot be divided into windows, or its channels among the heads.
    """

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        sides = sides_of(config)

        def block(level: int, place: int, *, width: int, drop_path: float) -> SwinBlock:
            side, heads = sides[level], config.heads[level]
            if width % heads:
                raise UserError(
                    f"{width} channels cannot be divided among {heads} heads.",
                    "Choose `heads` that divide `width` and its doubles.",
                )
            shifted = place % 2 == 1 and side > config.window
            return SwinBlock(
                width,
                heads=heads,
                side=side,
                window=min(config.window, side),
                shift=config.window // 2 if shifted else 0,
                drop_path=drop_path,
            )

        super().__init__(
            block,
            width=config.width,
            depths=config.depths,
            drop_path=config.drop_path,
            channels=channels,
            classes=classes,
        )
        self.side = config.image_size

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images of the size that the network was built for."""
        check_square(images, side=self.side)
        return super().forward(images)


def sides_of(config: Config) -> list[int]:
    """Return the rows of each level's features, the finest first, if windows divide them."""
    coarsest = PATCH * 2 ** (len(config.depths) - 1)
    sides = [config.image_size // (PATCH * 2**level) for level in range(len(config.depths))]
    divided = all(side <= config.window or side % config.window == 0 for side in sides)
    if config.image_size % coarsest or not divided:
        raise UserError(
            f"images of {config.image_size}x{config.image_size} cannot be divided into windows of"
            f" {config.window}x{config.window}, halved three times.",
            f"Choose an `image_size` that is a multiple of {coarsest} and of {PATCH} times"
            " `window`, such as 224 with 7 or 256 with 8.",
        )
    return sides
