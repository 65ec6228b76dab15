"""By which slices the best epoch of a run is chosen, and how good an epoch is on them."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from segrepro.errors import UserError
from segrepro.losses import Loss
from segrepro.protocol.recipe import Recipe, ReduceOnPlateau
from segrepro.protocol.stages import TrainStage
from segrepro.splits.read import RunSplit
from segrepro.training.batches import Part, all_batches, segmented, targets
from segrepro.training.monitor import MONITORS

OPTIMISTIC = "the best epoch is chosen on the cases that are reported: optimistic"


@dataclass(frozen=True)
class Selection:
    """The cases on which a run is watched."""

    part: Literal["validation", "test"]
    cases: tuple[str, ...]
    warning: str


def selection_of(split: RunSplit, recipe: Recipe) -> Selection | None:
    """Return the cases to watch a run on, or ``None`` if it is not watched.

    Raises
    ------
    UserError
        If the recipe goes by validation cases, and the split has none.
    """
    if recipe.checkpoint == "best_on_reported_fold":
        return Selection("test", split.test, OPTIMISTIC)
    if split.validation:
        return Selection("validation", split.validation, "")
    needs = [f"checkpoint {recipe.checkpoint}"] * (recipe.checkpoint == "best_validation")
    stopping, schedule = recipe.early_stopping, recipe.schedule
    needs += ["early_stopping"] * (stopping is not None and stopping.watches != "train_loss")
    plateau = isinstance(schedule, ReduceOnPlateau) and schedule.watches != "train_loss"
    needs += ["schedule reduce_on_plateau"] * plateau
    if needs:
        raise UserError(
            f"the recipe's {needs[0]} goes by validation cases, but the split has none.",
            "Choose otherwise in the recipe, or a split with a validation part.",
        )
    return None


def evaluate(
    network: nn.Module, part: Part, stage: TrainStage, *, loss: Loss
) -> tuple[float, float]:
    """Return the loss, and the monitor over images and classes: both as means over the part."""
    was_training = network.training
    network.eval()
    recipe = stage.recipe
    monitor = MONITORS[recipe.monitor]
    # What passes through the network at a time while it trains fits into memory here, too.
    size = recipe.images_at_a_time
    loss_sum, values = 0.0, []
    with torch.no_grad():
        for batch in all_batches(part, batch_size=size, normalisation=stage.normalisation):
            logits = network(batch.inputs)
            wanted = targets(batch.masks_nhw, part.labels_k, recipe.outputs)
            loss_sum += float(loss(logits, wanted)) * len(batch.inputs)
            found = segmented(logits, threshold=recipe.threshold, outputs=recipe.outputs)
            foreground = wanted[:, -found.shape[1] :].bool()
            values.append(monitor(found, foreground, stage.when_both_empty))
    network.train(was_training)
    return loss_sum / len(part), float(torch.cat(values).mean())
