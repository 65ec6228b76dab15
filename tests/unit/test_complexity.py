"""What a network costs, for networks whose cost can be worked out by hand."""

import json
from pathlib import Path

import torch
from torch import nn

from segrepro.inference.complexity import complexity, peak_memory_bytes
from segrepro.models._count import multiply_adds
from segrepro.protocol.stages import ComplexityStage


def test_a_3x3_convolution_multiplies_nine_times_per_channel_pair_and_pixel() -> None:
    network = nn.Conv2d(2, 5, 3, padding=1)
    assert multiply_adds(network, torch.zeros(1, 2, 8, 8)) == 9 * 2 * 5 * 64


def test_a_transposed_convolution_multiplies_four_times_per_pixel_that_comes_in() -> None:
    network = nn.ConvTranspose2d(4, 2, 2, stride=2)
    assert multiply_adds(network, torch.zeros(1, 4, 8, 8)) == 4 * 4 * 2 * 64


def test_a_convolution_holds_its_weight_its_input_and_its_output() -> None:
    network = nn.Conv2d(1, 1, 1, bias=False)
    with torch.no_grad():
        # One weight and twice 64 pixels, of four bytes each.
        assert peak_memory_bytes(network, torch.zeros(1, 1, 8, 8)) == 4 * (1 + 64 + 64)


def test_memory_that_was_given_back_counts_once() -> None:
    images = torch.zeros(1, 1, 8, 8)
    network = nn.Sequential(*(nn.Threshold(0.5, 0.0) for _ in range(10)))
    with torch.no_grad():
        # Ten steps, of which never more than the input, one result and the next are alive.
        assert peak_memory_bytes(network, images) == 4 * 3 * 64


def test_the_file_holds_the_size_and_the_cost(tmp_path: Path) -> None:
    stage = ComplexityStage.model_validate(
        {
            "network": {"name": "unet", "options": {"widths": (2, 4)}},
            "counted_with": {"channels": 1, "classes": 1, "size": (16, 16)},
        }
    )
    complexity(stage, out=tmp_path / "c.json", threads=1)
    content = json.loads((tmp_path / "c.json").read_text())
    # Kernels and biases, level by level: down 1-2-2 and 2-4-4, up 4-2, then 4-2-2, and out 2-1.
    parameters = (18 + 2) + (36 + 2) + (72 + 4) + (144 + 4) + (32 + 2) + (72 + 2) + (36 + 2) + 3
    assert content["parameters_total"] == content["parameters_trainable"] == parameters
    assert content["weight_bytes"] == 4 * parameters
    # Kernel values times pixels: 256 on the upper level, 64 on the lower one.
    on_256, on_64 = 18 + 36 + 72 + 36 + 2, 72 + 144 + 32
    assert content["multiply_adds"] == 256 * on_256 + 64 * on_64
    assert content["latency_seconds"] > 0
    assert content["peak_memory_bytes"] > content["weight_bytes"]
    assert (content["network"], content["size"]) == ("unet", [16, 16])
