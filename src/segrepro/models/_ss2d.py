"""The VSS block of VM-UNet and Mamba-UNet: VMamba's first version (Liu et al. 2024).

Features are (N, H, W, C). The names and shapes of parameters are those of VMamba's checkpoints.
Letters of a shape: n images, l pixels in a row, g directions, c channels, s states.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._drop_path import DropPath
from segrepro.models._selective_scan import selective_scan

STATES = 16
DIRECTIONS = 4
EXPANSION = 2
CHANNELS_PER_RANK = 16
"""Step sizes are made from so many times fewer numbers than a pixel has channels."""
LEAST_STEP, MOST_STEP, FLOOR_OF_STEPS = 0.001, 0.1, 1e-4


class VSSBlock(nn.Module):
    """A two-dimensional selective scan beside a shortcut."""

    def __init__(self, width: int, *, drop_path: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.self_attention = SS2D(width)
        self.drop_path = DropPath(drop_path)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, width) to the same shape."""
        out: Tensor = features + self.drop_path(self.self_attention(self.ln_1(features)))
        return out


class SS2D(nn.Module):
    """A gated selective scan along rows and along columns, each both ways."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = EXPANSION * width
        self.rank = math.ceil(width / CHANNELS_PER_RANK)
        self.in_proj = nn.Linear(width, 2 * self.inner, bias=False)
        self.conv2d = nn.Conv2d(self.inner, self.inner, 3, padding=1, groups=self.inner)
        # One projection of each direction, stacked.
        self.x_proj_weight = nn.Parameter(
            torch.empty(DIRECTIONS, self.rank + 2 * STATES, self.inner)
        )
        self.dt_projs_weight = nn.Parameter(torch.empty(DIRECTIONS, self.inner, self.rank))
        self.dt_projs_bias = nn.Parameter(torch.empty(DIRECTIONS, self.inner))
        # Neither is to be decayed, should an optimiser decay weights.
        self.A_logs = nn.Parameter(torch.empty(DIRECTIONS * self.inner, STATES))
        self.Ds = nn.Parameter(torch.empty(DIRECTIONS * self.inner))
        self.out_norm = nn.LayerNorm(self.inner)
        self.out_proj = nn.Linear(self.inner, width, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        """Draw the bare parameters as Mamba does (Gu and Dao 2023, section 3.6 and its code)."""
        nn.init.uniform_(self.x_proj_weight, -(self.inner**-0.5), self.inner**-0.5)
        nn.init.uniform_(self.dt_projs_weight, -(self.rank**-0.5), self.rank**-0.5)
        with torch.no_grad():
            logs = torch.empty_like(self.dt_projs_bias)
            logs.uniform_(math.log(LEAST_STEP), math.log(MOST_STEP))
            steps = logs.exp().clamp(min=FLOOR_OF_STEPS)
            # The inverse of softplus.
            self.dt_projs_bias.copy_(steps + torch.log(-torch.expm1(-steps)))
            self.A_logs.copy_(torch.arange(1.0, STATES + 1).log().expand_as(self.A_logs))
        nn.init.ones_(self.Ds)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, H, W, width) to the same shape."""
        inner, gate = self.in_proj(features).chunk(2, dim=-1)
        inner = functional.silu(self.conv2d(inner.permute(0, 3, 1, 2))).permute(0, 2, 3, 1)
        # In single precision until it is normalised, under autocast too.
        scanned: Tensor = self.out_norm(self._scanned(inner).to(self.out_norm.weight.dtype))
        out: Tensor = self.out_proj(scanned * functional.silu(gate))
        return out

    def _scanned(self, pixels_nhwc: Tensor) -> Tensor:
        """Return the sum of what the four directions give."""
        sequences_nlgc = in_four_directions(pixels_nhwc)
        projected = torch.einsum("nlgc,gkc->nlgk", sequences_nlgc, self.x_proj_weight)
        ranks, write, read = torch.split(projected, [self.rank, STATES, STATES], dim=-1)
        delta_nlgc = torch.einsum("nlgr,gcr->nlgc", ranks, self.dt_projs_weight)
        shape = (DIRECTIONS, self.inner)
        outputs_nlgc = selective_scan(
            sequences_nlgc.to(torch.promote_types(sequences_nlgc.dtype, torch.float32)),
            delta_nlgc,
            rates_gcs=-self.A_logs.exp().view(*shape, STATES),
            write_nlgs=write,
            read_nlgs=read,
            direct_gc=self.Ds.view(shape),
            bias_gc=self.dt_projs_bias,
        )
        return from_four_directions(outputs_nlgc, *pixels_nhwc.shape[1:3])


def in_four_directions(pixels_nhwc: Tensor) -> Tensor:
    """Return (n, l, g, c): row by row, column by column, and each of them from the end."""
    rows = pixels_nhwc.flatten(1, 2)
    columns = pixels_nhwc.transpose(1, 2).flatten(1, 2)
    return torch.stack([rows, columns, rows.flip(1), columns.flip(1)], dim=2)


def from_four_directions(sequences_nlgc: Tensor, height: int, width: int) -> Tensor:
    """Return each pixel's sum over the directions, shape (N, H, W, C)."""
    images, _, _, channels = sequences_nlgc.shape
    rows, columns, rows_back, columns_back = sequences_nlgc.unbind(2)
    by_row = (rows + rows_back.flip(1)).view(images, height, width, channels)
    by_column = (columns + columns_back.flip(1)).view(images, width, height, channels)
    return by_row + by_column.transpose(1, 2)
