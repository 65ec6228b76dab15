"""Ken model (Patil et al., "Medical Image Segmentation with Deep Learning"), sections III and IV.

A UNet++ of residual blocks with an inception block at the bottleneck. The paper gives the filters,
the residual blocks per node and the inception's kernels; the rest is chosen from the published
equations of UNet++ and ResNet, and the paper prints no number of parameters to test it by.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationInfo, field_validator
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._batch import check_batch
from segrepro.models._facts import Disagreement, Facts
from segrepro.models._he import initialise
from segrepro.models._shape import check_sides

KERNELS = (1, 3, 5, 7)

FACTS = Facts(
    title="Ken model",
    source="Patil et al., Medical Image Segmentation with Deep Learning, sections III and IV; "
    "no code",
    licence="no code (the one of UNet++, non-commercial only, was not used)",
    channels=1,
    classes=2,
    size=(128, 128),
    training_mb=2200,
    disagreements=(
        Disagreement(
            where="block",
            says="Section III: residual blocks",
            but="Section VI and the conclusion: dilated convolutions instead of classical ones, "
            "without a dilation",
            choice="residual blocks with dilation 1; `dilation` and `block=plain` give the others",
        ),
        Disagreement(
            where="Ken block",
            says="an inception block with kernels 1, 3, 5 and 7 and a skip connection",
            but="its filters are not given",
            choice="a quarter of the channels in each branch, concatenated and added to the input; "
            "`ken_branches=full` is the larger reading",
        ),
        Disagreement(
            where="up-sampling and supervision",
            says="based on UNet++",
            but="neither the up-sampling nor deep supervision is mentioned",
            choice="bilinear without parameters; one output, without deep supervision",
        ),
        Disagreement(
            where="input",
            says="crops of 124x124 are padded by 4 pixels on the horizontal and vertical sides",
            but="4 on each side would be 132, and the paper says 128",
            choice="2 on each side: 128x128",
        ),
        Disagreement(
            where="number of parameters",
            says="the conclusion: fewer trainable parameters",
            but="no number is given for any network",
            choice="ours has 23,598,082, and tests no claim",
        ),
        Disagreement(
            where="scans",
            says="304 T1-weighted scans of ATLAS R2.0",
            but="304 is the number of its first release, R2.0 has more",
            choice="a matter of the data set; the network is the same",
        ),
        Disagreement(
            where="Dice",
            says="the intersection over the sum of both sizes, without the factor 2",
            but="elsewhere over their product",
            choice="a matter of the scoring, which has twice the intersection over the sum",
        ),
    ),
)


class Config(BaseModel):
    """The options of this network."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    widths: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = (32, 64, 128, 256, 512)
    """Filters of each level, from the finest to the coarsest."""
    ken_block: bool = True
    """Whether the inception block stands at the bottleneck."""
    ken_branches: Annotated[Literal["quarter", "full"], Field(validate_default=True)] = "quarter"
    """Filters of its branches: a quarter of the channels, or all, which a 1x1 convolution fuses."""
    block: Literal["residual", "plain"] = "residual"
    """What a node is made of; a plain block is a residual one without its shortcut."""
    blocks: PositiveInt = 2
    """Blocks of a node, of two 3x3 convolutions each."""
    dilation: PositiveInt = 1
    """Dilation of the blocks' 3x3 convolutions."""
    up: Literal["bilinear", "transposed"] = "bilinear"

    @field_validator("ken_branches")
    @classmethod
    def _quarters_are_whole(cls, branches: str, info: ValidationInfo) -> str:
        width = info.data.get("widths", (0,))[-1]
        if info.data.get("ken_block") and branches == "quarter" and width % len(KERNELS):
            raise ValueError(f"the last width, {width}, has no whole quarter")
        return branches


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, H, W) -> (N, classes, H, W) logits."""
    network = KenModel(config, channels=channels, classes=classes)
    initialise(network)
    return network


class KenModel(nn.Module):
    """UNet++: a node sees all nodes of its level before it, and the last one of the level below."""

    def __init__(self, config: Config, *, channels: int, classes: int) -> None:
        super().__init__()
        widths = config.widths
        self.multiple = 2 ** (len(widths) - 1)
        self.pool = nn.MaxPool2d(2)
        self.encoder = nn.ModuleList(
            _node(before, width, config) for before, width in pairwise((channels, *widths))
        )
        self.bottleneck = (
            KenBlock(widths[-1], full=config.ken_branches == "full")
            if config.ken_block
            else nn.Identity()
        )
        # Column j of the triangle has a node in each level but the j coarsest ones.
        self.columns = nn.ModuleList(
            Column(list(pairwise(widths))[: len(widths) - j], before=j, config=config)
            for j in range(1, len(widths))
        )
        self.output = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images whose sides are multiples of 2^(levels - 1)."""
        check_sides(images, multiple=self.multiple)
        if self.training:
            check_batch(images, stride=self.multiple)
        features = self.encoder[0](images)
        levels: list[list[Tensor]] = [[features]]
        for node in self.encoder[1:]:
            features = node(self.pool(features))
            levels.append([features])
        levels[-1] = [self.bottleneck(features)]
        for column in self.columns:
            levels = column(levels)
        logits: Tensor = self.output(levels[0][-1])
        return logits


