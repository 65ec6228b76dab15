"""The convolutional baselines learn, as they are and through the training loop."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from _tiny_run import train_stage, train_tiny, write_study
from torch import Tensor, nn

from segrepro import losses, models

# Of full size, and in the forms that differ in more than that.
FORMS: list[tuple[str, dict[str, object]]] = [
    ("attention_unet", {}),
    ("unetpp", {}),
    ("unetpp", {"norm": "none"}),
    ("unetpp", {"deep_supervision": True}),
    ("unet3p", {}),
    ("unet3p", {"deep_supervision": True, "widths": (8, 16, 16, 16, 32)}),
    ("drunet104", {}),
    ("mobileunet", {}),
    ("deeplabv3p", {}),
    ("deeplabv3p", {"backbone": "mobilenetv2"}),
    ("deeplabv3p", {"backbone": "xception"}),
    ("pspnet", {"auxiliary_head": True}),
    ("unet", {"batch_norm": True}),
]
FEW: dict[str, dict[str, object]] = {
    "deeplabv3p": {"width_factor": 1 / 8},
    "drunet104": {"widths": (2, 4, 8, 8, 8, 16), "blocks": (1,) * 6},
    "mobileunet": {"width_factor": 1 / 4},
    "pspnet": {"width_factor": 1 / 8},
}
STEPS = 3


@pytest.fixture(autouse=True)
def _one_thread_and_a_fixed_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def squares() -> tuple[Tensor, Tensor]:
    """Return two images of 64x64 pixels with a bright square each, and where these are."""
    masks = torch.zeros(2, 1, 64, 64)
    masks[0, :, 8:40, 8:40] = 1
    masks[1, :, 24:56, 16:48] = 1
    return (masks + 0.1 * torch.rand(2, 3, 64, 64)), masks


@pytest.mark.parametrize(("name", "options"), FORMS, ids=str)
def test_a_baseline_learns_from_two_images_of_64_pixels(
    name: str, options: dict[str, object]
) -> None:
    images, masks = squares()
    network = models.build(name, channels=3, classes=1, **options)
    for layer in network.modules():
        # What is dropped differs from step to step, and so would the loss.
        if isinstance(layer, nn.Dropout | nn.Dropout2d):
            layer.p = 0.0
    loss_of = losses.build("binary_cross_entropy", {})
    # Without a moment of each weight: 76 million of them would take a gigabyte.
    optimiser = torch.optim.SGD(network.parameters(), lr=0.03)
    history: list[float] = []
    for _ in range(STEPS):
        outputs = network(images)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        loss = torch.stack([loss_of(output, masks) for output in outputs]).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        history.append(loss.item())
    assert history[-1] < history[0]


@pytest.mark.parametrize(
    "name",
    ["attention_unet", "deeplabv3p", "drunet104", "mobileunet", "pspnet", "unet3p", "unetpp"],
)
def test_a_small_form_learns_in_the_training_loop(name: str, tmp_path: Path) -> None:
    write_study(tmp_path)
    for array in ("images", "masks"):
        path = tmp_path / f"slices/{array}.npy"
        # To 64x64 pixels: the smallest that all of them take.
        np.save(path, np.load(path).repeat(4, axis=-1).repeat(4, axis=-2))
    network = {"name": name, "options": FEW.get(name, {"widths": (4, 8, 8, 8, 16)})}
    # All five training images in one batch: losses of different batches cannot be compared.
    stage = train_stage(network=network, batch_size=5, epochs=STEPS)
    history = pd.read_csv(train_tiny(tmp_path, stage) / "history.csv")
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
