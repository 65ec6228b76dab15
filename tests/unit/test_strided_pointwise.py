"""A strided 1x1 convolution, and the error of oneDNN that it goes round."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from segrepro import models
from segrepro.models._pointwise import StridedPointwise


@pytest.mark.parametrize("side", [7, 8])
def test_it_is_the_strided_convolution_of_pytorch(side: int) -> None:
    torch.manual_seed(0)
    ours, theirs = StridedPointwise(4, 6, stride=2), nn.Conv2d(4, 6, 1, stride=2)
    theirs.load_state_dict(ours.state_dict())
    images = torch.rand(2, 4, side, side)
    torch.testing.assert_close(ours(images), theirs(images))


def test_a_pixel_between_the_steps_is_not_read() -> None:
    layer = StridedPointwise(1, 1, stride=2)
    images = torch.zeros(1, 1, 4, 4)
    nothing = layer(images)
    images[0, 0, 1, :] = 1
    images[0, 0, :, 3] = 1
    assert torch.equal(layer(images), nothing)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("deeplabv3p", {}),
        ("deeplabv3p", {"backbone": "xception"}),
        ("pspnet", {}),
        ("drunet104", {}),
    ],
    ids=str,
)
def test_these_networks_have_no_other_strided_1x1_convolution(
    name: str, options: dict[str, object]
) -> None:
    with torch.device("meta"):
        network = models.build(name, channels=1, classes=1, **options)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    strided = [layer for layer in layers if layer.kernel_size == (1, 1) and layer.stride != (1, 1)]
    assert strided == []
    assert any(isinstance(layer, StridedPointwise) for layer in layers)


TRAIN = """
import torch
from segrepro import models
from segrepro.models._pointwise import StridedPointwise

torch.manual_seed(0)
torch.set_num_threads(1)
layer = StridedPointwise(8, 8, stride=2).to(memory_format=torch.channels_last)
for _ in range(100):
    images = torch.rand(2, 8, 64, 64).to(memory_format=torch.channels_last).requires_grad_()
    layer(images).square().mean().backward()
"""


def test_few_channels_that_lie_last_are_trained_without_a_crash() -> None:
    # In a process of its own: where memory is corrupted, it may take this one along.
    assert subprocess.run([sys.executable, "-c", TRAIN], check=False).returncode == 0


def test_gradients_do_not_depend_on_the_layout_of_few_channels() -> None:
    torch.manual_seed(0)
    layer = StridedPointwise(4, 8, stride=2)
    images, upstream = torch.rand(2, 4, 32, 32), torch.rand(2, 8, 16, 16)
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        layer.zero_grad()
        layer(images.to(memory_format=layout)).backward(upstream.to(memory_format=layout))
        gradients.append(layer.weight.grad.clone())
    torch.testing.assert_close(*gradients)