class Column(nn.Module):
    """One node in each of the finest levels, after as many nodes as `before` in the same level."""

    def __init__(self, widths: list[tuple[int, int]], *, before: int, config: Config) -> None:
        super().__init__()
        self.up = nn.ModuleList(_up(below, width, config) for width, below in widths)
        self.nodes = nn.ModuleList(
            _node(before * width + _width_up(below, width, config), width, config)
            for width, below in widths
        )

    def forward(self, levels: list[list[Tensor]]) -> list[list[Tensor]]:
        """Add a node to each level but the coarsest, which no later column needs."""
        return [
            [*level, node(torch.cat([*level, up(below[-1])], dim=1))]
            for up, node, (level, below) in zip(self.up, self.nodes, pairwise(levels), strict=True)
        ]


class Block(nn.Module):
    """Two 3x3 convolutions, with a shortcut around them (He et al. 2016) or without."""

    def __init__(self, width_in: int, width: int, *, dilation: int, shortcut: bool) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _convolution(width_in, width, kernel=3, dilation=dilation),
            nn.ReLU(inplace=True),
            _convolution(width, width, kernel=3, dilation=dilation),
        )
        self.shortcut: nn.Module | None = None
        if shortcut:
            same = width_in == width
            self.shortcut = nn.Identity() if same else _convolution(width_in, width, kernel=1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H, W)."""
        out: Tensor = self.convolutions(features)
        if self.shortcut is not None:
            out = out + self.shortcut(features)
        return functional.relu(out, inplace=True)


class KenBlock(nn.Module):
    """Convolutions of four sizes side by side, added to what came in (Figure 4)."""

    def __init__(self, width: int, *, full: bool) -> None:
        super().__init__()
        branch = width if full else width // len(KERNELS)
        self.branches = nn.ModuleList(
            nn.Sequential(_convolution(width, branch, kernel=kernel), nn.ReLU(inplace=True))
            for kernel in KERNELS
        )
        joined = branch * len(KERNELS)
        self.fusion = _convolution(joined, width, kernel=1) if full else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        joined = torch.cat([branch(features) for branch in self.branches], dim=1)
        return functional.relu(self.fusion(joined) + features)


def _node(width_in: int, width: int, config: Config) -> nn.Sequential:
    return nn.Sequential(
        *(
            Block(before, width, dilation=config.dilation, shortcut=config.block == "residual")
            for before in [width_in] + [width] * (config.blocks - 1)
        )
    )


def _up(below: int, width: int, config: Config) -> nn.Module:
    if config.up == "transposed":
        return nn.ConvTranspose2d(below, width, 2, stride=2)
    return nn.Upsample(scale_factor=2, mode="bilinear")


def _width_up(below: int, width: int, config: Config) -> int:
    return width if config.up == "transposed" else below


def _convolution(width_in: int, width: int, *, kernel: int, dilation: int = 1) -> nn.Sequential:
    reach = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(width_in, width, kernel, padding=reach, dilation=dilation, bias=False),
        nn.BatchNorm2d(width),
    )
