"""The training loop: epochs of steps, each followed by a look at the selection part."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from segrepro.errors import UserError
from segrepro.losses import Loss
from segrepro.protocol.stages import TrainStage
from segrepro.training._display import Display
from segrepro.training._learner import Epoch, Learner, Progress, weights_of
from segrepro.training._state import StateFolder
from segrepro.training.batches import Part, batch_of, in_batches, order_of


@dataclass(frozen=True, kw_only=True)
class Run:
    """What does not change while a run trains."""

    stage: TrainStage
    fabric: Fabric
    network: nn.Module
    """The learner's network and optimiser as Fabric wraps them: in the recipe's precision."""
    optimiser: torch.optim.Optimizer
    loss: Loss
    training: Part
    evaluated: Callable[[nn.Module], tuple[float, float]] | None
    """Loss and monitor of a network on the selection part; ``None`` if there is no such part."""


def fit(run: Run, learner: Learner, *, state: StateFolder, display: Display) -> None:
    """Train from where the learner is to the end of the recipe.

    Raises
    ------
    UserError
        If the loss or a weight is no finite number, or a parameter has no part in the loss.
    """
    progress = learner.progress
    began = time.monotonic() - progress.seconds
    while progress.epoch <= run.stage.recipe.epochs:
        _train_epoch(run, learner, state=state, display=display, began=began)
        _end_epoch(run, learner, began=began)
        display.epoch(progress)
        _save_if_due(learner, state=state, began=began)


def _train_epoch(
    run: Run, learner: Learner, *, state: StateFolder, display: Display, began: float
) -> None:
    recipe, progress = run.stage.recipe, learner.progress
    order = order_of(len(run.training), seed=recipe.seed, run=run.stage.run, epoch=progress.epoch)
    run.network.train()
    for indices in in_batches(order, recipe.batch_size)[progress.step :]:
        inputs, wanted = batch_of(run.training, indices, run.stage.normalisation)
        run.optimiser.zero_grad()
        loss = run.loss(run.network(inputs), wanted)
        run.fabric.backward(loss)
        if progress.epoch == 1 and progress.step == 0:
            _check_gradients(learner.network)
        run.optimiser.step()
        learner.loss_sum += loss.detach() * len(indices)
        progress.step += 1
        display.step(progress)
        _save_if_due(learner, state=state, began=began)


def _end_epoch(run: Run, learner: Learner, *, began: float) -> None:
    progress = learner.progress
    _check_finite(learner.loss_sum, "training loss", progress)
    for name, weights in learner.network.state_dict().items():
        _check_finite(weights, f"weight {name!r}", progress)
    loss, monitor = run.evaluated(run.network) if run.evaluated else (None, None)
    _check_finite(torch.tensor(loss or 0.0), "loss on the selection part", progress)
    train_loss = float(learner.loss_sum) / len(run.training)
    progress.history.append(Epoch(progress.epoch, train_loss, loss, monitor))
    if monitor is not None and (progress.best_monitor is None or monitor > progress.best_monitor):
        progress.best_epoch, progress.best_monitor = progress.epoch, monitor
        learner.best_weights = weights_of(learner.network)
    progress.seconds = time.monotonic() - began
    progress.seconds_per_epoch.append(progress.seconds - progress.epoch_began_at)
    progress.epoch_began_at = progress.seconds
    progress.epoch, progress.step = progress.epoch + 1, 0
    learner.loss_sum.zero_()


def _save_if_due(learner: Learner, *, state: StateFolder, began: float) -> None:
    if state.is_due():
        _check_finite(learner.loss_sum, "training loss", learner.progress)
        learner.progress.seconds = time.monotonic() - began
        state.save(learner)


def _check_finite(values: Tensor, what: str, progress: Progress) -> None:
    if not torch.isfinite(values).all():
        raise UserError(
            f"the {what} became infinite or no number in epoch {progress.epoch}.",
            "Lower the learning rate, train in fp32, or look for such values in the images.",
        )


def _check_gradients(network: nn.Module) -> None:
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise UserError(
            f"{len(idle)} parameters get no gradient, the first of them {idle[0]!r}.",
            "Let the network's output depend on them, or remove them: they would never learn.",
        )
