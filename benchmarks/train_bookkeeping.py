"""The share of a finished run's time in which it takes no steps, for a set of 30 images.

U-Net 32 to 512 at 256x256, batch 4, fp32, 24 images to train on and 6 to watch it on. A step is all
from the network's first layer to the optimiser's last weight. What is left is the rest: reading,
gathering, validation, states, weights, logging. Twelve epochs take longer than the minute after
which a state is written.
"""

import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from types import TracebackType
from typing import Self

from torch import nn
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimisers

from benchmarks._result import REPETITIONS, Result
from benchmarks._training import stage_of, threads, train_ours, write_data

BAR = 0.05
TRAINED_ON, WATCHED_ON, EPOCHS = 24, 6, 12


def measure() -> Result:
    """Return the share of the time that is no step's."""
    stage = stage_of(epochs=EPOCHS, checkpoint="best_validation")
    totals, steps, watched = [], [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        write_data(folder, images=TRAINED_ON + WATCHED_ON, validation=WATCHED_ON)
        train_ours(folder, stage_of(epochs=1))
        for _ in range(REPETITIONS):
            with StepClock() as clock:
                began = perf_counter()
                train_ours(folder, stage)
                totals.append(perf_counter() - began)
            steps.append(clock.step_s)
            watched.append(clock.watching_s)
    shares = [1 - step / total for step, total in zip(steps, totals, strict=True)]
    forward = [seconds / total for seconds, total in zip(watched, totals, strict=True)]
    return Result(
        name="train_bookkeeping",
        ratio=median(shares),
        bar=BAR,
        at_least=False,
        detail={
            "seconds": totals,
            "seconds_of_steps": steps,
            "share_of_validation's_forward_passes": median(forward),
            "share_of_all_else": median(a - b for a, b in zip(shares, forward, strict=True)),
            "images": [TRAINED_ON, WATCHED_ON],
            "epochs": EPOCHS,
            "repetitions": REPETITIONS,
            "device": "cpu",
            "threads": threads(),
        },
    )


class StepClock:
    """The time that any network in training spends in its steps, and out of training in its passes.

    It listens to PyTorch's own hooks, so the loop is measured as it is.
    """

    def __init__(self) -> None:
        self.step_s = 0.0
        self.watching_s = 0.0
        self._began = 0.0
        self._outermost: nn.Module | None = None

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._handles = [
            modules.register_module_forward_pre_hook(self._enter),
            modules.register_module_forward_hook(self._leave),
            optimisers.register_optimizer_step_post_hook(self._stepped),
        ]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Listen no more."""
        for handle in self._handles:
            handle.remove()

    def _enter(self, module: nn.Module, _inputs: object) -> None:
        if self._outermost is None:
            self._outermost, self._began = module, perf_counter()

    def _leave(self, module: nn.Module, _inputs: object, _outputs: object) -> None:
        if module is self._outermost and not module.training:
            self.watching_s += perf_counter() - self._began
            self._outermost = None

    def _stepped(self, *_: object) -> None:
        self.step_s += perf_counter() - self._began
        self._outermost = None
