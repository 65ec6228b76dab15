"""The arrow ``train``: slices and a split to weights, a history and a stamp."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from segrepro import losses, models
from segrepro.errors import UserError
from segrepro.progress import note
from segrepro.protocol.stages import TrainStage
from segrepro.slices.store import SliceStore
from segrepro.splits.read import read_run
from segrepro.training._display import display
from segrepro.training._identity import digests, key_of
from segrepro.training._launch import launch
from segrepro.training._learner import Learner
from segrepro.training._machine import energy_joules, fabric_for, parsed_device, reproducible
from segrepro.training._optimisers import optimiser_for
from segrepro.training._outputs import Machine, remove_stale, write_outputs
from segrepro.training._processes import agreed, restore_own
from segrepro.training._seeds import derive
from segrepro.training._selection import evaluate, selection_of
from segrepro.training._state import StateFolder, restore
from segrepro.training.batches import (
    Part,
    in_batches,
    output_channels,
    read_part,
    with_channels_last,
)
from segrepro.training.loop import Run, fit


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where a run's files are, and what computes it."""

    slices: Path
    split: Path
    out: Path
    state: Path
    device: torch.device
    threads: int
    label: str = ""
    checkpoint_seconds: float = 60.0
    checkpoint_steps: int | None = None
    activation_checkpointing: bool = False
    tensorboard: Path | None = None


def train(  # noqa: PLR0913 - the arrow itself: its files, its machine, its switches
    stage: TrainStage,
    *,
    slices: Path,
    split: Path,
    out: Path,
    state: Path,
    device: str,
    threads: int,
    devices: int = 1,
    label: str = "",
    checkpoint_seconds: float = 60.0,
    checkpoint_steps: int | None = None,
    activation_checkpointing: bool = False,
    tensorboard: Path | None = None,
) -> None:
    """Train one run on its training slices; read those, the ones it is watched on, and no others.

    A run that was stopped at any moment goes on where its newest state file was written, and ends
    in the same bytes of weights and history as one that never was.

    Parameters
    ----------
    stage
        The part of the protocol that training needs.
    slices
        Folder of a slice store.
    split
        CSV with columns run, case_id, group_id, part.
    out
        Folder for ``model.safetensors``, ``last.safetensors``, ``history.csv``, ``train.json``.
    state
        Folder that may hold a half-finished run, under a name made of protocol, data and code.
    device
        ``cpu``, ``cuda`` or ``cuda:N``.
    threads
        Threads of PyTorch on the CPU; another number may change the last bits of a result.
    devices
        Processes that share each batch, each on a device of its own (on the CPU: side by side).
        Batch normalisation sees the batch of all.
    label
        What to call the run in progress lines, where several runs share a log.
    checkpoint_seconds
        The least time between two state files: what a stopped run may lose.
    checkpoint_steps
        The steps between two state files, instead of a time.
    activation_checkpointing
        Let a network's blocks keep their inputs alone and compute the rest again for gradients:
        less memory, more time, the same bytes.
    tensorboard
        Folder for TensorBoard's files, if they are wanted.

    Raises
    ------
    UserError
        If there is nothing to train on or to choose by, if memory does not do, if the loss is no
        number, if an output is constant, or if a parameter gets no gradient. No output is left in
        these cases.
    """
    job = Job(
        slices=slices,
        split=split,
        out=out,
        state=state,
        device=parsed_device(device),
        threads=threads,
        label=label,
        checkpoint_seconds=checkpoint_seconds,
        checkpoint_steps=checkpoint_steps,
        activation_checkpointing=activation_checkpointing,
        tensorboard=tensorboard,
    )
    remove_stale(out)
    fabric = fabric_for(job.device, precision=stage.recipe.precision, devices=devices)
    if devices == 1:
        run_here(fabric, stage, job)
    else:
        launch(fabric, run_here, stage, job)


