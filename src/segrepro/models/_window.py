"""The block of the Swin Transformer (Liu et al. 2021, section 3.2): attention within windows.

Features are (N, H, W, C). The names and shapes of parameters are those of Swin's checkpoints.
"""

import torch
from torch import Tensor, nn

from segrepro.models._drop_path import DropPath

MLP_RATIO = 4
APART = -100.0
"""Added to what two pixels of different regions of a shifted window say to each other."""


class SwinBlock(nn.Module):
    """Attention within windows and a perceptron, each beside a shortcut.

    Parameters
    ----------
    width
        Channels.
    heads
        Attention heads, a divisor of `width`.
    side
        Rows, and columns, of the features.
    window
        Side of a window, a divisor of `side`.
    shift
        By how many pixels the windows are moved down and right, around the edges.
    """

    def __init__(
        self, width: int, *, heads: int, side: int, window: int, shift: int, drop_path: float
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads=heads, window=window)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Perceptron(width, MLP_RATIO * width)
        apart = regions_apart(side, window=window, shift=shift) if shift else None
        # Follows from the sizes: not a weight, and in no file of them.
        self.register_buffer("apart", apart, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, side, side, width) to the same shape."""
        features = features + self.drop_path(self._attended(self.norm1(features)))
        out: Tensor = features + self.drop_path(self.mlp(self.norm2(features)))
        return out

    def _attended(self, features: Tensor) -> Tensor:
        moved = features.roll((-self.shift, -self.shift), (1, 2)) if self.shift else features
        out = self.attn(in_windows(moved, self.window), apart=self.apart)
        out = from_windows(out, *features.shape[1:3])
        return out.roll((self.shift, self.shift), (1, 2)) if self.shift else out


class WindowAttention(nn.Module):
    """Attention of several heads, with a learned bias for each offset between two pixels."""

    offsets: Tensor

    def __init__(self, width: int, *, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        self.register_buffer("offsets", offset_numbers(window), persistent=False)
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, pixels: Tensor, *, apart: Tensor | None) -> Tensor:
        """Map (N, windows, pixels, width) to the same shape.

        Parameters
        ----------
        apart
            Shape (windows, pixels, pixels): added to the logits of each pair.
        """
        # (3, N, windows, heads, pixels, width of a head)
        split = self.qkv(pixels).unflatten(-1, (3, self.heads, -1)).permute(3, 0, 1, 4, 2, 5)
        query, key, value = split.unbind(0)
        bias = self.relative_position_bias_table[self.offsets].permute(2, 0, 1)
        logits = (query * self.scale) @ key.transpose(-2, -1) + bias
        if apart is not None:
            logits = logits + apart.unsqueeze(1)
        attended = (logits.softmax(-1) @ value).transpose(2, 3).flatten(-2)
        out: Tensor = self.proj(attended)
        return out


class Perceptron(nn.Module):
    """Two linear layers with GELU between."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        out: Tensor = self.fc2(self.act(self.fc1(features)))
        return out


def in_windows(features: Tensor, window: int) -> Tensor:
    """Map (N, H, W, C) to (N, windows, window x window, C), both row by row."""
    images, height, width, channels = features.shape
    shape = (images, height // window, window, width // window, window, channels)
    return features.view(shape).transpose(2, 3).reshape(images, -1, window**2, channels)


def from_windows(windows: Tensor, height: int, width: int) -> Tensor:
    """Undo `in_windows`."""
    images, _, pixels, channels = windows.shape
    window = round(pixels**0.5)
    shape = (images, height // window, width // window, window, window, channels)
    return windows.view(shape).transpose(2, 3).reshape(images, height, width, channels)


def offset_numbers(window: int) -> Tensor:
    """Return the number of the offset between each two pixels of a window.

    Returns
    -------
    Tensor
        Shape (pixels, pixels), by query and key. Number 0 is the key farthest down and right of
        the query; the next ones are row by row further left, and up.
    """
    places = torch.arange(window)
    rows, columns = (each.flatten() for each in torch.meshgrid(places, places, indexing="ij"))
    down = rows[:, None] - rows + window - 1
    right = columns[:, None] - columns + window - 1
    return down * (2 * window - 1) + right


def regions_apart(side: int, *, window: int, shift: int) -> Tensor:
    """Return 0 for pairs of pixels that were neighbours before the shift, and -100 for others.

    Returns
    -------
    Tensor
        Shape (windows, pixels, pixels).
    """
    places = torch.arange(side)
    # What moved around an edge ends up behind the last `shift` places.
    strip = (places >= side - window).long() + (places >= side - shift).long()
    region = in_windows((3 * strip[:, None] + strip)[None, :, :, None], window)[0, :, :, 0]
    different = region[:, :, None] != region[:, None, :]
    return different * APART
