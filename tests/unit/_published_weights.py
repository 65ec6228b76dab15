"""Small files of weights with the names of the published ones, and with numbers of their own."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

Shapes = dict[str, tuple[int, ...]]
DEPTHS = (2, 2, 6, 2)
"""Of Swin-T; VMamba's are deeper in the same place."""


def numbered(shapes: Shapes) -> dict[str, Tensor]:
    """Return tensors no two of which are alike."""
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def _hierarchy(width: int, block: Callable[[int, int], Shapes]) -> dict[str, Tensor]:
    """Return a classifier of four stages, of blocks of so many channels at a level."""
    shapes: Shapes = {
        "patch_embed.proj.weight": (width, 3, 4, 4),
        "patch_embed.proj.bias": (width,),
        "patch_embed.norm.weight": (width,),
        "patch_embed.norm.bias": (width,),
    }
    for level, depth in enumerate(DEPTHS):
        channels = width * 2**level
        for place in range(depth):
            name = f"layers.{level}.blocks.{place}."
            shapes |= {name + part: shape for part, shape in block(channels, level).items()}
        if level < len(DEPTHS) - 1:
            name = f"layers.{level}.downsample."
            shapes[name + "reduction.weight"] = (2 * channels, 4 * channels)
            shapes[name + "norm.weight"] = shapes[name + "norm.bias"] = (4 * channels,)
    shapes["norm.weight"] = shapes["norm.bias"] = (8 * width,)
    return numbered(shapes | {"head.weight": (1000, 8 * width), "head.bias": (1000,)})


def swin(width: int) -> dict[str, Tensor]:
    """Return the tensors of a Swin with windows of 7x7, whose heads have `width` channels."""

    def block(channels: int, level: int) -> Shapes:
        return {
            "norm1.weight": (channels,),
            "norm1.bias": (channels,),
            "attn.relative_position_bias_table": (169, 2**level),
            "attn.relative_position_index": (49, 49),
            "attn.qkv.weight": (3 * channels, channels),
            "attn.qkv.bias": (3 * channels,),
            "attn.proj.weight": (channels, channels),
            "attn.proj.bias": (channels,),
            "norm2.weight": (channels,),
            "norm2.bias": (channels,),
            "mlp.fc1.weight": (4 * channels, channels),
            "mlp.fc1.bias": (4 * channels,),
            "mlp.fc2.weight": (channels, 4 * channels),
            "mlp.fc2.bias": (channels,),
        }

    return _hierarchy(width, block)


def vmamba(width: int) -> dict[str, Tensor]:
    """Return the tensors of a VMamba of the first version."""

    def block(channels: int, level: int) -> Shapes:
        inner, rank = 2 * channels, math.ceil(channels / 16)
        return {
            "ln_1.weight": (channels,),
            "ln_1.bias": (channels,),
            "self_attention.x_proj_weight": (4, rank + 32, inner),
            "self_attention.dt_projs_weight": (4, inner, rank),
            "self_attention.dt_projs_bias": (4, inner),
            "self_attention.A_logs": (4 * inner, 16),
            "self_attention.Ds": (4 * inner,),
            "self_attention.in_proj.weight": (2 * inner, channels),
            "self_attention.conv2d.weight": (inner, 1, 3, 3),
            "self_attention.conv2d.bias": (inner,),
            "self_attention.out_norm.weight": (inner,),
            "self_attention.out_norm.bias": (inner,),
            "self_attention.out_proj.weight": (channels, inner),
        }

    return _hierarchy(width, block)


def vit(*, stem: int, hidden: int, units: tuple[int, ...], layers: int) -> dict[str, Tensor]:
    """Return the arrays of R50+ViT-B_16.npz, narrower and shallower, for images of 224x224."""
    shapes: Shapes = {
        "cls": (1, 1, hidden),
        "conv_root/kernel": (7, 7, 3, stem),
        "gn_root/scale": (stem,),
        "gn_root/bias": (stem,),
        "embedding/kernel": (1, 1, 16 * stem, hidden),
        "embedding/bias": (hidden,),
        "Transformer/posembed_input/pos_embedding": (1, 1 + 14 * 14, hidden),
        "Transformer/encoder_norm/scale": (hidden,),
        "Transformer/encoder_norm/bias": (hidden,),
        "pre_logits/kernel": (hidden, hidden),
        "head/kernel": (hidden, 21843),
    }
    width_in = stem
    for block, length in enumerate(units, start=1):
        width = stem * 2 ** (block + 1)
        for unit in range(1, length + 1):
            shapes |= _unit(f"block{block}/unit{unit}/", width_in, width, first=unit == 1)
            width_in = width
    for layer in range(layers):
        shapes |= _layer(f"Transformer/encoderblock_{layer}/", hidden, heads=12)
    return numbered(shapes)


def _unit(name: str, width_in: int, width: int, *, first: bool) -> Shapes:
    narrow = width // 4
    shapes: Shapes = {
        name + "conv1/kernel": (1, 1, width_in, narrow),
        name + "conv2/kernel": (3, 3, narrow, narrow),
        name + "conv3/kernel": (1, 1, narrow, width),
    }
    for norm, channels in [("gn1", narrow), ("gn2", narrow), ("gn3", width)]:
        # The file keeps the axes that were summed over.
        shapes |= {f"{name}{norm}/scale": (1, 1, 1, channels), f"{name}{norm}/bias": (channels,)}
    if first:
        shapes[name + "conv_proj/kernel"] = (1, 1, width_in, width)
        shapes |= {name + "gn_proj/scale": (1, 1, 1, width), name + "gn_proj/bias": (width,)}
    return shapes


def _layer(name: str, hidden: int, *, heads: int) -> Shapes:
    attention = name + "MultiHeadDotProductAttention_1/"
    each = hidden // heads
    shapes: Shapes = {
        name + "MlpBlock_3/Dense_0/kernel": (hidden, 4 * hidden),
        name + "MlpBlock_3/Dense_0/bias": (4 * hidden,),
        name + "MlpBlock_3/Dense_1/kernel": (4 * hidden, hidden),
        name + "MlpBlock_3/Dense_1/bias": (hidden,),
        attention + "out/kernel": (heads, each, hidden),
        attention + "out/bias": (hidden,),
    }
    for part in ("query", "key", "value"):
        shapes |= {
            f"{attention}{part}/kernel": (hidden, heads, each),
            f"{attention}{part}/bias": (heads, each),
        }
    for norm in ("LayerNorm_0", "LayerNorm_2"):
        shapes |= {f"{name}{norm}/scale": (hidden,), f"{name}{norm}/bias": (hidden,)}
    return shapes
