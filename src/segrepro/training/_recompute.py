"""Activation checkpointing: less memory for more time, and the same bytes (Chen et al. 2016)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint

LARGEST_SHARE = 1 / 4
"""Of a network's layers that one block may hold."""


def recompute_activations(network: nn.Module) -> None:
    """Let each block of a network in training keep its inputs alone.

    What lies between is computed again when gradients need it. What a block draws is drawn again as
    it was, and batch normalisation counts each batch once: the gradients have the same bits.
    """
    for block in blocks_of(network):
        plain = block.forward
        block.forward = partial(_forward, block, plain)


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """Return modules made of others, none inside another, of at most a quarter of all layers.

    Larger blocks would need the memory again when they are computed again.
    """
    most = _layers(network) * LARGEST_SHARE
    return [block for child in network.children() for block in _blocks_in(child, most)]


def _blocks_in(module: nn.Module, most: float) -> list[nn.Module]:
    children = list(module.children())
    divisible = any(True for child in children for _ in child.children())
    # Nothing passes through a list: its items are what the network calls.
    is_list = isinstance(module, nn.ModuleList | nn.ModuleDict)
    if is_list or (divisible and _layers(module) > most):
        return [block for child in children for block in _blocks_in(child, most)]
    return [module] if children and not _overwrites_its_input(module) else []


def _layers(module: nn.Module) -> int:
    return sum(1 for each in module.modules() if not any(True for _ in each.children()))


def _overwrites_its_input(module: nn.Module) -> bool:
    # Then there would be nothing left to compute it again from.
    return isinstance(module, nn.Sequential) and bool(getattr(module[0], "inplace", False))


def _forward(block: nn.Module, plain: Callable[..., Any], *inputs: Any, **named: Any) -> Any:  # noqa: ANN401
    if not (block.training and torch.is_grad_enabled()):
        return plain(*inputs, **named)
    # Lists of its own: a network may put other features into the one it passed.
    inputs, named = tree_map(_as_it_is, (inputs, named))
    contexts = partial(_contexts, block)
    # It refuses to compute again from an input that was overwritten meanwhile.
    return checkpoint(plain, *inputs, use_reentrant=False, context_fn=contexts, **named)


def _as_it_is(leaf: Any) -> Any:  # noqa: ANN401 - anything
    return leaf


def _contexts(
    block: nn.Module,
) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
    return nullcontext(), _buffers_kept(block)


@contextmanager
def _buffers_kept(block: nn.Module) -> Iterator[None]:
    """Let batch normalisation see a batch a second time without counting it again."""
    kept = [(each, dict(each._buffers)) for each in block.modules()]  # noqa: SLF001 - no other way
    for each, buffers in kept:
        # Copies, since what is saved for gradients must be of the same number and shapes.
        each._buffers.update({key: _copied(value) for key, value in buffers.items()})  # noqa: SLF001
    try:
        yield
    finally:
        for each, buffers in kept:
            each._buffers.update(buffers)  # noqa: SLF001


def _copied(buffer: Tensor | None) -> Tensor | None:
    return None if buffer is None else buffer.clone()
