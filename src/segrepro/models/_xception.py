"""Aligned Xception-65 (Chen et al. 2018, Figure 4): the encoder of DeepLabv3+."""

from itertools import pairwise
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._dilated import Norm, convolution, scaled

MIDDLE_BLOCKS = 16


class Xception65(nn.Module):
    """Entry, middle and exit flow of blocks of three separable convolutions each.

    Parameters
    ----------
    channels
        Channels of the input.
    early
        Which entry block gives the decoder its fine features: the activated output of the
        ``first``, or what the second convolution of the ``second`` gives.
    output_stride
        Pixels of the input to one of the last output.
    width_factor
        Multiplies every number of filters.
    norm
        Makes the normalisations.
    """

    def __init__(
        self,
        *,
        channels: int,
        early: Literal["first", "second"],
        output_stride: Literal[8, 16],
        norm: Norm,
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        stem, w64, w128, w256, w728, w1024, w1536, w2048 = (
            scaled(width, width_factor) for width in (32, 64, 128, 256, 728, 1024, 1536, 2048)
        )
        # What no longer strides dilates instead, and all that follows it.
        dilation = 16 // output_stride
        self.stem = nn.Sequential(
            *convolution(channels, stem, kernel=3, stride=2, norm=norm),
            *convolution(stem, w64, kernel=3, norm=norm),
        )
        self.first = Block((w64, w128, w128, w128), stride=2, shortcut="convolution", norm=norm)
        self.second = Block((w128, w256, w256, w256), stride=2, shortcut="convolution", norm=norm)
        self.third = Block(
            (w256, w728, w728, w728), stride=2 // dilation, shortcut="convolution", norm=norm
        )
        self.middle = nn.Sequential(
            *(
                Block((w728,) * 4, dilation=dilation, shortcut="identity", norm=norm)
                for _ in range(MIDDLE_BLOCKS)
            )
        )
        self.exit = Block(
            (w728, w728, w1024, w1024), dilation=dilation, shortcut="convolution", norm=norm
        )
        self.last = nn.Sequential(
            *(
                layer
                for before, width in pairwise((w1024, w1536, w1536, w2048))
                for layer in separable(before, width, dilation=2 * dilation, norm=norm)
            )
        )
        self.early = early
        self.widths = (w128 if early == "first" else w256, w2048)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (N, channels, H, W) to early features, a quarter of the sides, and the last ones."""
        first = self.first(self.stem(images))
        middle = self.second.first_two(first)
        features = self.third(self.second.finish(middle, first))
        features = self.exit(self.middle(features))
        early = functional.relu(first) if self.early == "first" else middle
        return [early, self.last(features)]


class Block(nn.Module):
    """Three separable convolutions beside a shortcut; the third one strides."""

    def __init__(
        self,
        widths: tuple[int, ...],
        *,
        shortcut: Literal["convolution", "identity"],
        norm: Norm,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        strides = (1, 1, stride)
        self.convolutions = nn.ModuleList(
            _separable_after_relu(before, width, stride=one, dilation=dilation, norm=norm)
            for (before, width), one in zip(pairwise(widths), strides, strict=True)
        )
        self.shortcut = (
            nn.Identity()
            if shortcut == "identity"
            else convolution(widths[0], widths[-1], stride=stride, relu=False, norm=norm)
        )

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, widths[0], H, W) to (N, widths[-1], H / stride, W / stride)."""
        return self.finish(self.first_two(features), features)

    def first_two(self, features: Tensor) -> Tensor:
        """Return the output of the second separable convolution."""
        out: Tensor = self.convolutions[1](self.convolutions[0](features))
        return out

    def finish(self, middle: Tensor, features: Tensor) -> Tensor:
        """Return the block's output from that of its second convolution and its input."""
        out: Tensor = self.convolutions[2](middle) + self.shortcut(features)
        return out


def separable(width_in: int, width: int, *, dilation: int = 1, norm: Norm) -> nn.Sequential:
    """Return a depthwise 3x3 and a 1x1 convolution, each normalised and activated."""
    return nn.Sequential(
        *_depthwise(width_in, stride=1, dilation=dilation, norm=norm),
        nn.ReLU(inplace=True),
        *convolution(width_in, width, norm=norm),
    )


def _separable_after_relu(
    width_in: int, width: int, *, stride: int, dilation: int, norm: Norm
) -> nn.Sequential:
    # Not in place: the shortcut and the decoder see the features before this activation.
    return nn.Sequential(
        nn.ReLU(),
        *_depthwise(width_in, stride=stride, dilation=dilation, norm=norm),
        *convolution(width_in, width, relu=False, norm=norm),
    )


def _depthwise(width: int, *, stride: int, dilation: int, norm: Norm) -> list[nn.Module]:
    return [
        nn.Conv2d(width, width, 3, stride, dilation, dilation, groups=width, bias=False),
        norm(width),
    ]
