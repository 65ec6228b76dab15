"""The encoder of TransUNet: a ResNet-50 whose features a vision transformer reads.

Big Transfer's ResNet (Kolesnikov et al. 2020) and ViT-B/16 (Dosovitskiy et al. 2021), as
Beckschen/TransUNet has them; the names of modules are that code's.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUPS = 32
EPSILON = 1e-6
"""Of the normalisations, but for those beside the shortcuts' convolutions."""
EXPANSION = 4
"""A bottleneck's output has so many times the filters of its 3x3 convolution."""
DROPOUT = 0.1


class StandardisedConv2d(nn.Conv2d):
    """A convolution whose every filter is brought to mean 0 and variance 1 before it is used."""

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, C, H, W) as any convolution does."""
        variance, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) / (variance + 1e-5).sqrt()
        return functional.conv2d(features, weight, None, self.stride, self.padding)


def _convolution(width_in: int, width: int, kernel: int = 1, stride: int = 1) -> StandardisedConv2d:
    return StandardisedConv2d(width_in, width, kernel, stride, kernel // 2, bias=False)


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(GROUPS, width, eps=EPSILON)


class Unit(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; the 3x3 one strides."""

    def __init__(self, width_in: int, width: int, *, stride: int) -> None:
        super().__init__()
        narrow = width // EXPANSION
        self.conv1, self.gn1 = _convolution(width_in, narrow), _norm(narrow)
        self.conv2, self.gn2 = _convolution(narrow, narrow, 3, stride), _norm(narrow)
        self.conv3, self.gn3 = _convolution(narrow, width), _norm(width)
        self.downsample: nn.Module = nn.Identity()
        self.gn_proj: nn.Module = nn.Identity()
        if stride > 1 or width_in != width:
            self.downsample = _convolution(width_in, width, 1, stride)
            # Each channel on its own, and PyTorch's epsilon.
            self.gn_proj = nn.GroupNorm(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width_in, H, W) to (N, width, H / stride, W / stride)."""
        out = functional.relu(self.gn1(self.conv1(features)))
        out = functional.relu(self.gn2(self.conv2(out)))
        shortcut = self.gn_proj(self.downsample(features))
        return functional.relu(shortcut + self.gn3(self.conv3(out)))


class ResNetV2(nn.Module):
    """A stem and three blocks of bottlenecks.

    Parameters
    ----------
    units
        Bottlenecks in each block.
    width
        Filters of the stem; the blocks' outputs have 4, 8 and 16 times as many.
    """

    def __init__(self, units: tuple[int, int, int], *, channels: int, width: int) -> None:
        super().__init__()
        self.root = nn.Sequential()
        self.root.add_module("conv", _convolution(channels, width, 7, 2))
        self.root.add_module("gn", _norm(width))
        self.root.add_module("relu", nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, stride=2)
        self.widths = (width, *(EXPANSION * width * 2**block for block in range(len(units))))
        self.body = nn.Sequential()
        for block, (before, after) in enumerate(pairwise(self.widths)):
            self.body.add_module(
                f"block{block + 1}",
                _block(before, after, length=units[block], stride=1 if block == 0 else 2),
            )

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map (N, channels, H, W) to features at 1/2, 1/4, 1/8 and 1/16 of its sides."""
        features = self.root(images)
        outs = [features]
        features = self.pool(features)
        for block in self.body:
            features = block(features)
            outs.append(features)
        # The pool without padding loses a pixel, which the skip connections alone get back.
        side = images.shape[2]
        return [
            outs[0],
            *(_filled(out, side // 2**k) for k, out in enumerate(outs[1:3], 2)),
            outs[3],
        ]


def _block(width_in: int, width: int, *, length: int, stride: int) -> nn.Sequential:
    block = nn.Sequential()
    for unit in range(length):
        block.add_module(
            f"unit{unit + 1}",
            Unit(width_in if unit == 0 else width, width, stride=stride if unit == 0 else 1),
        )
    return block


def _filled(features: Tensor, side: int) -> Tensor:
    """Return features of this side, with zeros at the bottom and on the right."""
    height, width = features.shape[2:]
    return functional.pad(features, (0, side - width, 0, side - height))


class Embeddings(nn.Module):
    """The ResNet's features as a sequence, each with what is learned of its position."""

    def __init__(
        self, units: tuple[int, int, int], *, channels: int, side: int, width: int, hidden: int
    ) -> None:
        super().__init__()
        self.position_embeddings = nn.Parameter(torch.zeros(1, side**2, hidden))
        self.hybrid_model = ResNetV2(units, channels=channels, width=width)
        self.patch_embeddings = nn.Conv2d(self.hybrid_model.widths[-1], hidden, 1)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return (N, side x side, hidden), and the skip connections, the finest first."""
        *skips, deepest = self.hybrid_model(images)
        tokens = self.patch_embeddings(deepest).flatten(2).transpose(1, 2)
        return self.dropout(tokens + self.position_embeddings), skips


class Attention(nn.Module):
    """Attention of several heads between all tokens."""

    def __init__(self, width: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (width // heads) ** -0.5
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        query, key, value = (
            layer(tokens).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        weights = (query @ key.transpose(-2, -1) * self.scale).softmax(-1)
        out: Tensor = self.out((weights @ value).transpose(1, 2).flatten(-2))
        return out


class Perceptron(nn.Module):
    """Two linear layers with GELU between, and dropout after each."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.dropout = nn.Dropout(DROPOUT)
        for layer in (self.fc1, self.fc2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.normal_(layer.bias, std=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (..., width) to the same shape."""
        hidden = self.dropout(functional.gelu(self.fc1(tokens)))
        out: Tensor = self.dropout(self.fc2(hidden))
        return out


class Layer(nn.Module):
    """Attention and a perceptron, each normalised before and beside a shortcut."""

    def __init__(self, width: int, *, heads: int, hidden: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=EPSILON)
        self.ffn_norm = nn.LayerNorm(width, eps=EPSILON)
        self.ffn = Perceptron(width, hidden)
        self.attn = Attention(width, heads=heads)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        tokens = tokens + self.attn(self.attention_norm(tokens))
        out: Tensor = tokens + self.ffn(self.ffn_norm(tokens))
        return out


class Encoder(nn.Module):
    """Layers, and a last normalisation."""

    def __init__(self, layers: int, *, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Layer(width, heads=heads, hidden=hidden) for _ in range(layers))
        self.encoder_norm = nn.LayerNorm(width, eps=EPSILON)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map (N, tokens, width) to the same shape."""
        for layer in self.layer:
            tokens = layer(tokens)
        out: Tensor = self.encoder_norm(tokens)
        return out


class Transformer(nn.Module):
    """Images to tokens, and tokens to tokens that have seen each other."""

    def __init__(self, embeddings: Embeddings, encoder: Encoder) -> None:
        super().__init__()
        self.embeddings = embeddings
        self.encoder = encoder

    def forward(self, images: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return (N, tokens, hidden), and the skip connections, the finest first."""
        tokens, skips = self.embeddings(images)
        return self.encoder(tokens), skips
