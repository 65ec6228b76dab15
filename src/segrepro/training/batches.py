"""Slices as stored, and the batches that a network sees. N images, C channels, K classes.

Training and inference share these functions, so that a network sees the same numbers in both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from segrepro.protocol.data import Normalisation
from segrepro.slices.store import SliceStore
from segrepro.training._seeds import derive


@dataclass(frozen=True)
class Part:
    """The slices of one part of a split, as stored, all on one device."""

    images_nchw: Tensor
    masks_nhw: Tensor
    labels_k: Tensor
    """The mask's label of each class."""

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.images_nchw)


def read_part(
    store: SliceStore, cases: Sequence[str], *, classes: Sequence[str], device: torch.device
) -> Part:
    """Read the slices of some cases, and of no others."""
    indices = store.indices_of(cases)
    return Part(
        # Stored bytes are four times smaller than what the network sees, so they stay as stored.
        images_nchw=torch.from_numpy(np.asarray(store.images[indices])).to(device),
        masks_nhw=torch.from_numpy(np.asarray(store.masks[indices])).to(device),
        labels_k=torch.tensor([store.label_of(name) for name in classes], device=device),
    )


def normalised(images_nchw: Tensor, normalisation: Normalisation) -> Tensor:
    """Return stored intensities as network inputs: float32, flat images channels last."""
    flat = images_nchw.dim() == 4
    layout = torch.channels_last if flat else torch.contiguous_format
    return images_nchw.to(torch.float32, memory_format=layout).div_(normalisation.divide_by)


def with_channels_last(network: nn.Module) -> nn.Module:
    """Lay out the kernels of flat convolutions as their images are; those of volumes stay."""
    for parameter in network.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def targets(masks_nhw: Tensor, labels_k: Tensor) -> Tensor:
    """Return (N, K, H, W) in {0, 1}, float32: channel k is where the mask has its label."""
    labels = labels_k.view(-1, *[1] * (masks_nhw.dim() - 1))
    return (masks_nhw.unsqueeze(1) == labels).float()


def segmented(logits_nkhw: Tensor, *, threshold: float) -> Tensor:
    """Return where the probability exceeds the threshold; booleans of the same shape."""
    # Not "at least": the authors round with numpy, which takes one half to zero.
    return torch.sigmoid(logits_nkhw) > threshold


def order_of(length: int, *, seed: int, run: str, epoch: int) -> Tensor:
    """Return the order in which an epoch shows the training slices, the same at every restart."""
    generator = torch.Generator().manual_seed(derive(seed, run, "order", epoch))
    return torch.randperm(length, generator=generator)


def in_batches(order_n: Tensor, batch_size: int) -> Sequence[Tensor]:
    """Cut an order into batches; the last one may be smaller."""
    return torch.split(order_n, batch_size)


def batch_of(part: Part, indices_n: Tensor, normalisation: Normalisation) -> tuple[Tensor, Tensor]:
    """Return inputs (N, C, H, W) and targets (N, K, H, W) of some slices, on the part's device."""
    indices = indices_n.to(part.images_nchw.device)
    inputs = normalised(part.images_nchw[indices], normalisation)
    return inputs, targets(part.masks_nhw[indices], part.labels_k)


def all_batches(
    part: Part, *, batch_size: int, normalisation: Normalisation
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield inputs and targets of the whole part, in its own order."""
    for indices in in_batches(torch.arange(len(part)), batch_size):
        yield batch_of(part, indices, normalisation)
