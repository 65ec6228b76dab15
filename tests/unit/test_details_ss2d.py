"""Details of VM-UNet's and Mamba-UNet's block that a count of parameters does not see."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro import models
from segrepro.models._ss2d import (
    SS2D,
    VSSBlock,
    from_four_directions,
    in_four_directions,
)

WIDTH = 20
INNER, RANK, STATES = 40, 2, 16


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def fresh(width: int = WIDTH) -> SS2D:
    torch.manual_seed(0)
    return SS2D(width)


def of_random_weights() -> SS2D:
    """Return a layer in float64 in which no weight is 0 or 1 by its start."""
    layer = fresh().double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.uniform_(-1, 1)
    return layer


def pixel_orders(height: int, width: int) -> list[list[tuple[int, int]]]:
    by_row = [(row, column) for row in range(height) for column in range(width)]
    by_column = [(row, column) for column in range(width) for row in range(height)]
    return [by_row, by_column, by_row[::-1], by_column[::-1]]


def as_the_papers_write_it(layer: SS2D, features: Tensor) -> Tensor:
    """Return the layer's output from the recurrence, pixel by pixel, of one image."""
    inner, gate = (features @ layer.in_proj.weight.t()).split(INNER, dim=-1)
    convolved = functional.conv2d(
        inner.permute(0, 3, 1, 2), layer.conv2d.weight, layer.conv2d.bias, padding=1, groups=INNER
    )
    pixels = functional.silu(convolved)[0].permute(1, 2, 0)
    total = torch.zeros_like(pixels)
    for direction, order in enumerate(pixel_orders(*pixels.shape[:2])):
        rows = slice(direction * INNER, (direction + 1) * INNER)
        rates, skip = -torch.exp(layer.A_logs[rows]), layer.Ds[rows]
        state = torch.zeros(INNER, STATES, dtype=pixels.dtype)
        for place in order:
            pixel = pixels[place]
            ranks, write, read = (layer.x_proj_weight[direction] @ pixel).split(
                [RANK, STATES, STATES]
            )
            step = functional.softplus(
                layer.dt_projs_weight[direction] @ ranks + layer.dt_projs_bias[direction]
            )
            state = torch.exp(step[:, None] * rates) * state + torch.outer(step * pixel, write)
            total[place] += state @ read + skip * pixel
    normalised = functional.layer_norm(
        total, (INNER,), layer.out_norm.weight, layer.out_norm.bias, eps=1e-5
    )
    return (normalised * functional.silu(gate[0])) @ layer.out_proj.weight.t()


def test_the_layer_is_the_gated_scan_of_the_papers_along_four_directions() -> None:
    layer, features = of_random_weights(), torch.rand(1, 3, 5, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        expected = as_the_papers_write_it(layer, features)
        torch.testing.assert_close(layer(features)[0], expected, rtol=0, atol=1e-10)


def test_the_directions_are_rows_and_columns_and_both_from_the_end() -> None:
    pixels = torch.arange(6).view(1, 2, 3, 1)
    assert in_four_directions(pixels)[0, :, :, 0].t().tolist() == [
        [0, 1, 2, 3, 4, 5],
        [0, 3, 1, 4, 2, 5],
        [5, 4, 3, 2, 1, 0],
        [5, 2, 4, 1, 3, 0],
    ]


def test_what_the_directions_give_is_added_at_each_pixel() -> None:
    pixels = torch.arange(12.0).view(1, 3, 4, 1)
    sequences = in_four_directions(pixels) * torch.tensor([1.0, 10, 100, 1000]).view(1, 1, 4, 1)
    assert torch.equal(from_four_directions(sequences, 3, 4), 1111 * pixels)


def test_the_parameters_have_the_names_and_shapes_of_vmamba() -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in fresh(96).state_dict().items()}
    assert shapes == {
        "x_proj_weight": (4, 6 + 16 + 16, 192),
        "dt_projs_weight": (4, 192, 6),
        "dt_projs_bias": (4, 192),
        "A_logs": (4 * 192, 16),
        "Ds": (4 * 192,),
        "in_proj.weight": (384, 96),
        "conv2d.weight": (192, 1, 3, 3),
        "conv2d.bias": (192,),
        "out_norm.weight": (192,),
        "out_norm.bias": (192,),
        "out_proj.weight": (96, 192),
    }


