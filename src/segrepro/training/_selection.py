"""By which slices the best epoch of a run is chosen, and how good an epoch is on them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from segrepro.errors import UserError
from segrepro.losses import Loss
from segrepro.protocol.recipe import Checkpoint
from segrepro.protocol.stages import TrainStage
from segrepro.splits.read import RunSplit
from segrepro.training.batches import Part, all_batches, segmented
from segrepro.training.monitor import MONITORS

OPTIMISTIC = "the best epoch is chosen on the cases that are reported: optimistic"


@dataclass(frozen=True)
class Selection:
    """The cases on which a run is watched."""

    part: Literal["validation", "test"]
    cases: tuple[str, ...]
    warning: str


def selection_of(split: RunSplit, checkpoint: Checkpoint) -> Selection | None:
    """Return the cases to watch a run on, or ``None`` if it is not watched."""
    if checkpoint == "best_on_reported_fold":
        return Selection("test", split.test, OPTIMISTIC)
    if split.validation:
        return Selection("validation", split.validation, "")
    if checkpoint == "best_validation":
        raise UserError(
            "the recipe chooses the best epoch on validation cases, but the split has none.",
            "Choose another checkpoint in the recipe, or a split with a validation part.",
        )
    return None


def evaluate(
    network: nn.Module, part: Part, stage: TrainStage, *, loss: Loss
) -> tuple[float, float]:
    """Return the loss, and the monitor over images and classes: both as means over the part."""
    was_training = network.training
    network.eval()
    monitor = MONITORS[stage.recipe.monitor]
    loss_sum, values = 0.0, []
    with torch.no_grad():
        for inputs, wanted in all_batches(
            part, batch_size=stage.recipe.batch_size, normalisation=stage.normalisation
        ):
            logits = network(inputs)
            loss_sum += float(loss(logits, wanted)) * len(inputs)
            found = segmented(logits, threshold=stage.recipe.threshold)
            values.append(monitor(found, wanted.bool(), stage.when_both_empty))
    network.train(was_training)
    return loss_sum / len(part), float(torch.cat(values).mean())
