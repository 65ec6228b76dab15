"""What one of several processes has for itself, and what it does for all."""

from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, distributed

from segrepro.training._learner import Learner

Answer = TypeVar("Answer")
STEPS_BETWEEN_QUESTIONS = 16
"""Steps after which processes agree whether a state is due: an answer each step would be slow."""


def share_of(part_n: Tensor, *, rank: int, world: int) -> Tensor:
    """Return a process's share of the images that pass together.

    Where there are fewer images than processes, each takes them all: none is idle, which the others
    would wait for, and each counts for its part (`images_in`).
    """
    return part_n if len(part_n) < world else part_n[rank::world]


def images_in(length: int, *, rank: int, world: int) -> float:
    """Return for how many images the share of a process counts; over processes, `length`."""
    return length / world if length < world else len(range(rank, length, world))


def sum_over_processes(fabric: Fabric, values: Tensor) -> None:
    """Let every process have the sum over all processes."""
    if fabric.world_size > 1:
        values.copy_(fabric.all_reduce(values, reduce_op="sum"))  # type: ignore[arg-type]


def agreed(fabric: Fabric, answer: Answer) -> Answer:
    """Return the first process's answer."""
    return answer if fabric.world_size == 1 else fabric.broadcast(answer)


def own_state(learner: Learner) -> dict[str, Tensor]:
    """Return what no other process knows: its generators, and the loss of the images it saw."""
    own = {"loss_sum": learner.loss_sum, "random_cpu": torch.get_rng_state()}
    if learner.loss_sum.is_cuda:
        own["random_cuda"] = torch.cuda.get_rng_state(learner.loss_sum.device)
    return own


def gathered_states(fabric: Fabric, learner: Learner) -> dict[str, Tensor]:
    """Return `own_state` of all processes, stacked along a new first axis."""
    own = own_state(learner)
    if fabric.world_size == 1:
        return {name: tensor[None] for name, tensor in own.items()}
    return {name: _gathered(tensor.to(fabric.device), fabric) for name, tensor in own.items()}


def _gathered(tensor: Tensor, fabric: Fabric) -> Tensor:
    # PyTorch's own: Fabric's still goes through what PyTorch is about to remove.
    each = [torch.empty_like(tensor) for _ in range(fabric.world_size)]
    distributed.all_gather(each, tensor)
    return torch.stack(each)


def restore_own(fabric: Fabric, learner: Learner, stored: dict[str, Tensor]) -> None:
    """Bring back this process's part of `gathered_states`.

    A run that goes on with another number of processes keeps the sum of its losses, and each
    process what was drawn in one of the same rank, if there was one.
    """
    rank, device = fabric.global_rank, learner.loss_sum.device
    learner.loss_sum.copy_(stored["loss_sum"][rank :: fabric.world_size].sum())
    if rank < len(stored["random_cpu"]):
        torch.set_rng_state(stored["random_cpu"][rank].clone())
    # A run that was begun on the CPU may go on elsewhere.
    if device.type == "cuda" and rank < len(stored.get("random_cuda", ())):
        torch.cuda.set_rng_state(stored["random_cuda"][rank].clone(), device)
