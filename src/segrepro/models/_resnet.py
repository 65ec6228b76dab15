"""ResNet (He et al. 2016) of bottlenecks as an encoder: dilated instead of strided where asked."""

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._dilated import Norm, convolution, scaled

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
EXPANSION = 4
"""A bottleneck's output has so many times the filters of its 3x3 convolution."""


class ResNet(nn.Module):
    """A stem and four stages of bottlenecks.

    Parameters
    ----------
    blocks
        Bottlenecks in each stage.
    channels
        Channels of the input.
    stem
        ``plain``: one 7x7 convolution; ``deep``: three 3x3 ones, as PSPNet has it.
    output_stride
        Pixels of the input to one of the last stage's output. Stages that would make it coarser
        keep their size and dilate their 3x3 convolutions instead.
    multi_grid
        The last stage's dilation is multiplied by these, one bottleneck after the other.
    width_factor
        Multiplies every number of filters.
    norm
        Makes the normalisations.
    """

    def __init__(
        self,
        blocks: tuple[int, int, int, int],
        *,
        channels: int,
        stem: Literal["plain", "deep"],
        output_stride: Literal[8, 16],
        norm: Norm,
        multi_grid: tuple[int, ...] = (1,),
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        filters = [scaled(width, width_factor) for width in (64, 128, 256, 512)]
        self.stem, width_in = _stem(stem, channels, filters[0], norm=norm)
        self.stages = nn.ModuleList()
        stride_so_far, dilation = 4, 1
        for index, (width, length) in enumerate(zip(filters, blocks, strict=True)):
            stride = 2 if index > 0 and stride_so_far < output_stride else 1
            if index > 0 and stride == 1:
                dilation *= 2
            stride_so_far *= stride
            grid = multi_grid if index == len(blocks) - 1 else (1,)
            dilations = [dilation * grid[block % len(grid)] for block in range(length)]
            self.stages.append(_stage(width_in, width, dilations, stride=stride, norm=norm))
            width_in = EXPANSION * width
        self.widths = tuple(EXPANSION * width for width in filters)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (N, channels, H, W) to the outputs of the four stages, the finest first."""
        features = self.stem(images)
        outs: list[Tensor] = []
        for stage in self.stages:
            features = stage(features)
            outs.append(features)
        return outs


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 one strides and dilates."""

    def __init__(
        self, width_in: int, width: int, *, stride: int, dilation: int, norm: Norm
    ) -> None:
        super().__init__()
        width_out = EXPANSION * width
        self.residual = nn.Sequential(
            *convolution(width_in, width, norm=norm),
            *convolution(width, width, kernel=3, stride=stride, dilation=dilation, norm=norm),
            *convolution(width, width_out, relu=False, norm=norm),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and width_in == width_out
            else convolution(width_in, width_out, stride=stride, relu=False, norm=norm)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, 4 width, H / stride, W / stride)."""
        return functional.relu(self.residual(features) + self.shortcut(features), inplace=True)


def _stem(kind: str, channels: int, width: int, *, norm: Norm) -> tuple[nn.Sequential, int]:
    """Return what brings an image to a quarter of its sides, and how many channels come out."""
    pool = nn.MaxPool2d(3, stride=2, padding=1)
    if kind == "plain":
        return nn.Sequential(
            *convolution(channels, width, kernel=7, stride=2, norm=norm), pool
        ), width
    layers = nn.Sequential(
        *convolution(channels, width, kernel=3, stride=2, norm=norm),
        *convolution(width, width, kernel=3, norm=norm),
        *convolution(width, 2 * width, kernel=3, norm=norm),
        pool,
    )
    return layers, 2 * width


def _stage(
    width_in: int, width: int, dilations: list[int], *, stride: int, norm: Norm
) -> nn.Sequential:
    return nn.Sequential(
        *(
            Bottleneck(
                width_in if block == 0 else EXPANSION * width,
                width,
                stride=stride if block == 0 else 1,
                dilation=dilation,
                norm=norm,
            )
            for block, dilation in enumerate(dilations)
        )
    )
