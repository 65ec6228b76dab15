"""DMBC, the "dynamical mobile inverted bottleneck convolution" of REUnet (its section 3.1)."""

import math

from torch import Tensor, nn

from segrepro.models._keras import batch_norm
from segrepro.models._squeeze import SqueezeExcitation


def hidden_width(width_in: int, *, expansion: int, width_coefficient: float) -> int:
    """Return d of Equations 1 to 3: the expanded width, rounded to a multiple of 8."""
    wanted = width_in * expansion * width_coefficient
    # Equation 2 prints "divisor squared" for "divided, then times the divisor".
    rounded = max(8, math.floor(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


class DMBC(nn.Module):
    """A mobile inverted bottleneck with squeeze and excitation and a gating signal (Figure 3)."""

    def __init__(
        self, width_in: int, width: int, *, hidden: int, kernel: int, relu6: bool, gate: int | None
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width_in, hidden, 1, bias=False),
            batch_norm(hidden),
            nn.ReLU6(inplace=True) if relu6 else nn.ReLU(inplace=True),
            nn.Conv2d(hidden, hidden, kernel, padding=kernel // 2, groups=hidden, bias=False),
            batch_norm(hidden),
            # Whatever the first one is.
            nn.ReLU6(inplace=True),
            nn.Conv2d(hidden, width, 1, bias=False),
            SqueezeExcitation(width, ratio=2),
            batch_norm(width),
        )
        self.gating_signal = None if gate is None else _gating_signal(width_in, width, kernel=gate)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H, W)."""
        out: Tensor = self.body(features)
        return out if self.gating_signal is None else out + self.gating_signal(features)


def _gating_signal(width_in: int, width: int, *, kernel: int) -> nn.Module:
    if width_in == width:
        return nn.Identity()
    return nn.Conv2d(width_in, width, kernel, padding=kernel // 2)
