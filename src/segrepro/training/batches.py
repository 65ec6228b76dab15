"""Slices as stored, and the batches that a network sees. N images, C channels, K classes.

Training and inference share these functions, so that a network sees the same numbers in both.
"""

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from segrepro.protocol.data import Normalisation
from segrepro.slices.store import SliceStore
from segrepro.training._seeds import derive

Outputs = Literal["sigmoid", "softmax"]


RESIDENT_SHARE = 0.4
"""Of a GPU's free memory that stored slices may take; the rest is for the network."""


@dataclass(frozen=True)
class Part:
    """The slices of one part of a split, as stored.

    On a CPU they stay in the memory-mapped files, which jobs side by side share. On a GPU they lie
    in its memory if they fit; else each batch is fetched while the one before is computed.
    """

    images_nchw: Tensor
    """Of the part, or of the whole store."""
    masks_nhw: Tensor
    places_n: Tensor
    """Where the slices of this part are in the two above; on their device."""
    labels_k: Tensor
    """The mask's label of each class; on the device that computes."""

    def __len__(self) -> int:
        """Return the number of slices."""
        return len(self.places_n)

    @property
    def device(self) -> torch.device:
        """Where batches are computed on."""
        return self.labels_k.device

    @property
    def is_resident(self) -> bool:
        """Whether the slices lie where batches are computed."""
        return self.images_nchw.device == self.device


def read_part(
    store: SliceStore, cases: Sequence[str], *, classes: Sequence[str], device: torch.device
) -> Part:
    """Open the slices of some cases; no others are read."""
    places = store.indices_of(cases)
    labels = torch.tensor([store.label_of(name) for name in classes], device=device)
    if device.type == "cuda" and places and _fits(store, len(places), device):
        return Part(
            # Stored bytes are four times smaller than what the network sees: they stay as stored.
            images_nchw=torch.from_numpy(np.asarray(store.images[places])).to(device),
            masks_nhw=torch.from_numpy(np.asarray(store.masks[places])).to(device),
            places_n=torch.arange(len(places), device=device),
            labels_k=labels,
        )
    with warnings.catch_warnings():
        # The files are open for reading only, and nothing writes into these tensors.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return Part(
            images_nchw=torch.from_numpy(store.images),
            masks_nhw=torch.from_numpy(store.masks),
            places_n=torch.tensor(places, dtype=torch.int64),
            labels_k=labels,
        )


def _fits(store: SliceStore, slices: int, device: torch.device) -> bool:
    each = (store.images.nbytes + store.masks.nbytes) // max(1, len(store.images))
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return slices * each <= RESIDENT_SHARE * free_bytes


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


def targets(masks_nhw: Tensor, labels_k: Tensor, outputs: Outputs = "sigmoid") -> Tensor:
    """Return (N, K, H, W) in {0, 1}, float32: channel k is where the mask has its label.

    For a softmax there is one channel more, the first: everything that is in none of the others.
    """
    labels = labels_k.view(-1, *[1] * (masks_nhw.dim() - 1))
    found = masks_nhw.unsqueeze(1) == labels
    if outputs == "softmax":
        found = torch.cat([~found.any(dim=1, keepdim=True), found], dim=1)
    return found.float()


def output_channels(classes: int, outputs: Outputs) -> int:
    """Return how many outputs a network has for so many foreground classes."""
    return classes + (outputs == "softmax")


def segmented(logits: Tensor, *, threshold: float, outputs: Outputs = "sigmoid") -> Tensor:
    """Return where each foreground class is seen; boolean, (N, K, H, W).

    Parameters
    ----------
    logits
        Shape (N, K, H, W), or (N, 1 + K, H, W) of a softmax, the background first.
    threshold
        A sigmoid's probability must exceed it; a softmax has none.
    outputs
        Of the recipe.
    """
    if outputs == "softmax":
        most_probable = logits.argmax(dim=1, keepdim=True)
        labels = torch.arange(1, logits.shape[1], device=logits.device)
        return most_probable == labels.view(1, -1, *[1] * (logits.dim() - 2))
    # Not "at least": the authors round with numpy, which takes one half to zero.
    return torch.sigmoid(logits) > threshold


def order_of(length: int, *, seed: int, run: str, epoch: int) -> Tensor:
    """Return the order in which an epoch shows the training slices, the same at every restart."""
    generator = torch.Generator().manual_seed(derive(seed, run, "order", epoch))
    return torch.randperm(length, generator=generator)


def in_batches(order_n: Tensor, batch_size: int) -> Sequence[Tensor]:
    """Cut an order into batches; the last one may be smaller, but holds no image alone.

    A batch of one has no spread, which batch normalisation over maps of one pixel divides by. So a
    lone last image joins the batch before it; with a batch size of 1 all are alone on purpose.
    """
    batches = list(torch.split(order_n, batch_size))
    if batch_size > 1 and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


@dataclass(frozen=True)
class Batch:
    """Some slices, on the device that computes."""

    inputs: Tensor
    """Shape (N, C, H, W), normalised."""
    masks_nhw: Tensor
    """Labels as stored."""


def batches_of(
    part: Part, batches: Sequence[Tensor], normalisation: Normalisation
) -> Iterator[Batch]:
    """Yield batches of a part, given by positions in it.

    What does not lie on the device is fetched by a thread while the batch before is computed.
    """
    if not batches:
        return
    if part.is_resident:
        # All positions go there at once: a batch's few numbers would be waited for each time.
        positions = torch.cat(list(batches)).to(part.places_n.device)
        for indices in torch.split(positions, [len(batch) for batch in batches]):
            yield _batch(*_gathered(part, indices), part, normalisation)
        return
    with ThreadPoolExecutor(1) as fetcher:
        coming: Future[tuple[Tensor, Tensor]] | None = None
        for number in range(len(batches)):
            fetched = coming or fetcher.submit(_pinned, part, batches[number])
            following = batches[number + 1 : number + 2]
            coming = fetcher.submit(_pinned, part, following[0]) if following else None
            # A trouble in the thread is raised here; nothing dies unseen.
            yield _batch(*fetched.result(), part, normalisation)


def _gathered(part: Part, indices_n: Tensor) -> tuple[Tensor, Tensor]:
    places = part.places_n[indices_n.to(part.places_n.device)]
    return part.images_nchw[places], part.masks_nhw[places]


def _pinned(part: Part, indices_n: Tensor) -> tuple[Tensor, Tensor]:
    images, masks = _gathered(part, indices_n)
    return images.pin_memory(), masks.pin_memory()


def _batch(images: Tensor, masks: Tensor, part: Part, normalisation: Normalisation) -> Batch:
    inputs = normalised(images.to(part.device, non_blocking=True), normalisation)
    return Batch(inputs, masks.to(part.device, non_blocking=True))


def all_batches(part: Part, *, batch_size: int, normalisation: Normalisation) -> Iterator[Batch]:
    """Yield the whole part, in its own order."""
    yield from batches_of(part, torch.split(torch.arange(len(part)), batch_size), normalisation)
