"""MedSAM (Ma et al. 2024), prompted with the box around the truth: an optional adapter.

It is no network of the registry: those see an image, this one is also told where its object is, so
that its results stand beside theirs under a name that says so. Needs the package transformers (the
extra ``medsam``) and a checkpoint of the user's; nothing is downloaded. C channels, K classes.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from segrepro.errors import UserError
from segrepro.files import all_or_none, atomic_write, sha256_of, write_json
from segrepro.progress import note, progress
from segrepro.slices.store import SliceStore
from segrepro.splits.read import read_run
from segrepro.training._machine import parsed_device, reproducible

PREDICTOR = "medsam_prompted_with_truth_box"
NOTE = (
    "MedSAM was prompted with the bounding box of the truth mask of each class, and predicts "
    "nothing where there is none: its scores do not compare with those of networks that see the "
    "image alone."
)
THRESHOLD = 0.5
"""A pixel's probability must exceed it, as in MedSAM's own inference."""
STAMP = "prompted.json"
_CURE = (
    "Name a folder with config.json and model.safetensors, as `SamModel.save_pretrained` writes "
    "it, or a .safetensors file of SAM ViT-B."
)


class Masks(Protocol):
    """What SAM's decoder returns."""

    pred_masks: Tensor
    """Logits (N, boxes, 1, h, w), coarser than the image."""


class Sam(Protocol):
    """The part of ``transformers.SamModel`` that we use."""

    def get_image_embeddings(self, pixel_values: Tensor) -> Tensor:
        """Map (N, 3, side, side) to the features that prompts are decoded with."""

    def __call__(
        self, *, image_embeddings: Tensor, input_boxes: Tensor, multimask_output: bool
    ) -> Masks:
        """Decode boxes, shape (N, boxes, 4), in pixels of the image that SAM sees."""


class Prompted(NamedTuple):
    """A loaded checkpoint."""

    sam: Sam
    side: int
    """Pixels along each side of the image that it sees."""


def predict(
    *,
    run: str,
    classes: tuple[str, ...],
    slices: Path,
    split: Path,
    checkpoint: Path,
    out: Path,
    device: str,
    threads: int,
) -> None:
    """Write the masks of a run's test slices, and beside them a stamp that says how they came.

    Parameters
    ----------
    run, classes
        Whose test slices, and what to look for in them.
    slices, split
        As in ``segrepro predict``.
    checkpoint
        A folder with ``config.json`` and ``model.safetensors``, or such a file of SAM ViT-B.
    out
        An ``.npz``: ``slice_ids`` (N,), ``classes`` (K,) and a boolean array (N, K, H, W) under
        the name of `PREDICTOR`; ``prompted.json`` in the same folder.
    device, threads
        As in training.

    Raises
    ------
    UserError
        If transformers is not installed, the checkpoint is not one of SAM, the run has no test
        slices, or its images are volumes or have neither one nor three channels.
    """
    where = parsed_device(device)
    store, run_split = SliceStore.open(slices), read_run(split, run)
    indices = store.indices_of(run_split.test)
    _check(store, indices, run=run, slices=slices, split=split)
    labels = [store.label_of(name) for name in classes]
    note(NOTE)
    with reproducible(threads=threads), torch.random.fork_rng(devices=[]):
        weights, (sam, side) = load(checkpoint, device=where)
        found = [
            masks(
                sam,
                torch.from_numpy(np.array(store.images[index])).to(where),
                [box_of(np.asarray(store.masks[index]) == label) for label in labels],
                side=side,
            )
            for index in progress(indices, total=len(indices), what="medsam")
        ]
    stamp = {"predictor": PREDICTOR, "note": NOTE, "checkpoint_sha256": sha256_of(weights)}
    with all_or_none(out, out.with_name(STAMP)):
        with atomic_write(out) as handle:
            np.savez_compressed(
                handle,
                allow_pickle=False,
                slice_ids=np.array(store.table["slice_id"].iloc[indices].to_list(), dtype=np.str_),
                classes=np.array(classes, dtype=np.str_),
                **{PREDICTOR: np.stack(found)},
            )
        write_json(out.with_name(STAMP), stamp)