def run_here(fabric: Fabric, stage: TrainStage, job: Job) -> None:
    """Train in this process, alone or as one of several."""
    if fabric.world_size > 1:
        job = replace(job, device=fabric.device, threads=max(1, job.threads // fabric.world_size))
    store, run_split = SliceStore.open(job.slices), read_run(job.split, stage.run)
    selection = selection_of(run_split, stage.recipe)
    parts = [
        _part(store, cases, stage, split=job.split, device=job.device)
        for cases in [run_split.train, *([selection.cases] if selection else [])]
    ]
    if selection and selection.warning and fabric.is_global_zero:
        note(f"{job.label} warning: {selection.warning}".lstrip())
    # By one process: all have the same slices, which may be many to read.
    identity = agreed(fabric, digests(stage, parts) if fabric.is_global_zero else {})
    folder = StateFolder(
        job.state / key_of(identity), seconds=job.checkpoint_seconds, steps=job.checkpoint_steps
    )
    cuda = [job.device] if job.device.type == "cuda" else []
    precision = stage.recipe.precision
    with (
        reproducible(threads=job.threads, precision=precision),
        torch.random.fork_rng(devices=cuda),
        _memory_troubles_told(stage),
    ):
        joules_before = energy_joules(job.device)
        learner = _fitted(fabric, stage, parts, job, state=folder)
        if fabric.is_global_zero:
            machine = Machine(
                device=job.device,
                devices=fabric.world_size,
                threads=job.threads,
                joules_before=joules_before,
            )
            write_outputs(
                job.out,
                learner,
                stage,
                selection=selection,
                machine=machine,
                images=len(parts[0]),
                digests=identity,
            )
            folder.remove()


@contextmanager
def _memory_troubles_told(stage: TrainStage) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        text = str(error)
        if "out of memory" not in text and "can't allocate memory" not in text:
            raise
        recipe = stage.recipe
        raise UserError(
            f"there is not enough memory to train {stage.network.name} on "
            f"{recipe.images_at_a_time} images at a time "
            f"(batch size {recipe.batch_size}, in {recipe.accumulate} part(s)).",
            "Set SEGREPRO_ACTIVATION_CHECKPOINTING=1 (slower, the same numbers), or raise "
            "`accumulate` in the recipe: the batch then passes in smaller parts.",
        ) from error


def _part(
    store: SliceStore,
    cases: tuple[str, ...],
    stage: TrainStage,
    *,
    split: Path,
    device: torch.device,
) -> Part:
    part = read_part(store, cases, classes=stage.classes, device=device)
    if not len(part):
        raise UserError(
            f"{split}: a part of {stage.run} that training needs has no slices.",
            "Check that the split and the slices are of the same data set.",
        )
    return part


def _fitted(
    fabric: Fabric, stage: TrainStage, parts: list[Part], job: Job, *, state: StateFolder
) -> Learner:
    recipe, training = stage.recipe, parts[0]
    loss = losses.build(recipe.loss.name, recipe.loss.options)
    network = _fresh_network(stage, channels=training.images_nchw.shape[1])
    network = with_channels_last(network.to(job.device))
    _prepare(network, fabric, job)
    optimiser = optimiser_for(recipe.optimiser, network)
    wrapped_network, wrapped_optimiser = fabric.setup(network, optimiser)
    learner = Learner(
        network=network,
        optimiser=optimiser,
        loss_sum=torch.zeros((), dtype=torch.float64, device=job.device),
    )
    _continue(fabric, learner, state, label=job.label)
    run = Run(
        stage=stage,
        fabric=fabric,
        network=wrapped_network,
        optimiser=wrapped_optimiser,
        loss=loss,
        training=training,
        evaluated=_evaluation(stage, parts, loss=loss),
    )
    steps = len(in_batches(torch.arange(len(training)), recipe.batch_size))
    with display(
        job.label,
        epochs=recipe.epochs,
        steps=steps,
        images=len(training),
        monitor=recipe.monitor,
        shown=fabric.is_global_zero,
        device=job.device,
        tensorboard=job.tensorboard,
    ) as watcher:
        fit(run, learner, state=state, display=watcher)
    return learner


def _prepare(network: nn.Module, fabric: Fabric, job: Job) -> None:
    # Both late: most runs need neither, and should not wait for them.
    if fabric.world_size > 1:
        from segrepro.training._synchronised import synchronise  # noqa: PLC0415 - see above

        synchronise(network)
    if job.activation_checkpointing:
        from segrepro.training._recompute import recompute_activations  # noqa: PLC0415 - see above

        recompute_activations(network)


def _continue(fabric: Fabric, learner: Learner, state: StateFolder, *, label: str) -> None:
    """Bring a learner to the newest state, if there is one."""
    # One process looks and clears away what is damaged; all go on from what it found.
    newest = agreed(fabric, state.newest() if fabric.is_global_zero else None)
    if newest is None:
        return
    restore_own(fabric, learner, restore(newest, learner))
    if fabric.is_global_zero:
        reached = f"epoch {learner.progress.epoch}, after step {learner.progress.step}"
        note(f"{label} continuing in {reached}".lstrip())


def _fresh_network(stage: TrainStage, *, channels: int) -> nn.Module:
    torch.manual_seed(derive(stage.recipe.seed, stage.run, "weights"))
    return models.build(
        stage.network.name,
        channels=channels,
        classes=output_channels(len(stage.classes), stage.recipe.outputs),
        **stage.network.options,
    )


def _evaluation(
    stage: TrainStage, parts: list[Part], *, loss: losses.Loss
) -> Callable[[nn.Module], tuple[float, float]] | None:
    if len(parts) == 1:
        return None
    return partial(evaluate, part=parts[1], stage=stage, loss=loss)
