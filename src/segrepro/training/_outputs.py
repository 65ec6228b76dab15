"""The files of a finished run."""

import csv
import io
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median

import safetensors.torch
import torch
from torch import Tensor

import segrepro
from segrepro.files import all_or_none, write_bytes, write_json, write_text
from segrepro.protocol.stages import TrainStage
from segrepro.training._learner import Epoch, Learner, weights_of
from segrepro.training._machine import energy_joules, peak_device_bytes, peak_host_bytes
from segrepro.training._selection import Selection
from segrepro.training.batches import in_batches

NAMES = ("model.safetensors", "last.safetensors", "history.csv", "train.json")


def remove_stale(out: Path) -> None:
    """Remove what an earlier run left under the names that this one will write."""
    for name in NAMES:
        (out / name).unlink(missing_ok=True)
        for temporary in out.glob(f".{name}.*.tmp"):
            temporary.unlink()


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a run was computed on."""

    device: torch.device
    devices: int
    threads: int
    joules_before: float | None
    """The GPU's meter when the run began; ``None`` if it has none."""

    def facts(self) -> dict[str, object]:
        """Return what the stamp says of the machine and of what was taken from it."""
        on_gpu = self.device.type == "cuda"
        joules = energy_joules(self.device)
        known = joules is not None and self.joules_before is not None
        return {
            "device": str(self.device),
            "device_name": torch.cuda.get_device_name(self.device) if on_gpu else "cpu",
            "devices": self.devices,
            "threads": self.threads,
            "peak_memory_bytes": peak_device_bytes(self.device) or peak_host_bytes(),
            "peak_host_bytes": peak_host_bytes(),
            "peak_device_bytes": peak_device_bytes(self.device),
            # Of the last time the run was started, if it was stopped in between.
            "energy_joules": joules - self.joules_before if known else None,  # type: ignore[operator]
        }


def write_outputs(
    out: Path,
    learner: Learner,
    stage: TrainStage,
    *,
    selection: Selection | None,
    machine: Machine,
    images: int,
    digests: dict[str, str | None],
) -> None:
    """Write weights, history and stamp; ``train.json`` last, so that it vouches for the others."""
    last = weights_of(learner.network)
    chosen = last if stage.recipe.checkpoint == "last" else learner.best_weights or last
    history = history_csv(learner.progress.history, monitor=stage.recipe.monitor)
    progress = learner.progress
    seconds_per_epoch = median(progress.seconds_per_epoch)
    steps_per_epoch = len(in_batches(torch.arange(images), stage.recipe.batch_size))
    stamp = {
        "protocol": stage.model_dump(mode="json"),
        "selection_part": selection.part if selection else None,
        "warning": selection.warning if selection else "",
        "best_epoch": progress.best_epoch,
        "epochs": len(progress.history),
        "stopped_early": len(progress.history) < stage.recipe.epochs,
        "resumed_times": progress.resumed_times,
        "steps": steps_per_epoch * len(progress.history),
        "seconds_total": progress.seconds,
        "seconds_per_epoch_median": seconds_per_epoch,
        "images_per_second": images / seconds_per_epoch,
        "digests": digests,
        "versions": versions(),
    } | machine.facts()
    with all_or_none(*(out / name for name in NAMES)):
        write_bytes(out / "model.safetensors", encoded_weights(chosen))
        write_bytes(out / "last.safetensors", encoded_weights(last))
        write_text(out / "history.csv", history)
        write_json(out / "train.json", stamp)


def encoded_weights(weights: dict[str, Tensor]) -> bytes:
    """Return the bytes of a safetensors file."""
    return safetensors.torch.save({name: w.cpu().contiguous() for name, w in weights.items()})


def history_csv(history: list[Epoch], *, monitor: str) -> str:
    """Return the history as CSV; floats as the shortest text that reads back as the same number."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(
        ["epoch", "train_loss", "selection_loss", f"selection_{monitor}", "learning_rate"]
    )
    for row in history:
        # An absent value is an empty cell: csv writes None as one.
        measured = (row.train_loss, row.selection_loss, row.selection_monitor)
        rows.writerow([row.epoch, *measured, row.learning_rate])
    return text.getvalue()


def versions() -> dict[str, str]:
    """Return the versions of what moves the numbers of a run."""
    return {
        "segrepro": segrepro.__version__,
        "torch": version("torch"),
        "lightning_fabric": version("lightning-fabric"),
        "safetensors": version("safetensors"),
    }
