"""Details of 2D Dense-UNet that a count of parameters does not see."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models.denseunet import Scale


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(**options: object) -> nn.Module:
    torch.manual_seed(0)
    tiny = {"blocks": (1, 2, 1, 1), "growth": 2, "stem_width": 4, "last_width": 3}
    return models.build("denseunet", channels=1, classes=1, **{**tiny, **options})


def run_and_watch(network: nn.Module, **watched: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the input and the output of each watched module, in one forward pass."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in watched.items():
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: seen.update({name: (inputs[0], output)})
        )
    network(torch.rand(2, 1, 32, 32))
    return seen


def doubled(features: Tensor) -> Tensor:
    """Repeat every pixel twice along both axes."""
    return features.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)


def test_a_skip_is_added_to_the_repeated_pixels_of_the_level_below() -> None:
    network = small().eval()
    seen = run_and_watch(
        network, below=network.decoder[0], skip=network.blocks[1], level=network.decoder[1]
    )
    assert torch.equal(seen["level"][0], doubled(seen["below"][1]) + seen["skip"][1])


def test_the_deepest_skip_passes_a_1x1_convolution() -> None:
    network = small().eval()
    seen = run_and_watch(
        network,
        deepest=network.norm_deepest,
        skip=network.blocks[2],
        line=network.line,
        level=network.decoder[0],
    )
    assert torch.equal(seen["line"][0], seen["skip"][1])
    assert torch.equal(seen["level"][0], doubled(seen["deepest"][1]) + seen["line"][1])


def test_the_finest_skip_is_the_stem_normalised_and_activated_but_not_pooled() -> None:
    network = small().eval()
    seen = run_and_watch(
        network, below=network.decoder[-3], skip=network.stem, level=network.decoder[-2]
    )
    assert seen["skip"][1].min() == 0
    assert torch.equal(seen["level"][0], doubled(seen["below"][1]) + seen["skip"][1])


def test_the_last_level_has_no_skip() -> None:
    network = small().eval()
    seen = run_and_watch(network, below=network.decoder[-2], level=network.decoder[-1])
    assert torch.equal(seen["level"][0], doubled(seen["below"][1]))


def test_the_decoder_has_768_384_96_96_and_64_filters() -> None:
    with torch.device("meta"):
        network = models.build("denseunet", channels=1, classes=2)
    assert [level[0].out_channels for level in network.decoder] == [768, 384, 96, 96, 64]
    assert network.line.in_channels == 2112
    assert network.line.out_channels == 2208


def test_a_dense_layer_keeps_what_it_reads_and_adds_its_growth() -> None:
    network = small(growth=5).eval()
    seen = run_and_watch(network, layer=network.blocks[0][0])
    before, after = seen["layer"]
    assert after.shape[1] == before.shape[1] + 5
    assert torch.equal(after[:, : before.shape[1]], before)


def test_a_transition_halves_channels_and_sides() -> None:
    network = small().eval()
    before, after = run_and_watch(network, transition=network.transitions[0])["transition"]
    assert after.shape == (2, before.shape[1] // 2, before.shape[2] // 2, before.shape[3] // 2)


def test_dropout_stands_before_the_last_normalisation_only() -> None:
    kinds = [[type(layer).__name__ for layer in level] for level in small().decoder]
    plain = ["Conv2d", "BatchNorm2d", "ReLU"]
    assert kinds == [plain] * 4 + [["Conv2d", "Dropout", "BatchNorm2d", "ReLU"]]
    assert small().decoder[-1][1].p == 0.3


def test_the_encoder_normalises_with_an_epsilon_of_its_own_and_the_decoder_with_keras_s() -> None:
    network = small()
    constants = {
        (name.startswith("decoder"), layer.eps, layer.momentum)
        for name, layer in network.named_modules()
        if isinstance(layer, nn.BatchNorm2d)
    }
    assert constants == {(False, 1.1e-5, 0.01), (True, 1e-3, 0.01)}


def test_kernels_begin_in_glorots_interval_in_the_encoder() -> None:
    network = small(growth=8, stem_width=16)
    for layer in [*network.stem, *network.blocks.modules(), *network.transitions.modules()]:
        if isinstance(layer, nn.Conv2d):
            fans = (layer.in_channels + layer.out_channels) * math.prod(layer.kernel_size)
            assert 0.9 * math.sqrt(6 / fans) < layer.weight.abs().max() <= math.sqrt(6 / fans)


def test_kernels_of_the_decoder_begin_with_a_deviation_of_a_twentieth_whatever_comes_in() -> None:
    network = small(growth=16, stem_width=32, last_width=64)
    kernels = [network.line.weight, *(level[0].weight for level in network.decoder)]
    deviations = [kernel.std().item() for kernel in kernels]
    assert deviations == pytest.approx([0.05] * 6, rel=0.1)
    # Normal, and not uniform: some lie beyond three deviations.
    assert max(kernel.abs().max().item() for kernel in kernels) > 0.15
    assert 0 < network.output.weight.abs().max() < 0.25
    assert not any(layer.bias.any() for layer in (network.line, network.output))


def test_scale_layers_follow_the_encoders_normalisations_and_start_as_nothing() -> None:
    network = small(scale_layers=True)
    scales = [layer for layer in network.modules() if isinstance(layer, Scale)]
    decoder = sum(isinstance(layer, nn.BatchNorm2d) for layer in network.decoder.modules())
    norms = sum(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())
    assert len(scales) == norms - decoder
    features = torch.rand(1, scales[0].weight.numel(), 2, 2)
    assert torch.equal(scales[0](features), features)


def test_a_side_that_cannot_be_halved_five_times_is_refused() -> None:
    with pytest.raises(UserError, match="multiples of 32; got 32x48"):
        small()(torch.rand(1, 1, 32, 48))


def test_training_on_one_image_of_32x32_is_refused_with_the_cure() -> None:
    with pytest.raises(UserError, match="batch of one") as caught:
        small()(torch.rand(1, 1, 32, 32))
    assert caught.value.cure.startswith("Use batches of at least two images")


def test_one_image_of_64x32_can_be_trained_on() -> None:
    assert small()(torch.rand(1, 1, 64, 32)).shape == (1, 1, 64, 32)
