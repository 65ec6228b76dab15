"""What is on disk while a run is under way, so that a stopped run goes on as if it never had been.

Why it looks like this: ``docs/decisions/0002-training-state.md``.
"""

import hashlib
import json
import re
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from segrepro.files import sha256_of, write_bytes
from segrepro.progress import note
from segrepro.training._learner import Epoch, Learner, Progress

KEEP = 2
NAME = re.compile(r"(?P<epoch>\d{6})-(?P<step>\d{8})\.(?P<sha256>[0-9a-f]{64})\.safetensors")


class StateFolder:
    """The state files of one run; their names sort by age and carry the hash of their bytes.

    Parameters
    ----------
    folder
        Where they are; nothing else may be there.
    seconds
        The least time between two state files; 0 writes one after every step.
    steps
        Write one after so many steps instead, however long they take.
    """

    def __init__(self, folder: Path, *, seconds: float, steps: int | None = None) -> None:
        self.folder = folder
        self.seconds = seconds
        self.steps = steps
        self.written_at = time.monotonic()
        self.steps_since = 0

    def note_step(self) -> None:
        """Count a step that no state file holds."""
        self.steps_since += 1

    def is_due(self) -> bool:
        """Say whether the last state file is old enough."""
        if self.steps is not None:
            return self.steps_since >= self.steps
        return time.monotonic() - self.written_at >= self.seconds

    def written(self) -> None:
        """Begin to wait for the next state file."""
        self.written_at, self.steps_since = time.monotonic(), 0

    def save(self, learner: Learner, processes: dict[str, Tensor]) -> None:
        """Write a state file, whole or not at all, and forget all but the newest two.

        Parameters
        ----------
        learner
            What all processes have learnt.
        processes
            What each of them has for itself, along the first axis of each tensor.
        """
        content = _encoded(learner, processes)
        progress = learner.progress
        digest = hashlib.sha256(content).hexdigest()
        name = f"{progress.epoch:06d}-{progress.step:08d}.{digest}.safetensors"
        write_bytes(self.folder / name, content)
        for old in self._newest_first()[KEEP:]:
            old.unlink()

    def newest(self) -> Path | None:
        """Return the newest state that is whole, and clear away what is not."""
        for half_written in self.folder.glob(".*.tmp"):
            half_written.unlink()
        for path in self._newest_first():
            if _is_whole(path):
                return path
            note(f"state {path.name} is damaged; falling back to the one before")
            path.unlink()
        return None

    def remove(self) -> None:
        """Forget all states: the run is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
        # States of other protocols may lie beside this one; they are not ours to remove.
        with suppress(OSError):
            self.folder.parent.rmdir()

    def _newest_first(self) -> list[Path]:
        files = self.folder.glob("*.safetensors")
        return sorted((path for path in files if NAME.fullmatch(path.name)), reverse=True)


def _is_whole(path: Path) -> bool:
    match = NAME.fullmatch(path.name)
    return match is not None and sha256_of(path) == match["sha256"]


def _encoded(learner: Learner, processes: dict[str, Tensor]) -> bytes:
    tensors = {f"weights/{name}": tensor for name, tensor in learner.network.state_dict().items()}
    for name, tensor in (learner.best_weights or {}).items():
        tensors[f"best/{name}"] = tensor
    for index, values in learner.optimiser.state_dict()["state"].items():
        for key, tensor in values.items():
            tensors[f"optimiser/{index}/{key}"] = tensor
    for name, tensor in processes.items():
        tensors[f"processes/{name}"] = tensor
    return safetensors.torch.save(
        {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()},
        metadata={"progress": json.dumps(asdict(learner.progress), allow_nan=False)},
    )


def restore(path: Path, learner: Learner) -> dict[str, Tensor]:
    """Bring a learner to a state; return what each process had for itself."""
    with safe_open(path, framework="pt") as file:
        groups: dict[str, dict[str, Tensor]] = {}
        for name in file.keys():  # noqa: SIM118 - not a mapping: it can only list its keys
            group, _, rest = name.partition("/")
            groups.setdefault(group, {})[rest] = file.get_tensor(name)
        values = json.loads(file.metadata()["progress"])
    learner.progress = Progress(
        **{**values, "history": [Epoch(**row) for row in values["history"]]}
    )
    learner.progress.resumed_times += 1
    weights = learner.network.state_dict()
    for name, tensor in weights.items():
        tensor.copy_(groups["weights"][name])
    best = groups.get("best")
    learner.best_weights = best and {name: _like(weights[name], best[name]) for name in weights}
    _restore_optimiser(learner.optimiser, groups.get("optimiser", {}))
    return groups["processes"]


def _restore_optimiser(optimiser: torch.optim.Optimizer, stored: dict[str, Tensor]) -> None:
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    for name, tensor in stored.items():
        index, _, key = name.partition("/")
        parameter = parameters[int(index)]
        same_shape = tensor.shape == parameter.shape
        optimiser.state[parameter][key] = _like(parameter, tensor) if same_shape else tensor


def _like(model: Tensor, stored: Tensor) -> Tensor:
    # In the layout of the tensor it belongs to: another layout may be summed in another order.
    return torch.empty_like(model, requires_grad=False).copy_(stored)
