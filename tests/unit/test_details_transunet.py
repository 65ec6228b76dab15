"""Details of TransUNet that a count of parameters does not see."""

from collections.abc import Iterator

import pytest
import torch
from _watch import watched
from torch import nn
from torch.nn import functional

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._vit import Attention, Layer, StandardisedConv2d, Unit

SMALL = {"width_factor": 1 / 2, "units": (1, 1, 1), "layers": 1, "image_size": 64}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(channels: int = 1, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return models.build("transunet", channels=channels, classes=2, **{**SMALL, **options}).eval()


def on_paper() -> nn.Module:
    with torch.device("meta"):
        return models.build("transunet", channels=3, classes=1)


def test_a_filter_is_brought_to_mean_zero_and_variance_one() -> None:
    layer = StandardisedConv2d(2, 3, 3, padding=1, bias=False)
    images = torch.rand(1, 2, 5, 5)
    filters = layer.weight.detach()
    means = filters.mean((1, 2, 3), keepdim=True)
    # The mean square, not that over one value less.
    variances = (filters - means).square().mean((1, 2, 3), keepdim=True)
    expected = functional.conv2d(images, (filters - means) / (variances + 1e-5).sqrt(), padding=1)
    torch.testing.assert_close(layer(images), expected)


def test_every_convolution_of_the_resnet_is_standardised_and_none_of_the_decoder() -> None:
    network = on_paper()
    resnet = network.transformer.embeddings.hybrid_model
    convolutions = [each for each in resnet.modules() if isinstance(each, nn.Conv2d)]
    # A stem, three in each of 16 units, and three shortcuts.
    assert len(convolutions) == 1 + 3 * 16 + 3
    assert all(type(each) is StandardisedConv2d and each.bias is None for each in convolutions)
    assert not any(isinstance(each, StandardisedConv2d) for each in network.decoder.modules())


def test_the_resnet_gives_exact_fractions_of_the_sides() -> None:
    resnet = small(image_size=96).transformer.embeddings.hybrid_model
    with torch.no_grad():
        outs = resnet(torch.rand(1, 3, 96, 96))
    assert [tuple(out.shape[1:]) for out in outs] == [
        (32, 48, 48), (128, 24, 24), (256, 12, 12), (512, 6, 6),
    ]  # fmt: skip


def test_the_pool_loses_a_pixel_that_only_the_skip_connection_gets_back() -> None:
    resnet = small().transformer.embeddings.hybrid_model
    with torch.no_grad():
        seen = watched(resnet, torch.rand(1, 3, 64, 64), block2=resnet.body.block2)
        quarter = resnet(torch.rand(1, 3, 64, 64))[1]
    assert seen["block2"][0].shape[2:] == (15, 15)
    assert quarter.shape[2:] == (16, 16)
    assert not quarter[:, :, -1].any()
    assert not quarter[:, :, :, -1].any()
    assert quarter[:, :, :-1, :-1].any()


def test_the_normalisations_have_32_groups_but_beside_a_shortcut_s_convolution() -> None:
    unit = Unit(64, 256, stride=2)
    assert [(norm.num_groups, norm.eps) for norm in (unit.gn1, unit.gn2, unit.gn3)] == [
        (32, 1e-6), (32, 1e-6), (32, 1e-6),
    ]  # fmt: skip
    assert (unit.gn_proj.num_groups, unit.gn_proj.eps) == (256, 1e-5)


def test_a_unit_strides_in_its_3x3_convolution_and_its_shortcut() -> None:
    unit = Unit(64, 256, stride=2)
    assert [each.stride[0] for each in (unit.conv1, unit.conv2, unit.conv3)] == [1, 2, 1]
    assert unit.downsample.stride[0] == 2
    assert isinstance(Unit(256, 256, stride=1).downsample, nn.Identity)


def test_a_unit_activates_after_the_sum() -> None:
    unit = Unit(64, 256, stride=1)
    with torch.no_grad():
        seen = watched(unit, torch.randn(1, 64, 4, 4), residual=unit.gn3, shortcut=unit.gn_proj)
        given = unit(torch.randn(1, 64, 4, 4))
    assert seen["residual"][1].min() < 0
    assert given.min() == 0


def test_only_the_first_unit_of_the_later_blocks_strides() -> None:
    body = on_paper().transformer.embeddings.hybrid_model.body
    strides = [[unit.conv2.stride[0] for unit in block] for block in body]
    assert strides == [[1] * 3, [2, *[1] * 3], [2, *[1] * 8]]


def test_attention_is_that_of_pytorch_over_twelve_heads() -> None:
    torch.manual_seed(0)
    attention, tokens = Attention(24, heads=12), torch.rand(2, 5, 24)
    split = [
        layer(tokens).view(2, 5, 12, 2).transpose(1, 2)
        for layer in (attention.query, attention.key, attention.value)
    ]
    joined = functional.scaled_dot_product_attention(*split).transpose(1, 2).reshape(2, 5, 24)
    torch.testing.assert_close(attention(tokens), attention.out(joined))
    assert on_paper().transformer.encoder.layer[0].attn.heads == 12


def test_a_layer_normalises_before_attention_and_before_the_perceptron() -> None:
    torch.manual_seed(0)
    layer, tokens = Layer(24, heads=2, hidden=48).eval(), torch.rand(1, 5, 24)
    assert layer.attention_norm.eps == layer.ffn_norm.eps == 1e-6
    attended = tokens + layer.attn(layer.attention_norm(tokens))
    hidden = functional.gelu(layer.ffn.fc1(layer.ffn_norm(attended)))
    torch.testing.assert_close(layer(tokens), attended + layer.ffn.fc2(hidden))


def test_training_drops_a_tenth_of_the_embeddings_and_in_the_perceptrons() -> None:
    network = on_paper()
    dropouts = [each for each in network.modules() if isinstance(each, nn.Dropout)]
    # One over the embeddings, one in each of twelve perceptrons, none in attention.
    assert [each.p for each in dropouts] == [0.1] * 13
    torch.manual_seed(0)
    perceptron = Layer(24, heads=2, hidden=480).ffn.train()
    calls: list[float] = []
    perceptron.dropout.register_forward_hook(
        lambda _, __, out: calls.append((out == 0).float().mean().item())
    )
    perceptron(torch.rand(8, 100, 24))
    assert calls == pytest.approx([0.1, 0.1], abs=0.01)


def test_tokens_are_read_row_by_row_and_put_back_in_their_places() -> None:
    network = small()
    embeddings = network.transformer.embeddings
    parts = {"patches": embeddings.patch_embeddings, "dropout": embeddings.dropout}
    parts |= {"encoder": network.transformer.encoder, "decoder": network.decoder.conv_more}
    with torch.no_grad():
        embeddings.position_embeddings.normal_()
        seen = watched(network, torch.rand(1, 1, 64, 64), **parts)
    tokens = seen["dropout"][0] - embeddings.position_embeddings
    # Row 2, column 1 of 4x4.
    torch.testing.assert_close(tokens[:, 9], seen["patches"][1][:, :, 2, 1])
    assert torch.equal(seen["decoder"][0][:, :, 2, 1], seen["encoder"][1][:, 9])


def test_the_decoder_joins_its_own_features_first_and_has_no_finest_skip() -> None:
    network = small()
    ups = network.decoder.blocks
    parts = {f"up{place}": up.conv1 for place, up in enumerate(ups)}
    parts["more"] = network.decoder.conv_more
    with torch.no_grad():
        seen = watched(network, torch.rand(1, 1, 64, 64), **parts)
    aligned = functional.interpolate(seen["more"][1], (8, 8), mode="bilinear", align_corners=True)
    joined = seen["up0"][0]
    torch.testing.assert_close(joined[:, : aligned.shape[1]], aligned)
    skips = network.transformer.embeddings.hybrid_model.widths
    assert joined.shape[1] == aligned.shape[1] + skips[2]
    assert [seen[f"up{place}"][0].shape[1] for place in (1, 2, 3)] == [
        128 + skips[1], 64 + skips[0], 32,
    ]  # fmt: skip


def test_one_channel_is_repeated_to_three() -> None:
    network, images = small(), torch.rand(1, 1, 64, 64)
    three = small(channels=3)
    three.load_state_dict(network.state_dict())
    with torch.no_grad():
        assert torch.equal(network(images), three(images.repeat(1, 3, 1, 1)))


def test_queries_keys_and_values_are_layers_of_their_own() -> None:
    attention = on_paper().transformer.encoder.layer[0].attn
    shapes = {name: tuple(each.shape) for name, each in attention.state_dict().items()}
    weights = {f"{part}.weight": (768, 768) for part in ("query", "key", "value", "out")}
    biases = {f"{part}.bias": (768,) for part in ("query", "key", "value", "out")}
    assert shapes == weights | biases


@pytest.mark.parametrize("image_size", [16, 40, 250])
def test_a_size_without_tokens_of_16_pixels_is_refused(image_size: int) -> None:
    with pytest.raises(UserError, match=f"{image_size}x{image_size} cannot be divided into tokens"):
        small(image_size=image_size)


def test_images_of_another_size_than_the_network_s_are_refused() -> None:
    with pytest.raises(UserError, match="sides must be 64x64; got 64x32"):
        small()(torch.rand(1, 1, 64, 32))


def test_filters_that_make_no_groups_are_refused() -> None:
    with pytest.raises(UserError, match="16 filters make no 32 groups"):
        small(width_factor=1 / 4)


def test_positions_begin_at_zero_and_perceptrons_with_glorots_weights() -> None:
    network = small()
    assert not network.transformer.embeddings.position_embeddings.any()
    layer = network.transformer.encoder.layer[0].ffn.fc1
    bound = (6 / (384 + 1536)) ** 0.5
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert 0 < layer.bias.abs().max() < 1e-5
