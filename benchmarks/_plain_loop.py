"""The loop that a tutorial teaches: a data set of png files, a loader with two workers, steps."""

from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks._training import (
    BATCH,
    LEARNING_RATE,
    GivenOrder,
    Trained,
    fresh_network,
    png_files,
)

WORKERS = 2


class PngSlices(Dataset[tuple[Tensor, Tensor]]):
    """Images and masks, read and decoded when asked for."""

    def __init__(self, files: list[tuple[Path, Path]]) -> None:
        self.files = files

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return an image in 0..1 and its mask, both (1, H, W), float32."""
        image, mask = (torch.from_numpy(np.array(Image.open(path))) for path in self.files[index])
        return image[None].float() / 255, (mask[None] > 0).float()


def train_plainly(folder: Path, epochs: int, device: str) -> Trained:
    """Train in fp32 and PyTorch's default memory format; the time is that of the epochs."""
    files = png_files(folder)
    loader = DataLoader(
        PngSlices(files), batch_size=BATCH, sampler=GivenOrder(len(files)), num_workers=WORKERS
    )
    network = fresh_network().to(device)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    entropy = nn.BCEWithLogitsLoss()
    losses = []
    began = perf_counter()
    for _ in range(epochs):
        loss_sum = 0.0
        for inputs, wanted in loader:
            optimiser.zero_grad()
            loss = entropy(network(inputs.to(device)), wanted.to(device))
            loss.backward()
            optimiser.step()
            loss_sum += loss.item() * len(inputs)
        losses.append(loss_sum / len(files))
    return Trained(perf_counter() - began, losses)
