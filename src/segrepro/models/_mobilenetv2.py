"""MobileNetV2 (Sandler et al. 2018, Table 2) as an encoder, up to its 320 filters."""

from typing import Literal

from torch import Tensor, nn

from segrepro.models._dilated import Norm, convolution, scaled

STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Of each stage: expansion, filters, blocks, stride of the first block."""
LAST_OF_THEIR_SIZE = (0, 1, 2, 4, 6)
"""The stages before each halving, and the last one: 16, 24, 32, 96 and 320 filters."""

Pad = Literal["depthwise", "block"]


class MobileNetV2(nn.Module):
    """A strided 3x3 convolution and seven stages of inverted residuals.

    Parameters
    ----------
    channels
        Channels of the input.
    output_stride
        Pixels of the input to one of the last stage's output. A stage that would make it coarser
        keeps the size, and the stages after it dilate their depthwise convolutions instead.
    pad
        Whether zeros surround what each depthwise convolution reads, as in the paper, or the whole
        block's input, so that the border is expanded, normalised and activated too.
    width_factor
        Multiplies every number of filters.
    norm
        Makes the normalisations.
    """

    def __init__(
        self,
        *,
        channels: int,
        norm: Norm,
        output_stride: Literal[8, 16, 32] = 32,
        pad: Pad = "depthwise",
        width_factor: float = 1.0,
    ) -> None:
        super().__init__()
        width_in = scaled(32, width_factor)
        self.stem = relu6_convolution(channels, width_in, kernel=3, stride=2, norm=norm)
        self.stages = nn.ModuleList()
        widths: list[int] = []
        stride_so_far, dilation = 2, 1
        for expansion, filters, count, stride in STAGES:
            keeps = stride_so_far == output_stride
            width = scaled(filters, width_factor)
            self.stages.append(
                nn.Sequential(
                    *(
                        InvertedResidual(
                            width_in if block == 0 else width,
                            width,
                            expansion=expansion,
                            stride=stride if block == 0 and not keeps else 1,
                            dilation=dilation,
                            pad=pad,
                            norm=norm,
                        )
                        for block in range(count)
                    )
                )
            )
            if keeps:
                dilation *= stride
            else:
                stride_so_far *= stride
            widths.append(width)
            width_in = width
        self.widths = tuple(widths[stage] for stage in LAST_OF_THEIR_SIZE)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (N, channels, H, W) to features of 1/2, 1/4, 1/8 and 1/16 of the sides, and the last.

        Those are the outputs of `LAST_OF_THEIR_SIZE`; the last ones have the output stride.
        """
        features = self.stem(images)
        outs: list[Tensor] = []
        for stage in self.stages:
            features = stage(features)
            outs.append(features)
        return [outs[stage] for stage in LAST_OF_THEIR_SIZE]


class InvertedResidual(nn.Module):
    """Expand with a 1x1, filter with a depthwise 3x3, and project with a linear 1x1 convolution.

    The input is added where neither size nor number of channels changes.
    """

    def __init__(
        self,
        width_in: int,
        width: int,
        *,
        expansion: int,
        norm: Norm,
        stride: int = 1,
        dilation: int = 1,
        pad: Pad = "depthwise",
    ) -> None:
        super().__init__()
        inner = expansion * width_in
        expand = [] if expansion == 1 else [*relu6_convolution(width_in, inner, norm=norm)]
        around, inside = (dilation, 0) if pad == "block" else (0, dilation)
        self.convolutions = nn.Sequential(
            nn.ZeroPad2d(around) if around else nn.Identity(),
            *expand,
            nn.Conv2d(inner, inner, 3, stride, inside, dilation, groups=inner, bias=False),
            norm(inner),
            nn.ReLU6(inplace=True),
            *convolution(inner, width, relu=False, norm=norm),
        )
        self.adds = stride == 1 and width_in == width

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H / stride, W / stride)."""
        out: Tensor = self.convolutions(features)
        return features + out if self.adds else out


def relu6_convolution(
    width_in: int, width: int, *, norm: Norm, kernel: int = 1, stride: int = 1
) -> nn.Sequential:
    """Return a convolution without bias, its normalisation, and a ReLU that ends at 6."""
    return nn.Sequential(
        *convolution(width_in, width, kernel=kernel, stride=stride, relu=False, norm=norm),
        nn.ReLU6(inplace=True),
    )
