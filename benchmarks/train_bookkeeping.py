"""The share of a finished run's time in which it takes no steps, for a set of 30 images.

U-Net 32 to 512 at 256x256, batch 4, fp32, 24 images to train on and 6 to watch it on. A step is all
from the network's first layer to the optimiser's last weight. What is left is the rest: reading,
gathering, validation, states, weights, logging. Sixteen epochs take longer than the minute after
which a state is written.

A step is a forward and a backward pass, and the backward one is twice the arithmetic of the other.
So six images that are watched in each epoch take 6 / (3 * 24 + 6) = 7.7 % of the arithmetic,
whoever computes it; the detail says for how many watched images of 30 the bar could be met.
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
from benchmarks._training import RUN, device_name, stage_of, threads, write_data
from segrepro.protocol.stages import TrainStage
from segrepro.training._allocator import keep_freed_memory
from segrepro.training.train import train

BAR = 0.05
TRAINED_ON, WATCHED_ON, EPOCHS = 24, 6, 16


def measure(device: str = "cpu") -> Result:
    """Return the share of the time that is no step's."""
    stage = stage_of(epochs=EPOCHS, checkpoint="best_validation")
    totals, steps, watched = [], [], []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "data"
        write_data(folder, images=TRAINED_ON + WATCHED_ON, validation=WATCHED_ON)
        # As our command does; here it is our function, so that its steps can be watched.
        keep_freed_memory()
        _train(folder, stage_of(epochs=1), device)
        for _ in range(REPETITIONS):
            with StepClock() as clock:
                began = perf_counter()
                _train(folder, stage, device)
                totals.append(perf_counter() - began)
            steps.append(clock.step_s)
            watched.append(clock.watching_s)
    shares = [1 - step / total for step, total in zip(steps, totals, strict=True)]
    forward = [seconds / total for seconds, total in zip(watched, totals, strict=True)]
    rest = median(a - b for a, b in zip(shares, forward, strict=True))
    return Result(
        name="train_bookkeeping",
        ratio=median(shares),
        bar=BAR,
        at_least=False,
        detail={
            "seconds": totals,
            "seconds_of_steps": steps,
            "share_of_validation's_forward_passes": median(forward),
            "share_of_all_else": rest,
            "watched_images_of_30_that_meet_the_bar": _most_watched(
                step_s=median(steps) / (EPOCHS * TRAINED_ON),
                forward_s=median(watched) / (EPOCHS * WATCHED_ON),
                rest=rest,
            ),
            "images": [TRAINED_ON, WATCHED_ON],
            "epochs": EPOCHS,
            "repetitions": REPETITIONS,
            "device": device_name(device),
            "threads": threads(),
        },
    )


def _most_watched(*, step_s: float, forward_s: float, rest: float) -> int:
    """Return for how many images of 30 the share of passes and rest is within the bar."""
    images = TRAINED_ON + WATCHED_ON
    shares = [
        watched * forward_s / ((images - watched) * step_s + watched * forward_s)
        for watched in range(images)
    ]
    return max(watched for watched, share in enumerate(shares) if share + rest <= BAR)


def _train(folder: Path, stage: TrainStage, device: str) -> None:
    out = folder / RUN
    train(
        stage,
        slices=folder,
        split=folder / "split.csv",
        out=out,
        state=out / "state",
        device=device,
        threads=threads(),
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
