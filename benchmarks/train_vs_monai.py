"""Images per second of our training loop, against MONAI's SupervisedTrainer with a CacheDataset.

Both train U-Net 32 to 512 at 256x256, batch 4, fp32, from the same weights in the same order, to
the same losses. MONAI's images are decoded before the clock starts, and its loader has no workers,
which would have nothing to do. SupervisedTrainer needs the package pytorch-ignite.
"""

from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn

from benchmarks._result import Result
from benchmarks._training import (
    BATCH,
    LEARNING_RATE,
    GivenOrder,
    Trained,
    compare,
    fresh_network,
    png_files,
)
from segrepro.errors import UserError

BAR = 1.4
TOLERANCE = 0.001
"""The order of sums differs with the memory format, and Adam's first steps go by signs."""


def measure(device: str = "cpu") -> Result:
    """Return how many times as fast our loop is."""
    if find_spec("ignite") is None:
        raise UserError(
            "MONAI's SupervisedTrainer needs pytorch-ignite, which is not installed.",
            "Run `pip install pytorch-ignite`.",
        )
    return compare("train_vs_monai", train_with_monai, device=device, bar=BAR, tolerance=TOLERANCE)


def train_with_monai(folder: Path, epochs: int, device: str) -> Trained:
    """Train with MONAI's defaults; the time is that of the epochs."""
    # Seconds to import, and only here.
    from monai.engines.trainer import SupervisedTrainer  # noqa: PLC0415 - see above

    loader = _loader(folder)
    network = fresh_network().to(device)
    step_losses: list[float] = []
    trainer = SupervisedTrainer(
        device=device,
        max_epochs=epochs,
        train_data_loader=loader,
        network=network,
        optimizer=torch.optim.Adam(network.parameters(), lr=LEARNING_RATE),
        loss_function=nn.BCEWithLogitsLoss(),
        train_handlers=[_LossHandler(step_losses)],
    )
    began = perf_counter()
    trainer.run()
    seconds = perf_counter() - began
    # All batches are of one size, so an epoch's mean is that of its steps.
    by_epoch = torch.tensor(step_losses).view(epochs, -1)
    return Trained(seconds, by_epoch.mean(dim=1).tolist())


def _loader(folder: Path) -> Any:  # noqa: ANN401 - a class of MONAI, imported late
    """Return a loader of images that were decoded beforehand."""
    from monai import data, transforms  # noqa: PLC0415 - seconds to import, and only here

    keys = ("image", "label")
    prepared = transforms.Compose(
        [
            # By default rows and columns change places.
            transforms.LoadImaged(keys, reader=data.PILReader(reverse_indexing=False)),
            transforms.EnsureChannelFirstd(keys),
            transforms.ScaleIntensityRanged(keys, a_min=0, a_max=255, b_min=0, b_max=1),
        ]
    )
    files = [dict(zip(keys, map(str, pair), strict=True)) for pair in png_files(folder)]
    cached = data.CacheDataset(files, prepared, progress=False)
    return data.DataLoader(cached, batch_size=BATCH, sampler=GivenOrder(len(files)), num_workers=0)


class _LossHandler:
    """Note the loss of each step."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def attach(self, engine: Any) -> None:  # noqa: ANN401 - of an optional package
        """Be called after each step."""
        from ignite.engine import Events  # noqa: PLC0415 - an optional package

        engine.add_event_handler(Events.ITERATION_COMPLETED, self._note)

    def _note(self, engine: Any) -> None:  # noqa: ANN401 - as above
        # MONAI takes a batch apart into a list of images, each with the loss of the batch.
        self.losses.append(float(engine.state.output[0]["loss"]))
