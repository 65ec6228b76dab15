"""How far a run has come, for the person who waits: a bar on a terminal, else a line per epoch."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from segrepro.progress import SECONDS_BETWEEN_LINES, note
from segrepro.training._learner import Progress


class Display(Protocol):
    """What the loop tells whoever watches."""

    def step(self, progress: Progress) -> None:
        """Note that a step was taken."""

    def epoch(self, progress: Progress) -> None:
        """Note that an epoch has ended; it is the last of ``progress.history``."""


@contextmanager
def display(label: str, *, epochs: int, steps: int, images: int, monitor: str) -> Iterator[Display]:
    """Yield a display on standard error for so many epochs of so many steps and images."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(label, epochs=epochs, steps=steps, images=images, monitor=monitor)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        yield _Bar(bar, epochs=epochs, steps=steps, images=images, monitor=monitor)


class _Lines:
    def __init__(self, label: str, *, epochs: int, steps: int, images: int, monitor: str) -> None:
        self.label = label
        self.epochs = epochs
        self.steps = steps
        self.said_at_s = time.monotonic()
        self.images = images
        self.monitor = monitor

    def step(self, progress: Progress) -> None:
        """Say something in a long epoch; a line per step would fill a log."""
        if time.monotonic() - self.said_at_s >= SECONDS_BETWEEN_LINES:
            self._say(f"epoch {progress.epoch}/{self.epochs}: step {progress.step}/{self.steps}")

    def epoch(self, progress: Progress) -> None:
        text = described(progress, images=self.images, monitor=self.monitor)
        left = (self.epochs - progress.history[-1].epoch) * progress.seconds_per_epoch[-1]
        last = progress.history[-1].epoch
        self._say(f"epoch {last}/{self.epochs}: {text}, {left:.0f} s left")

    def _say(self, line: str) -> None:
        self.said_at_s = time.monotonic()
        note(f"{self.label} {line}".lstrip())


class _Bar:
    def __init__(self, bar: Bar, *, epochs: int, steps: int, images: int, monitor: str) -> None:
        self.bar = bar
        self.steps = steps
        self.images = images
        self.monitor = monitor
        self.task = bar.add_task("training", total=epochs * steps)

    def step(self, progress: Progress) -> None:
        done = (progress.epoch - 1) * self.steps + progress.step
        self.bar.update(self.task, completed=done)

    def epoch(self, progress: Progress) -> None:
        text = described(progress, images=self.images, monitor=self.monitor)
        self.bar.update(self.task, description=text)


def described(progress: Progress, *, images: int, monitor: str) -> str:
    """Return the last epoch in a few words."""
    last = progress.history[-1]
    words = [f"train loss {last.train_loss:.4g}"]
    if last.selection_monitor is not None:
        words.append(f"{monitor} {last.selection_monitor:.4f}")
    words.append(f"{images / progress.seconds_per_epoch[-1]:.1f} images/s")
    return ", ".join(words)
