"""Details of Swin-Unet that a count of parameters does not see."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._window import SwinBlock, WindowAttention, from_windows, in_windows

SIDE, WINDOW, WIDTH, HEADS = 8, 4, 6, 2


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def block_of_random_weights(shift: int) -> SwinBlock:
    torch.manual_seed(0)
    block = SwinBlock(
        WIDTH, heads=HEADS, side=SIDE, window=WINDOW, shift=shift, drop_path=0.5
    ).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.uniform_(-1, 1)
    return block.eval()


def blocks(network: nn.Module) -> list[SwinBlock]:
    return [module for module in network.modules() if isinstance(module, SwinBlock)]


def window_of(pixel: tuple[int, int], shift: int) -> tuple[int, int]:
    row, column = pixel
    return (row + WINDOW - shift) // WINDOW, (column + WINDOW - shift) // WINDOW


def pixel_by_pixel(attention: WindowAttention, features: Tensor, shift: int) -> Tensor:
    """Return each pixel's attention to those of its window; a window ends at the image's edge."""
    weight, bias = attention.qkv.weight, attention.qkv.bias
    query, key, value = (features[0] @ weight.t() + bias).split(WIDTH, dim=-1)
    pixels = [(row, column) for row in range(SIDE) for column in range(SIDE)]
    out = torch.zeros_like(query)
    for pixel in pixels:
        near = [other for other in pixels if window_of(other, shift) == window_of(pixel, shift)]
        for head in range(HEADS):
            part = slice(head * WIDTH // HEADS, (head + 1) * WIDTH // HEADS)
            logits = torch.stack(
                [
                    query[pixel][part] @ key[other][part] / (WIDTH / HEADS) ** 0.5
                    + attention.relative_position_bias_table[
                        (pixel[0] - other[0] + WINDOW - 1) * (2 * WINDOW - 1)
                        + (pixel[1] - other[1] + WINDOW - 1),
                        head,
                    ]
                    for other in near
                ]
            )
            values = torch.stack([value[other][part] for other in near])
            out[pixel][part] = logits.softmax(0) @ values
    return out @ attention.proj.weight.t() + attention.proj.bias


@pytest.mark.parametrize("shift", [0, 2])
def test_a_block_is_attention_of_each_pixel_to_its_window_and_a_perceptron(shift: int) -> None:
    block = block_of_random_weights(shift)
    features = torch.rand(1, SIDE, SIDE, WIDTH, dtype=torch.float64)
    with torch.no_grad():
        attended = features + pixel_by_pixel(block.attn, block.norm1(features), shift)
        hidden = functional.gelu(block.mlp.fc1(block.norm2(attended)))
        expected = attended + block.mlp.fc2(hidden)
        torch.testing.assert_close(block(features), expected, rtol=0, atol=1e-10)


def test_windows_are_taken_row_by_row_and_put_back() -> None:
    features = torch.arange(16.0).view(1, 4, 4, 1)
    windows = in_windows(features, 2)
    assert windows[0, :, :, 0].tolist() == [
        [0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15],
    ]  # fmt: skip
    assert torch.equal(from_windows(windows, 4, 4), features)


@pytest.mark.parametrize(
    ("image_size", "window", "windows"),
    [(256, 8, [8, 8, 8, 8]), (224, 7, [7, 7, 7, 7]), (384, 12, [12] * 4), (64, 8, [8, 8, 4, 2])],
)
def test_a_window_is_never_larger_than_the_features(
    image_size: int, window: int, windows: list[int]
) -> None:
    with torch.device("meta"):
        network = models.build(
            "swinunet", channels=3, classes=1, image_size=image_size, window=window
        )
    assert [level.blocks[0].window for level in network.layers] == windows


def test_every_second_block_shifts_its_windows_where_there_are_several() -> None:
    with torch.device("meta"):
        network = models.build("swinunet", channels=3, classes=1)
    shifts = [[block.shift for block in level.blocks] for level in network.layers]
    assert shifts == [[0, 4], [0, 4], [0, 4], [0, 0]]
    decoder = [[block.shift for block in blocks(level)] for level in network.layers_up]
    assert decoder == [[], [0, 4], [0, 4], [0, 4]]


def test_a_window_of_seven_is_shifted_by_three() -> None:
    with torch.device("meta"):
        network = models.build("swinunet", channels=3, classes=1, image_size=224, window=7)
    assert {block.shift for block in blocks(network)} == {0, 3}


@pytest.mark.parametrize(("image_size", "window"), [(256, 7), (224, 8), (240, 8), (250, 8)])
def test_a_size_that_windows_do_not_divide_is_refused(image_size: int, window: int) -> None:
    with pytest.raises(UserError, match=f"{image_size}x{image_size} cannot be divided") as refusal:
        models.build("swinunet", channels=3, classes=1, image_size=image_size, window=window)
    assert "224 with 7 or 256 with 8" in refusal.value.cure


def test_heads_that_do_not_divide_the_channels_are_refused() -> None:
    with pytest.raises(UserError, match="96 channels cannot be divided among 5 heads"):
        models.build("swinunet", channels=3, classes=1, heads=(5, 6, 12, 24))


def test_images_of_another_size_than_the_network_s_are_refused() -> None:
    with torch.device("meta"):
        network = models.build("swinunet", channels=3, classes=1)
        with pytest.raises(UserError, match="sides must be 256x256; got 224x224"):
            network(torch.empty(1, 3, 224, 224))


def test_the_parameters_of_a_block_have_the_names_and_shapes_of_swin() -> None:
    with torch.device("meta"):
        network = models.build("swinunet", channels=3, classes=1, image_size=224, window=7)
    shapes = {n: tuple(t.shape) for n, t in network.layers[1].blocks[1].state_dict().items()}
    assert shapes == {
        "norm1.weight": (192,),
        "norm1.bias": (192,),
        "attn.relative_position_bias_table": (169, 6),
        "attn.qkv.weight": (576, 192),
        "attn.qkv.bias": (576,),
        "attn.proj.weight": (192, 192),
        "attn.proj.bias": (192,),
        "norm2.weight": (192,),
        "norm2.bias": (192,),
        "mlp.fc1.weight": (768, 192),
        "mlp.fc1.bias": (768,),
        "mlp.fc2.weight": (192, 768),
        "mlp.fc2.bias": (192,),
    }


def test_linear_layers_and_position_biases_begin_with_a_deviation_of_a_fiftieth() -> None:
    torch.manual_seed(0)
    network = models.build("swinunet", channels=3, classes=1, width=24, heads=(1, 2, 4, 8))
    tables = [block.attn.relative_position_bias_table for block in blocks(network)]
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    for values in (tables, [layer.weight for layer in linear]):
        flat = torch.cat([each.flatten() for each in values])
        assert flat.std().item() == pytest.approx(0.02, rel=0.03)
    assert not any(layer.bias.any() for layer in linear if layer.bias is not None)