def box_of(mask_hw: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return the first column and row, and the last ones, that a mask has; ``None`` if empty."""
    if not mask_hw.any():
        return None
    rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])


def as_sam_sees(image_chw: Tensor, *, side: int) -> Tensor:
    """Return an image as MedSAM was trained on them: square, three channels, from 0 to 1.

    Parameters
    ----------
    image_chw
        Intensities of any range; one channel, which is repeated, or three.
    side
        Pixels along each side; both are scaled to it, whatever the image's shape.

    Returns
    -------
    Tensor
        Shape (1, 3, side, side), float32; a flat image is 0 everywhere.
    """
    image = image_chw.float().expand(3, -1, -1)[None]
    resized = functional.interpolate(
        image, (side, side), mode="bicubic", align_corners=False, antialias=True
    )
    # Cubic interpolation overshoots.
    resized = resized.clamp(image.min(), image.max())
    low, high = resized.min(), resized.max()
    # MedSAM's own floor under the range.
    return (resized - low) / (high - low).clamp_min(1e-8)


def masks(
    sam: Sam,
    image_chw: Tensor,
    boxes: Sequence[tuple[int, int, int, int] | None],
    *,
    side: int,
) -> NDArray[np.bool_]:
    """Return where SAM sees the object of each box; nothing where there is no box.

    Parameters
    ----------
    sam
        On the device of the image.
    image_chw
        One or three channels.
    boxes
        One for each class: first column and row, last column and row, in pixels of the image.
    side
        Pixels along each side of the image that it sees.

    Returns
    -------
    NDArray
        Shape (K, H, W).
    """
    height, width = image_chw.shape[1:]
    found = np.zeros((len(boxes), height, width), dtype=np.bool_)
    prompted = [place for place, box in enumerate(boxes) if box is not None]
    if not prompted:
        return found
    scale = torch.tensor([side / width, side / height] * 2)
    corners = torch.tensor([boxes[place] for place in prompted], dtype=torch.float32) * scale
    with torch.no_grad():
        decoded = sam(
            image_embeddings=sam.get_image_embeddings(as_sam_sees(image_chw, side=side)),
            input_boxes=corners[None].to(image_chw.device),
            multimask_output=False,
        )
        # Probabilities are resized, not logits, as MedSAM does it.
        probabilities = functional.interpolate(
            torch.sigmoid(decoded.pred_masks[0].float()),
            (height, width),
            mode="bilinear",
            align_corners=False,
        )
    found[prompted] = (probabilities[:, 0] > THRESHOLD).cpu().numpy()
    return found


def load(checkpoint: Path, *, device: torch.device) -> tuple[Path, Prompted]:
    """Return the weights' file, and SAM with these weights on a device, ready to predict.

    Raises
    ------
    UserError
        If transformers is not installed, or the checkpoint is missing, damaged or of another
        network.
    """
    transformers = _transformers()
    weights = checkpoint / "model.safetensors" if checkpoint.is_dir() else checkpoint
    if weights.suffix != ".safetensors" or not weights.is_file():
        raise UserError(f"{checkpoint} is no checkpoint of MedSAM.", _CURE)
    try:
        config = (
            transformers.SamConfig.from_pretrained(checkpoint, local_files_only=True)
            if checkpoint.is_dir()
            else transformers.SamConfig()
        )
        sam, found = transformers.SamModel.from_pretrained(
            None,
            config=config,
            state_dict=safetensors.torch.load_file(weights),
            output_loading_info=True,
        )
        side = int(config.vision_config.image_size)
    except Exception as error:
        # Of any kind: a configuration, a file of weights and a network each break in their own way.
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UserError(f"{checkpoint} is no checkpoint of MedSAM: {reason}.", _CURE) from error
    # What is missing would be drawn at random, and only warned of.
    if misfit := sorted({*found["missing_keys"], *found["unexpected_keys"]}):
        raise UserError(
            f"{checkpoint} is no checkpoint of MedSAM: {len(misfit)} weights are missing or "
            f"unknown, such as {misfit[0]!r}.",
            _CURE,
        )
    return weights, Prompted(sam.to(device).eval(), side)


def _transformers() -> Any:  # noqa: ANN401 - a module without types, and not installed by default
    try:
        transformers = import_module("transformers")
    except ImportError as error:
        raise UserError(
            "MedSAM needs the package transformers, which is not installed.",
            "Install it with: pip install 'segrepro[medsam]'",
        ) from error
    # Its bars and its table of weights; what matters of that is checked.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return transformers


def _check(store: SliceStore, indices: list[int], *, run: str, slices: Path, split: Path) -> None:
    if not indices:
        raise UserError(
            f"{split}: {run} has no test slices.",
            "Check that the split and the slices are of the same data set.",
        )
    if store.images.ndim != 4:
        raise UserError(f"{slices} holds volumes.", "MedSAM sees flat images: slice them.")
    if store.images.shape[1] not in (1, 3):
        raise UserError(
            f"{slices} has images of {store.images.shape[1]} channels.",
            "MedSAM sees one or three: choose such channels in the slicing.",
        )
