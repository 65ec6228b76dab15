"""The training loop: epochs of steps, each followed by a look at the selection part."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from segrepro.errors import UserError
from segrepro.losses import Loss
from segrepro.protocol.stages import TrainStage
from segrepro.training._display import Display
from segrepro.training._learner import Epoch, Learner, Progress, weights_of
from segrepro.training._optimisers import set_rate
from segrepro.training._processes import (
    STEPS_BETWEEN_QUESTIONS,
    agreed,
    gathered_states,
    images_in,
    share_of,
    sum_over_processes,
)
from segrepro.training._seeds import derive
from segrepro.training._state import StateFolder
from segrepro.training.augment import augmented
from segrepro.training.batches import (
    Batch,
    Part,
    batches_of,
    in_batches,
    order_of,
    targets,
)
from segrepro.training.schedule import is_over, learning_rate


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
        If the loss or a weight is no finite number, the output is the same everywhere, or a
        parameter has no part in the loss.
    """
    progress = learner.progress
    began = time.monotonic() - progress.seconds
    while not is_over(run.stage.recipe, progress.history):
        outputs = _train_epoch(run, learner, state=state, display=display, began=began)
        _check_spread(outputs, progress)
        _end_epoch(run, learner, began=began)
        display.epoch(progress)
        _save_if_due(run, learner, state=state, began=began)


def _train_epoch(
    run: Run, learner: Learner, *, state: StateFolder, display: Display, began: float
) -> Tensor | None:
    """Return the outputs for the last images; ``None`` if no step was left."""
    recipe, progress, outputs = run.stage.recipe, learner.progress, None
    names = (recipe.seed, run.stage.run)
    order = order_of(len(run.training), seed=recipe.seed, run=run.stage.run, epoch=progress.epoch)
    batches = in_batches(order, recipe.batch_size)
    if progress.step == 0:
        # What a network draws (dropout) is the same whenever and wherever this epoch begins.
        torch.manual_seed(derive(*names, "steps", progress.epoch, run.fabric.global_rank))
    run.network.train()
    left = batches[progress.step :]
    stream = _shares(run, left)
    for indices in left:
        # The same in all processes: each takes what is drawn for its share of the images.
        generator = torch.Generator().manual_seed(
            derive(*names, "augmentation", progress.epoch, progress.step, 0)
        )
        done = (progress.epoch - 1) * len(batches) + progress.step
        steps = recipe.epochs * len(batches)
        set_rate(run.optimiser, learning_rate(recipe, progress.history, step=done, steps=steps))
        outputs = _step(run, learner, stream, _parts(indices, recipe.accumulate), generator)
        progress.step += 1
        state.note_step()
        display.step(progress)
        _save_if_due(run, learner, state=state, began=began)
    return outputs


def _parts(indices: Tensor, accumulate: int) -> list[Tensor]:
    return [part for part in indices.tensor_split(accumulate) if len(part)]


def _shares(run: Run, batches: Sequence[Tensor]) -> Iterator[Batch]:
    """Yield this process's share of every part of every batch."""
    rank, world = run.fabric.global_rank, run.fabric.world_size
    parts = [part for batch in batches for part in _parts(batch, run.stage.recipe.accumulate)]
    shares = [share_of(part, rank=rank, world=world) for part in parts]
    return batches_of(run.training, shares, run.stage.normalisation)


def _step(
    run: Run,
    learner: Learner,
    stream: Iterator[Batch],
    parts: list[Tensor],
    generator: torch.Generator,
) -> Tensor:
    """Take one step of the optimiser; return the outputs for the images of the last part."""
    recipe, world, rank = run.stage.recipe, run.fabric.world_size, run.fabric.global_rank
    images = sum(len(part) for part in parts)
    run.optimiser.zero_grad()
    outputs = torch.empty(0)
    for number, (part, batch) in enumerate(zip(parts, stream, strict=False), start=1):
        mine = share_of(torch.arange(len(part)), rank=rank, world=world)
        inputs, masks = augmented(
            batch.inputs,
            batch.masks_nhw,
            recipe.augmentation,
            generator=generator,
            share=(len(part), mine),
        )
        wanted = targets(masks, run.training.labels_k, recipe.outputs)
        share = images_in(len(part), rank=rank, world=world)
        waits = number < len(parts)
        with run.fabric.no_backward_sync(run.network, enabled=waits):  # type: ignore[arg-type]
            found: Tensor | tuple[Tensor, ...] = run.network(inputs)
            loss = _loss_of(run, found, wanted)
            # Processes' gradients are averaged, so that each counts as `world` of itself.
            weight = share * world / images
            run.fabric.backward(loss if weight == 1 else loss * weight)
        learner.loss_sum += loss.detach() * share
        outputs = found if isinstance(found, Tensor) else found[0]
    if learner.progress.epoch == 1 and learner.progress.step == 0:
        _check_gradients(learner.network)
    run.optimiser.step()
    return outputs.detach()


