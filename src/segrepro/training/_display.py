"""How far a run has come, for the person who waits: a bar on a terminal, else a line per epoch."""

import importlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from segrepro.errors import UserError
from segrepro.progress import SECONDS_BETWEEN_LINES, note
from segrepro.training._learner import Progress
from segrepro.training._machine import peak_device_bytes, peak_host_bytes

CPU = torch.device("cpu")
Words = Callable[[Progress], str]
"""What to say of the last epoch."""


class Display(Protocol):
    """What the loop tells whoever watches."""

    def step(self, progress: Progress) -> None:
        """Note that a step was taken."""

    def epoch(self, progress: Progress) -> None:
        """Note that an epoch has ended; it is the last of ``progress.history``."""


@contextmanager
def display(
    label: str,
    *,
    epochs: int,
    steps: int,
    images: int,
    monitor: str,
    shown: bool = True,
    device: torch.device = CPU,
    tensorboard: Path | None = None,
) -> Iterator[Display]:
    """Yield a display on standard error for so many epochs of so many steps and images.

    With `shown` false, as in all processes but the first, it says nothing. Of a `device` that is a
    GPU it tells the memory. With a `tensorboard` folder it writes TensorBoard's files there, too.
    """
    if not shown:
        yield _Many([])
        return
    with ExitStack() as stack:
        files = [stack.enter_context(_events(tensorboard, monitor))] if tensorboard else []
        console = Console(stderr=True)
        words = partial(described, images=images, monitor=monitor, device=device)
        if not console.is_terminal:
            lines = _Lines(label, epochs=epochs, steps=steps, words=words)
            yield _Many([lines, *files])
            return
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        bar = stack.enter_context(Bar(*columns, console=console))
        yield _Many([_Bar(bar, epochs=epochs, steps=steps, words=words), *files])


class _Many:
    """Any number of displays as one."""

    def __init__(self, displays: Sequence[Display]) -> None:
        self.displays = displays

    def step(self, progress: Progress) -> None:
        for one in self.displays:
            one.step(progress)

    def epoch(self, progress: Progress) -> None:
        for one in self.displays:
            one.epoch(progress)


@contextmanager
def _events(folder: Path, monitor: str) -> Iterator["_Events"]:
    try:
        module = importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise UserError(
            "TensorBoard is not installed.", "Run `pip install 'segrepro[tensorboard]'`."
        ) from error
    writer = module.SummaryWriter(str(folder))
    try:
        yield _Events(writer, monitor)
    finally:
        writer.close()


class _Events:
    """TensorBoard's curves, one point per epoch."""

    def __init__(self, writer: Any, monitor: str) -> None:  # noqa: ANN401 - of an optional package
        self.writer, self.monitor = writer, monitor

    def step(self, progress: Progress) -> None:
        """Say nothing: a point per step would be slow to write and to look at."""

    def epoch(self, progress: Progress) -> None:
        last = progress.history[-1]
        curves = {
            "loss/train": last.train_loss,
            "loss/selection": last.selection_loss,
            f"{self.monitor}/selection": last.selection_monitor,
            "learning_rate": last.learning_rate,
        }
        for name, value in curves.items():
            if value is not None:
                self.writer.add_scalar(name, value, last.epoch)


class _Lines:
    def __init__(self, label: str, *, epochs: int, steps: int, words: Words) -> None:
        self.label = label
        self.epochs = epochs
        self.steps = steps
        self.said_at_s = time.monotonic()
        self.words = words

    def step(self, progress: Progress) -> None:
        """Say something in a long epoch; a line per step would fill a log."""
        if time.monotonic() - self.said_at_s >= SECONDS_BETWEEN_LINES:
            self._say(f"epoch {progress.epoch}/{self.epochs}: step {progress.step}/{self.steps}")

    def epoch(self, progress: Progress) -> None:
        left = (self.epochs - progress.history[-1].epoch) * progress.seconds_per_epoch[-1]
        last = progress.history[-1].epoch
        self._say(f"epoch {last}/{self.epochs}: {self.words(progress)}, {left:.0f} s left")

    def _say(self, line: str) -> None:
        self.said_at_s = time.monotonic()
        note(f"{self.label} {line}".lstrip())


class _Bar:
    def __init__(self, bar: Bar, *, epochs: int, steps: int, words: Words) -> None:
        self.bar = bar
        self.steps = steps
        self.words = words
        self.task = bar.add_task("training", total=epochs * steps)

    def step(self, progress: Progress) -> None:
        done = (progress.epoch - 1) * self.steps + progress.step
        self.bar.update(self.task, completed=done)

    def epoch(self, progress: Progress) -> None:
        self.bar.update(self.task, description=self.words(progress))


def described(progress: Progress, *, images: int, monitor: str, device: torch.device = CPU) -> str:
    """Return the last epoch in a few words."""
    last = progress.history[-1]
    words = [f"train loss {last.train_loss:.4g}"]
    if last.selection_monitor is not None:
        words.append(f"{monitor} {last.selection_monitor:.4f}")
    words.append(f"{images / progress.seconds_per_epoch[-1]:.1f} images/s")
    words.append(f"{peak_host_bytes() / 1e9:.1f} GB")
    on_device = peak_device_bytes(device)
    if on_device is not None:
        words.append(f"{on_device / 1e9:.1f} GB on the GPU")
    return ", ".join(words)