def test_the_rates_begin_at_one_to_sixteen_and_the_direct_shares_at_one() -> None:
    layer = fresh()
    rates = layer.A_logs.exp()
    torch.testing.assert_close(rates, torch.arange(1.0, 17).expand(4 * INNER, 16))
    assert torch.equal(layer.Ds, torch.ones(4 * INNER))


def test_the_steps_begin_evenly_between_a_thousandth_and_a_tenth_in_their_logarithm() -> None:
    steps = functional.softplus(fresh(192).dt_projs_bias.double())
    share = torch.log(steps / 0.001) / math.log(100)
    assert share.min().item() == pytest.approx(0, abs=0.01)
    assert share.max().item() == pytest.approx(1, abs=0.01)
    assert share.mean().item() == pytest.approx(1 / 2, abs=0.03)
    assert share.std().item() == pytest.approx(12**-0.5, abs=0.02)


@pytest.mark.parametrize(("name", "fan_in"), [("x_proj_weight", 384), ("dt_projs_weight", 12)])
def test_the_projections_begin_uniform_within_the_root_of_their_inputs(
    name: str, fan_in: int
) -> None:
    values = getattr(fresh(192), name) * fan_in**0.5
    assert 0.99 < values.abs().max() <= 1 + 1e-6
    assert values.std().item() == pytest.approx(3**-0.5, rel=0.03)


@pytest.mark.parametrize("name", ["vmunet", "mambaunet"])
def test_linear_layers_begin_with_a_deviation_of_a_fiftieth_and_the_scan_as_mamba_does(
    name: str,
) -> None:
    torch.manual_seed(0)
    network = models.build(name, channels=3, classes=1, width=16)
    linear = [module.weight for module in network.modules() if isinstance(module, nn.Linear)]
    values = torch.cat([weight.flatten() for weight in linear])
    assert values.std().item() == pytest.approx(0.02, rel=0.03)
    scans = [module for module in network.modules() if isinstance(module, SS2D)]
    assert all(scan.x_proj_weight.abs().max() > 0.9 * scan.inner**-0.5 for scan in scans)
    assert all(torch.equal(scan.Ds, torch.ones_like(scan.Ds)) for scan in scans)


def test_the_block_is_the_normalised_scan_beside_a_shortcut_and_nothing_more() -> None:
    block = VSSBlock(WIDTH, drop_path=0.5).eval()
    assert block.ln_1.eps == 1e-5
    features = torch.rand(1, 4, 4, WIDTH)
    expected = features + block.self_attention(functional.layer_norm(features, (WIDTH,)))
    torch.testing.assert_close(block(features), expected)


def test_training_drops_the_residual_of_whole_images_and_scales_the_others_up() -> None:
    block = VSSBlock(WIDTH, drop_path=0.5)
    image = torch.rand(1, 4, 4, WIDTH)
    residual = block.eval()(image) - image
    torch.manual_seed(0)
    with torch.no_grad():
        given = block.train()(image.expand(64, -1, -1, -1)) - image
    doubled = (given - 2 * residual).abs().amax(dim=(1, 2, 3)) < 1e-5
    dropped = given.abs().amax(dim=(1, 2, 3)) < 1e-5
    assert (doubled | dropped).all()
    assert 20 < doubled.sum() < 44


def test_under_autocast_what_is_scanned_stays_in_single_precision_until_it_is_normalised() -> None:
    layer = fresh()
    seen: dict[str, torch.dtype] = {}
    layer.conv2d.register_forward_hook(lambda _, __, out: seen.update(convolved=out.dtype))
    layer.out_norm.register_forward_pre_hook(lambda _, given: seen.update(scanned=given[0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        given = layer(torch.rand(1, 4, 4, WIDTH))
    assert seen == {"convolved": torch.bfloat16, "scanned": torch.float32}
    assert given.dtype == torch.bfloat16
