"""A strided 1x1 convolution that can be trained with few channels."""

from torch import Tensor, nn


class StridedPointwise(nn.Conv2d):
    """A 1x1 convolution of every stride-th pixel, with the weights of ``Conv2d(..., 1, stride)``.

    That one corrupts memory or gives wrong gradients on a CPU, where images lie channels last and
    have fewer than 16 channels (oneDNN, issue 6035), as in the networks of a demo.
    """

    def __init__(self, width_in: int, width: int, *, stride: int, bias: bool = True) -> None:
        super().__init__(width_in, width, 1, bias=bias)
        self.step = stride

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H / stride, W / stride), rounded up."""
        return super().forward(features[..., :: self.step, :: self.step])
