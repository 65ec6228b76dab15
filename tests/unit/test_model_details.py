"""Details of the networks of the MultiResUNet paper that a count of parameters does not see."""

import math

import pytest
import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._keras import BatchNormWithoutGamma
from segrepro.models.multiresunet import MultiResBlock, ResStage, filters_of

both = pytest.mark.parametrize("name", ["unet", "multiresunet"])


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return models.build(name, channels=1, classes=1, **{"widths": (4, 8), **options})


def run_and_watch(network: nn.Module, **watched: nn.Module) -> dict[str, tuple[Tensor, Tensor]]:
    """Return the input and the output of each watched module, in one forward pass."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    for name, module in watched.items():
        module.register_forward_hook(
            lambda _module, inputs, output, name=name: seen.update({name: (inputs[0], output)})
        )
    network(torch.rand(2, 1, 8, 8))
    return seen


def test_a_decoder_of_unet_sees_first_what_came_up_and_then_the_skip() -> None:
    network = small("unet")
    seen = run_and_watch(
        network, up=network.up[0], skip=network.encoder[0], decoder=network.decoder[0]
    )
    assert torch.equal(seen["decoder"][0], torch.cat([seen["up"][1], seen["skip"][1]], dim=1))


def test_a_decoder_of_multiresunet_sees_first_what_came_up_and_then_the_res_path() -> None:
    network = small("multiresunet")
    seen = run_and_watch(
        network, up=network.up[0], path=network.paths[0], decoder=network.decoder[0]
    )
    assert torch.equal(seen["decoder"][0], torch.cat([seen["up"][1], seen["path"][1]], dim=1))


@both
def test_no_activation_follows_a_transposed_convolution(name: str) -> None:
    network = small(name)
    seen = run_and_watch(network, up=network.up[0], decoder=network.decoder[0])
    came_up = seen["decoder"][0][:, : seen["up"][1].shape[1]]
    assert came_up.min() < 0


def test_the_res_path_is_beside_the_encoder_and_not_in_it() -> None:
    network = small("multiresunet")
    seen = run_and_watch(network, block=network.encoder[0], pool=network.pool)
    assert torch.equal(seen["pool"][0], seen["block"][1])


def scaling_and_shifting(block: nn.Module) -> nn.Module:
    """Return a block in evaluation whose normalisations are not those it began with."""
    for name, values in block.state_dict().items():
        if values.dim() == 1:
            shifts = name.endswith(("bias", "running_mean"))
            nn.init.uniform_(values, *((-0.2, 0.2) if shifts else (0.5, 2)))
    return block.eval()


def unactivated(layers: nn.Sequential, features: Tensor) -> Tensor:
    """Return what a convolution and its normalisation give, without what may follow."""
    return layers[1](layers[0](features))


def test_a_multires_block_normalises_three_in_a_row_joined_and_then_the_activated_sum() -> None:
    torch.manual_seed(0)
    block = scaling_and_shifting(MultiResBlock(2, (4, 4, 4)))
    features = torch.rand(1, 2, 4, 4) - 0.5
    first = unactivated(block.convolutions[0], features).relu()
    second = unactivated(block.convolutions[1], first).relu()
    third = unactivated(block.convolutions[2], second).relu()
    joined = block.norm_concatenated(torch.cat([first, second, third], dim=1))
    # The shortcut is not activated before the sum.
    added = (unactivated(block.shortcut, features) + joined).relu()
    torch.testing.assert_close(block(features), block.norm_out(added))


def test_a_res_stage_normalises_the_activated_sum() -> None:
    torch.manual_seed(0)
    stage = scaling_and_shifting(ResStage(2, 4))
    features = torch.rand(1, 2, 4, 4) - 0.5
    convolved = unactivated(stage.convolution, features).relu()
    added = (unactivated(stage.shortcut, features) + convolved).relu()
    torch.testing.assert_close(stage(features), stage.norm_out(added))


def test_no_activation_follows_the_output_of_multiresunet() -> None:
    assert [type(layer) for layer in small("multiresunet").output] == [
        nn.Conv2d,
        BatchNormWithoutGamma,
    ]


def test_the_output_of_multiresunet_is_normalised_without_gamma_and_has_no_bias() -> None:
    output = models.build("multiresunet", channels=3, classes=1).output
    # 51 kernel values, then beta, mean and variance: 54.
    shapes = {name: tuple(tensor.shape) for name, tensor in output.state_dict().items()}
    assert shapes == {
        "0.weight": (1, 51, 1, 1),
        "1.bias": (1,),
        "1.running_mean": (1,),
        "1.running_var": (1,),
    }


def test_res_paths_have_four_three_two_and_one_stages() -> None:
    network = models.build("multiresunet", channels=1, classes=1)
    assert [len(path) for path in network.paths] == [4, 3, 2, 1]


@pytest.mark.parametrize(
    ("width", "filters"),
    # Table 1; W/6, W/3 and W/2 would make the last row 142, 285, 427.
    [(32, (8, 17, 26)), (64, (17, 35, 53)), (128, (35, 71, 106)), (512, (142, 284, 427))],
)
def test_a_block_has_the_filters_of_table_1(width: int, filters: tuple[int, int, int]) -> None:
    assert filters_of(width, alpha=1.67) == filters


def test_a_width_too_small_for_three_convolutions_is_refused() -> None:
    with pytest.raises(UserError, match="leaves a layer no filters"):
        small("multiresunet", widths=(2, 4))


@both
def test_kernels_fill_glorots_interval_and_do_not_leave_it(name: str) -> None:
    for convolution in convolutions(small(name, widths=(16, 32))):
        width_in, width_out = convolution.in_channels, convolution.out_channels
        limit = math.sqrt(6 / ((width_in + width_out) * math.prod(convolution.kernel_size)))
        assert 0.8 * limit < convolution.weight.abs().max() <= limit


@both
def test_biases_begin_at_zero(name: str) -> None:
    biases = [layer.bias for layer in convolutions(small(name)) if layer.bias is not None]
    assert biases
    assert all(not bias.any() for bias in biases)


def convolutions(network: nn.Module) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    return [module for module in network.modules() if isinstance(module, kinds)]


@both
def test_a_side_that_cannot_be_halved_four_times_is_refused(name: str) -> None:
    network = models.build(name, channels=1, classes=1)
    with pytest.raises(UserError) as caught:
        network(torch.rand(1, 1, 250, 256))
    assert caught.value.fact == "sides must be multiples of 16; got 250x256."


def test_normalised_values_have_mean_beta_and_variance_one() -> None:
    norm = BatchNormWithoutGamma(1)
    nn.init.constant_(norm.bias, 5.0)
    normalised = norm(100 * torch.rand(4, 1, 8, 8) + 30)
    assert normalised.mean().item() == pytest.approx(5.0, abs=1e-4)
    assert normalised.var(correction=0).item() == pytest.approx(1.0, abs=1e-4)


def test_a_thousandth_is_added_to_the_variance() -> None:
    # Their variance is a thousandth too: what is added halves the normalised one.
    values = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1) * math.sqrt(1e-3)
    normalised = BatchNormWithoutGamma(1)(values).flatten()
    assert normalised.tolist() == pytest.approx([-math.sqrt(0.5), math.sqrt(0.5)])


def test_one_batch_moves_the_running_mean_by_a_hundredth() -> None:
    norm = BatchNormWithoutGamma(1)
    norm(torch.full((2, 1, 4, 4), 100.0))
    assert norm.running_mean.item() == pytest.approx(1.0)
