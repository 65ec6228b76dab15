"""What a run is made of, as digests: its states may be continued by no other."""

import hashlib
import json
from collections.abc import Sequence

from torch import Tensor

from segrepro.files import sha256_of
from segrepro.protocol.stages import TrainStage
from segrepro.provenance import code_digest
from segrepro.training.batches import Part


def digests(stage: TrainStage, parts: Sequence[Part]) -> dict[str, str | None]:
    """Return a digest of everything that decides what a run learns.

    Parameters
    ----------
    stage
        The part of the protocol that training needs.
    parts
        The slices to train on, and those the run is watched on, if any.

    Returns
    -------
    dict
        ``protocol``, ``code``, ``training_slices``, ``selection_slices`` and ``pretrained`` (the
        file that the network begins with); ``None`` where there is no such thing.
    """
    training, *selection = parts
    pretrained = stage.network.pretrained
    return {
        "protocol": hashlib.sha256(stage.canonical_json().encode()).hexdigest(),
        "code": code_of(stage),
        "training_slices": _digest(training),
        "selection_slices": _digest(selection[0]) if selection else None,
        "pretrained": sha256_of(pretrained) if pretrained and pretrained.is_file() else None,
    }


def key_of(identity: dict[str, str | None]) -> str:
    """Return a name for the folder of the states of a run with these digests."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def code_of(stage: TrainStage) -> str:
    """Return the digest of the loop, the network and the loss."""
    return code_digest(
        "segrepro.training.train",
        f"segrepro.models.{stage.network.name}",
        *stage.recipe.loss.modules,
    )


def _digest(part: Part) -> str:
    digest = hashlib.sha256(part.labels_k.cpu().numpy().data)
    for stored in (part.images_nchw, part.masks_nhw):
        digest.update(str((stored.dtype, len(part), tuple(stored.shape[1:]))).encode())
        # One by one: the store may be larger than memory, and other slices are none of ours.
        for place in part.places_n.tolist():
            digest.update(_bytes_of(stored[place]))
    return digest.hexdigest()


def _bytes_of(tensor: Tensor) -> memoryview:
    return tensor.cpu().contiguous().numpy().data
