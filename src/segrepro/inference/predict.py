"""The arrow ``predict``: weights and the reported slices to masks. N slices, K classes."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segrepro.errors import UserError
from segrepro.files import atomic_write
from segrepro.inference._weights import trained
from segrepro.progress import note, progress
from segrepro.protocol.data import Normalisation
from segrepro.protocol.stages import PredictStage
from segrepro.slices.store import SliceStore
from segrepro.splits.read import read_run
from segrepro.training._machine import parsed_device, reproducible
from segrepro.training.batches import (
    Outputs,
    normalised,
    output_channels,
    segmented,
    with_channels_last,
)

BATCH_SIZE = 4
"""Small, since it moves no number that is reported and the memory of a laptop must hold it."""


def predict(
    stage: PredictStage,
    *,
    slices: Path,
    split: Path,
    weights: Path,
    last: Path,
    out: Path,
    device: str,
    threads: int,
) -> None:
    """Write the masks of a run's test slices, as the chosen and as the last weights see them.

    Parameters
    ----------
    stage
        The part of the protocol that prediction needs.
    slices, split
        Folder of a slice store; CSV with columns run, case_id, group_id, part.
    weights, last
        The weights that the recipe chose, and those of the last epoch.
    out
        An ``.npz``: ``slice_ids`` (N,), ``classes`` (K,), and one boolean array (N, K, H, W) for
        each predictor, under the recipe's word for it, such as ``best_validation``, and ``last``.
    device, threads
        As in training.

    Raises
    ------
    UserError
        If the run has no test slices, or if weights are missing, damaged or of another network.
    """
    where = parsed_device(device)
    store, run_split = SliceStore.open(slices), read_run(split, stage.run)
    indices = store.indices_of(run_split.test)
    if not indices:
        raise UserError(
            f"{split}: {stage.run} has no test slices.",
            "Check that the split and the slices are of the same data set.",
        )
    images = np.asarray(store.images[indices])
    arrays: dict[str, NDArray[np.bool_ | np.str_]] = {
        "slice_ids": np.array(store.table["slice_id"].iloc[indices].to_list(), dtype=np.str_),
        "classes": np.array(stage.classes, dtype=np.str_),
    }
    with reproducible(threads=threads), torch.random.fork_rng(devices=[]):
        # The same name twice is the same predictor: a recipe may report the last weights.
        for predictor, path in {stage.checkpoint: weights, "last": last}.items():
            network = trained(
                stage.network,
                path,
                channels=images.shape[1],
                classes=output_channels(len(stage.classes), stage.outputs),
            )
            note(f"predicting {len(indices)} slices with the weights {predictor}")
            arrays[predictor] = masks(
                network.to(where),
                images,
                stage.normalisation,
                threshold=stage.threshold,
                outputs=stage.outputs,
            )
    with atomic_write(out) as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def masks(
    network: nn.Module,
    images_nchw: NDArray[np.generic],
    normalisation: Normalisation,
    *,
    threshold: float,
    outputs: Outputs = "sigmoid",
) -> NDArray[np.bool_]:
    """Return where a network sees each class; shape (N, K, H, W).

    Parameters
    ----------
    network
        Returns logits; on the device where to compute.
    images_nchw
        Intensities as stored.
    normalisation, threshold, outputs
        As in training; a sigmoid's probability must exceed the threshold, a softmax takes the most
        probable class.
    """
    device = next(network.parameters()).device
    network = with_channels_last(network.eval())
    found: list[NDArray[np.bool_]] = []
    with torch.no_grad():
        batches = torch.split(torch.from_numpy(images_nchw), BATCH_SIZE)
        for images in progress(batches, total=len(batches), what="predict"):
            logits = network(normalised(images.to(device), normalisation))
            found.append(segmented(logits, threshold=threshold, outputs=outputs).cpu().numpy())
    return np.concatenate(found)
