"""R50+ViT-B_16.npz, published by the authors of ViT, as the start of TransUNet's encoder.

The names in that file are Flax's: ``kernel`` for weights, (rows, columns, in, out) or (in, out),
and ``scale`` for the factors of a normalisation.
"""

from math import isqrt
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._pretrained import misfit, put, read

POSITIONS = "transformer.embeddings.position_embeddings"
ENCODER = "transformer."
"""What the names of the encoder's tensors begin with, in our network."""
RENAMED = (
    ("transformer.embeddings.hybrid_model.root.conv.", "conv_root/"),
    ("transformer.embeddings.hybrid_model.root.gn.", "gn_root/"),
    ("transformer.embeddings.hybrid_model.body.", ""),
    ("transformer.embeddings.patch_embeddings.", "embedding/"),
    ("transformer.embeddings.position_embeddings", "Transformer/posembed_input/pos_embedding"),
    ("transformer.encoder.encoder_norm.", "Transformer/encoder_norm/"),
    ("transformer.encoder.layer.", "Transformer/encoderblock_"),
    (".attention_norm.", "/LayerNorm_0/"),
    (".ffn_norm.", "/LayerNorm_2/"),
    (".ffn.fc1.", "/MlpBlock_3/Dense_0/"),
    (".ffn.fc2.", "/MlpBlock_3/Dense_1/"),
    (".attn.", "/MultiHeadDotProductAttention_1/"),
    (".downsample.", ".conv_proj."),
)
"""Each part of our names, and that of the file."""
NORMS = ("norm", "gn", "gn1", "gn2", "gn3", "gn_proj", "attention_norm", "ffn_norm", "encoder_norm")


def load_vit(network: nn.Module, path: Path) -> None:
    """Let ResNet and transformer begin with the weights of a file; the decoder is not in it.

    Raises
    ------
    UserError
        If the file lacks a tensor of the encoder, or one of them has another shape. That of the
        position embeddings may be any square: they are resized bilinearly, corners aligned, as
        TransUNet's code does it.
    """
    stored = read(path)
    chosen: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, wanted in network.state_dict().items():
        if not name.startswith(ENCODER):
            continue
        source = source_of(name)
        if source not in stored:
            raise misfit(path, f"it lacks {source!r}")
        tensor = stored[source]
        if name == POSITIONS:
            tensor = positions(tensor, tokens=wanted.shape[1], path=path)
        else:
            tensor = _from_flax(tensor, wanted, kind=source.rpartition("/")[2])
        chosen[name] = tensor
        used.add(source)
    put(network, chosen, path=path, unused=[name for name in stored if name not in used])


def source_of(name: str) -> str:
    """Return the name in the file of what a tensor of the encoder begins with."""
    module, _, kind = name.rpartition(".")
    factors = module.rpartition(".")[2] in NORMS
    for ours, theirs in RENAMED:
        name = name.replace(ours, theirs)
    if kind == "weight":
        name = name.removesuffix("weight") + ("scale" if factors else "kernel")
    return name.replace(".", "/")


def _from_flax(tensor: Tensor, wanted: Tensor, *, kind: str) -> Tensor:
    """Return a tensor of the file with its axes in PyTorch's order."""
    if kind != "kernel":
        # Heads, and the axes that a normalisation keeps, stand apart there.
        return tensor.flatten() if tensor.numel() == wanted.numel() else tensor
    if tensor.dim() == 4:
        return tensor.permute(3, 2, 0, 1)
    if tensor.dim() == 3 and tensor.numel() == wanted.numel():
        # (in, heads, a head's) of queries, keys and values, or (heads, a head's, out).
        return tensor.reshape(wanted.shape[::-1]).t()
    return tensor.t() if tensor.dim() == 2 else tensor


def positions(stored: Tensor, *, tokens: int, path: Path) -> Tensor:
    """Return position embeddings for another number of tokens, without that of the class.

    Parameters
    ----------
    stored
        Shape (1, 1 + n, width): the class token's, then those of n tokens, row by row.
    tokens
        How many there are to be.
    """
    before = isqrt(max(1, stored.shape[1]) - 1) if stored.dim() == 3 else 0
    if before == 0 or stored.shape[:2] != (1, 1 + before**2):
        raise misfit(path, f"position embeddings of shape {tuple(stored.shape)} are no square")
    after = isqrt(tokens)
    grid = stored[:, 1:].transpose(1, 2).reshape(1, -1, before, before)
    resized = functional.interpolate(
        grid.to(torch.float32), (after, after), mode="bilinear", align_corners=True
    )
    return resized.flatten(2).transpose(1, 2)
