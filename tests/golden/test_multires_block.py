"""The MultiRes block and a stage of a Res path, against the formulas written out in numpy."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from segrepro.models.multiresunet import MultiResBlock, ResStage

Array = NDArray[np.float64]
EPSILON = 1e-3


def convolution(image: Array, kernel: Array) -> Array:
    """Correlate (C, H, W) with (O, C, k, k), zeros outside, same size."""
    reach = kernel.shape[-1] // 2
    padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach)))
    out = np.zeros((len(kernel), *image.shape[1:]))
    for row in range(image.shape[1]):
        for column in range(image.shape[2]):
            window = padded[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            out[:, row, column] = (kernel * window).sum(axis=(1, 2, 3))
    return out


def norm(image: Array, weights: dict[str, Array], name: str) -> Array:
    """Normalise by running statistics; a missing gamma is one."""
    mean, variance, beta = (
        weights[f"{name}.{key}"][:, None, None] for key in ("running_mean", "running_var", "bias")
    )
    gamma = weights.get(f"{name}.weight", np.ones(len(image)))[:, None, None]
    return gamma * (image - mean) / np.sqrt(variance + EPSILON) + beta


def layer(image: Array, weights: dict[str, Array], name: str) -> Array:
    """Convolve and normalise, without an activation."""
    return norm(convolution(image, weights[f"{name}.0.weight"]), weights, f"{name}.1")


def relu(image: Array) -> Array:
    return np.maximum(image, 0)


def randomised(module: nn.Module) -> dict[str, Array]:
    """Give a module arbitrary weights and statistics, and return them."""
    rng = np.random.default_rng(0)
    values: dict[str, Array] = {}
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            low = 0.5 if name.endswith("running_var") else -1.0
            values[name] = rng.uniform(low, 1.5, tensor.shape)
            tensor.copy_(torch.from_numpy(values[name]))
    return values


def output_of(module: nn.Module, image: Array) -> Array:
    with torch.no_grad():
        out: Array = module.eval()(torch.from_numpy(image)[None])[0].numpy()
    return out


def test_a_multires_block_is_its_formula() -> None:
    block = MultiResBlock(2, (1, 2, 3)).double()
    weights = randomised(block)
    image = np.random.default_rng(1).uniform(-1, 1, (2, 5, 4))

    p = relu(layer(image, weights, "convolutions.0"))
    q = relu(layer(p, weights, "convolutions.1"))
    r = relu(layer(q, weights, "convolutions.2"))
    joined = norm(np.concatenate([p, q, r]), weights, "norm_concatenated")
    added = relu(layer(image, weights, "shortcut") + joined)

    expected = norm(added, weights, "norm_out")
    assert np.abs(output_of(block, image) - expected).max() < 1e-12


def test_a_stage_of_a_res_path_is_its_formula() -> None:
    stage = ResStage(2, 3).double()
    weights = randomised(stage)
    image = np.random.default_rng(1).uniform(-1, 1, (2, 5, 4))

    convolved = relu(layer(image, weights, "convolution"))
    added = relu(layer(image, weights, "shortcut") + convolved)

    expected = norm(added, weights, "norm_out")
    assert np.abs(output_of(stage, image) - expected).max() < 1e-12