def _loss_of(run: Run, outputs: Tensor | tuple[Tensor, ...], wanted: Tensor) -> Tensor:
    """Return the loss of a network's output, or the weighted sum of those of its outputs."""
    weights = run.stage.recipe.deep_supervision_weights
    if isinstance(outputs, Tensor):
        outputs, weights = (outputs,), weights or (1.0,)
    if len(outputs) != len(weights):
        raise UserError(
            f"{run.stage.network.name} has {len(outputs)} output(s) in training, but the recipe "
            f"has {len(weights)} deep_supervision_weights.",
            "Give one weight for each output, the main one first.",
        )
    losses = [weight * run.loss(one, wanted) for weight, one in zip(weights, outputs, strict=True)]
    return losses[0] if len(losses) == 1 else torch.stack(losses).sum()


def _end_epoch(run: Run, learner: Learner, *, began: float) -> None:
    progress = learner.progress
    sum_over_processes(run.fabric, learner.loss_sum)
    _check_finite(learner.loss_sum, "training loss", progress)
    for name, weights in learner.network.state_dict().items():
        _check_finite(weights, f"weight {name!r}", progress)
    loss, monitor = _evaluated(run, learner)
    _check_finite(torch.tensor(loss or 0.0), "loss on the selection part", progress)
    train_loss = float(learner.loss_sum) / len(run.training)
    rate = float(run.optimiser.param_groups[0]["lr"])
    progress.history.append(Epoch(progress.epoch, train_loss, loss, monitor, rate))
    if monitor is not None and (progress.best_monitor is None or monitor > progress.best_monitor):
        progress.best_epoch, progress.best_monitor = progress.epoch, monitor
        learner.best_weights = weights_of(learner.network)
    progress.seconds = time.monotonic() - began
    progress.seconds_per_epoch.append(progress.seconds - progress.epoch_began_at)
    progress.epoch_began_at = progress.seconds
    progress.epoch, progress.step = progress.epoch + 1, 0
    learner.loss_sum.zero_()


def _evaluated(run: Run, learner: Learner) -> tuple[float, float] | tuple[None, None]:
    """Return loss and monitor on the selection part, measured by the first process."""
    if run.evaluated is None:
        return None, None
    found = torch.zeros(2, dtype=torch.float64, device=learner.loss_sum.device)
    if run.fabric.is_global_zero:
        # Not the wrapped network: its forward pass would wait for the other processes.
        network = run.network if run.fabric.world_size == 1 else learner.network
        found += torch.tensor(run.evaluated(network), dtype=torch.float64).to(found.device)
    sum_over_processes(run.fabric, found)
    return float(found[0]), float(found[1])


def _save_if_due(run: Run, learner: Learner, *, state: StateFolder, began: float) -> None:
    if not _is_due(run, learner, state):
        return
    _check_finite(learner.loss_sum, "training loss", learner.progress)
    learner.progress.seconds = time.monotonic() - began
    processes = gathered_states(run.fabric, learner)
    if run.fabric.is_global_zero:
        state.save(learner, processes)
    state.written()


def _is_due(run: Run, learner: Learner, state: StateFolder) -> bool:
    """Say whether to write a state; all processes say the same, for all have a part in it."""
    if state.steps is not None or run.fabric.world_size == 1:
        return state.is_due()
    asked = learner.progress.step % STEPS_BETWEEN_QUESTIONS == 0
    return asked and agreed(run.fabric, state.is_due())


def _check_finite(values: Tensor, what: str, progress: Progress) -> None:
    if not torch.isfinite(values).all():
        raise UserError(
            f"the {what} became infinite or no number in epoch {progress.epoch}.",
            "Lower the learning rate, train in fp32, or look for such values in the images.",
        )


def _check_spread(outputs: Tensor | None, progress: Progress) -> None:
    if outputs is None:
        return
    channels = outputs.transpose(0, 1).flatten(1)
    spread = channels.amax(dim=1) - channels.amin(dim=1)
    if bool((spread == 0).any()):
        output = int((spread == 0).nonzero()[0])
        raise UserError(
            f"after epoch {progress.epoch} output {output} of the network is the same everywhere.",
            "Lower the learning rate: a layer may have died; or look for images of one intensity.",
        )


def _check_gradients(network: nn.Module) -> None:
    idle = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    if idle:
        raise UserError(
            f"{len(idle)} parameters get no gradient, the first of them {idle[0]!r}.",
            "Let the network's output depend on them, or remove them: they would never learn.",
        )
