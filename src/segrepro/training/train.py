"""The arrow ``train``: slices and a split to weights, a history and a stamp."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import nn

from segrepro import losses, models
from segrepro.errors import UserError
from segrepro.progress import note
from segrepro.protocol.recipe import Adam
from segrepro.protocol.stages import TrainStage
from segrepro.provenance import code_digest
from segrepro.slices.store import SliceStore
from segrepro.splits.read import read_run
from segrepro.training._display import display
from segrepro.training._learner import Learner
from segrepro.training._machine import fabric_for, parsed_device, reproducible
from segrepro.training._outputs import remove_stale, write_outputs
from segrepro.training._seeds import derive
from segrepro.training._selection import evaluate, selection_of
from segrepro.training._state import StateFolder
from segrepro.training.batches import Part, in_batches, read_part, with_channels_last
from segrepro.training.loop import Run, fit


def train(
    stage: TrainStage,
    *,
    slices: Path,
    split: Path,
    out: Path,
    state: Path,
    device: str,
    threads: int,
    label: str = "",
    checkpoint_seconds: float = 60.0,
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
    label
        What to call the run in progress lines, where several runs share a log.
    checkpoint_seconds
        The least time between two state files: what a stopped run may lose.

    Raises
    ------
    UserError
        If there is nothing to train on or to choose by, if the loss is no number, or if a
        parameter gets no gradient. No output is left in these cases.
    """
    where = parsed_device(device)
    remove_stale(out)
    store, run_split = SliceStore.open(slices), read_run(split, stage.run)
    selection = selection_of(run_split, stage.recipe.checkpoint)
    parts = [
        _part(store, cases, stage, split=split, device=where)
        for cases in [run_split.train, *([selection.cases] if selection else [])]
    ]
    if selection and selection.warning:
        note(f"{label} warning: {selection.warning}".lstrip())
    folder = StateFolder(state / state_key(stage, parts), seconds=checkpoint_seconds)
    cuda = [where] if where.type == "cuda" else []
    with reproducible(threads=threads), torch.random.fork_rng(devices=cuda):
        learner = _fitted(stage, parts, device=where, state=folder, label=label)
        write_outputs(
            out,
            learner,
            stage,
            selection=selection,
            device=where,
            threads=threads,
            images=len(parts[0]),
        )
    folder.remove()


def state_key(stage: TrainStage, parts: list[Part]) -> str:
    """Return a name for the states that may be continued: same protocol, slices and code."""
    digest = hashlib.sha256(stage.canonical_json().encode())
    for part in parts:
        for tensor in (part.images_nchw, part.masks_nhw, part.labels_k):
            digest.update(str((tensor.dtype, tuple(tensor.shape))).encode())
            digest.update(tensor.cpu().numpy().data)
    code = code_digest(
        "segrepro.training.train",
        f"segrepro.models.{stage.network.name}",
        f"segrepro.losses.{stage.recipe.loss.name}",
    )
    digest.update(code.encode())
    return digest.hexdigest()


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
    stage: TrainStage, parts: list[Part], *, device: torch.device, state: StateFolder, label: str
) -> Learner:
    recipe, training = stage.recipe, parts[0]
    loss = losses.build(recipe.loss.name, recipe.loss.options)
    fabric = fabric_for(device, precision=recipe.precision)
    network = _fresh_network(stage, channels=training.images_nchw.shape[1])
    network = with_channels_last(network.to(device))
    optimiser = _optimiser(recipe.optimiser, network)
    wrapped_network, wrapped_optimiser = fabric.setup(network, optimiser)
    learner = Learner(
        network=network,
        optimiser=optimiser,
        loss_sum=torch.zeros((), dtype=torch.float64, device=device),
    )
    if state.restore(learner):
        reached = f"epoch {learner.progress.epoch}, after step {learner.progress.step}"
        note(f"{label} continuing in {reached}".lstrip())
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
        label, epochs=recipe.epochs, steps=steps, images=len(training), monitor=recipe.monitor
    ) as watcher:
        fit(run, learner, state=state, display=watcher)
    return learner


def _fresh_network(stage: TrainStage, *, channels: int) -> nn.Module:
    torch.manual_seed(derive(stage.recipe.seed, stage.run, "weights"))
    network = models.build(
        stage.network.name,
        channels=channels,
        classes=len(stage.classes),
        **stage.network.options,
    )
    # What the network itself draws while it trains must not depend on how many weights it has.
    torch.manual_seed(derive(stage.recipe.seed, stage.run, "steps"))
    return network


def _optimiser(recipe: Adam, network: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(
        network.parameters(),
        lr=recipe.learning_rate,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.epsilon,
        weight_decay=recipe.weight_decay,
    )


def _evaluation(
    stage: TrainStage, parts: list[Part], *, loss: losses.Loss
) -> Callable[[nn.Module], tuple[float, float]] | None:
    if len(parts) == 1:
        return None
    return partial(evaluate, part=parts[1], stage=stage, loss=loss)
