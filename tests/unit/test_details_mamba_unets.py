"""How VM-UNet and Mamba-UNet join their blocks: what a count of parameters does not see."""

from collections.abc import Iterator

import pytest
import torch
from _watch import watched
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._drop_path import DropPath
from segrepro.models._patches import Expanding, Merging

SMALL = {"width": 8, "depths": (1, 1, 1, 1)}
both = pytest.mark.parametrize("name", ["vmunet", "mambaunet"])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def small(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    extra = {"decoder_depths": (1, 1, 1, 1)} if name == "vmunet" else {}
    return models.build(name, channels=1, classes=2, **{**SMALL, **extra, **options}).eval()


def drops(module: nn.Module) -> list[float]:
    return [each.probability for each in module.modules() if isinstance(each, DropPath)]


def evenly(first: float, last: float, count: int) -> list[float]:
    return [first + (last - first) * place / (count - 1) for place in range(count)]


class ChannelsAreNumbers(nn.Module):
    """Stands in for a linear layer: gives its input's channels, or numbers of its output's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, features: Tensor) -> Tensor:
        return 100 * features[..., :1] + torch.arange(float(self.width))


def test_merging_takes_four_neighbours_downwards_first() -> None:
    merging = Merging(1)
    merging.norm = merging.reduction = nn.Identity()
    assert merging(torch.tensor([[[[1.0], [2.0]], [[3.0], [4.0]]]])).flatten().tolist() == [
        1, 3, 2, 4,
    ]  # fmt: skip


def test_expanding_spreads_channels_right_first_and_then_down() -> None:
    expanding = Expanding(1, factor=2, width_out=2)
    expanding.expand, expanding.norm = ChannelsAreNumbers(8), nn.Identity()
    spread = expanding(torch.tensor([[[[0.0], [1.0]]]]))
    assert spread[0, :, :, 0].tolist() == [[0, 2, 100, 102], [4, 6, 104, 106]]
    assert spread[0, :, :, 1].tolist() == [[1, 3, 101, 103], [5, 7, 105, 107]]


def test_merging_and_expanding_have_the_shapes_of_the_checkpoints() -> None:
    shapes = {name: tuple(each.shape) for name, each in Merging(96).state_dict().items()}
    assert shapes == {"reduction.weight": (192, 384), "norm.weight": (384,), "norm.bias": (384,)}
    expanding = Expanding(192, factor=2, width_out=96).state_dict()
    shapes = {name: tuple(each.shape) for name, each in expanding.items()}
    assert shapes == {"expand.weight": (384, 192), "norm.weight": (96,), "norm.bias": (96,)}


@both
def test_sides_must_be_multiples_of_32_and_need_not_be_equal(name: str) -> None:
    network = small(name)
    with torch.no_grad():
        assert network(torch.rand(1, 1, 32, 96)).shape == (1, 2, 32, 96)
    with pytest.raises(UserError, match="multiples of 32; got 240x240"):
        network(torch.rand(1, 1, 240, 240))


def test_vm_unet_adds_what_came_into_the_three_coarser_stages() -> None:
    network = small("vmunet")
    stages = {f"down{place}": stage for place, stage in enumerate(network.layers)}
    stages |= {f"up{place}": stage for place, stage in enumerate(network.layers_up)}
    with torch.no_grad():
        seen = watched(network, torch.rand(1, 1, 64, 64), final=network.final_up, **stages)
    assert torch.equal(seen["up0"][0], seen["down3"][1])
    for place in (1, 2, 3):
        skip = seen[f"down{4 - place}"][0]
        assert torch.equal(seen[f"up{place}"][0], seen[f"up{place - 1}"][1] + skip)
    # The finest has no use.
    assert torch.equal(seen["final"][0], seen["up3"][1])


def test_vm_unet_refines_before_the_blocks_and_has_no_normalisation_between() -> None:
    network = small("vmunet")
    assert isinstance(network.layers_up[0].upsample, nn.Identity)
    stage = network.layers_up[1]
    with torch.no_grad():
        seen = watched(network, torch.rand(1, 1, 32, 32), stage=stage, blocks=stage.blocks)
    assert seen["stage"][0].shape == (1, 1, 1, 64)
    assert seen["blocks"][0].shape == (1, 2, 2, 32)
    names = {name.partition(".")[0] for name in network.state_dict()}
    assert names == {"patch_embed", "layers", "layers_up", "final_up", "final_conv"}


def test_vm_unet_ends_in_a_quarter_of_its_channels() -> None:
    network = models.build("vmunet", channels=3, classes=1)
    assert network.final_up.expand.weight.shape == (384, 96)
    assert network.final_up.norm.weight.shape == (24,)
    assert network.final_conv.weight.shape == (1, 24, 1, 1)


def test_vm_unet_drops_more_towards_the_middle() -> None:
    network = small("vmunet", depths=(2, 2, 2, 2), decoder_depths=(2, 2, 2, 1))
    assert drops(network.layers) == pytest.approx(evenly(0, 0.2, 8))
    assert drops(network.layers_up) == pytest.approx(evenly(0.2, 0, 7))


def test_mamba_unet_gives_the_decoder_the_encoders_probabilities_of_the_same_level() -> None:
    network = small("mambaunet", depths=(2, 2, 2, 2))
    rising = evenly(0, 0.2, 8)
    assert drops(network.layers) == pytest.approx(rising)
    assert drops(network.layers_up) == pytest.approx(rising[4:6] + rising[2:4] + rising[:2])


def test_mamba_unet_joins_the_decoders_features_first_and_then_the_stage_s_input() -> None:
    network = small("mambaunet")
    stages = {f"down{place}": stage for place, stage in enumerate(network.layers)}
    stages |= {f"up{place}": stage for place, stage in enumerate(network.layers_up)}
    stages |= {f"join{place}": join for place, join in enumerate(network.concat_back_dim)}
    with torch.no_grad():
        # The first is there for the names' sake alone.
        del stages["join0"]
        seen = watched(network, torch.rand(1, 1, 64, 64), **stages)
    for place in (1, 2, 3):
        joined = torch.cat([seen[f"up{place - 1}"][1], seen[f"down{3 - place}"][0]], dim=-1)
        assert torch.equal(seen[f"join{place}"][0], joined)
        assert torch.equal(seen[f"join{place}"][1], seen[f"up{place}"][0])


def test_mamba_unet_normalises_the_end_of_the_encoder_and_of_the_decoder() -> None:
    network = small("mambaunet")
    parts = {
        "last_down": network.layers[3],
        "norm": network.norm,
        "first_up": network.layers_up[0],
        "last_up": network.layers_up[3],
        "norm_up": network.norm_up,
        "up": network.up,
    }
    with torch.no_grad():
        seen = watched(network, torch.rand(1, 1, 64, 64), **parts)
    for before, after in [("last_down", "norm"), ("norm", "first_up"), ("last_up", "norm_up")]:
        assert torch.equal(seen[before][1], seen[after][0])
    assert torch.equal(seen["norm_up"][1], seen["up"][0])
    assert isinstance(network.layers_up[3].upsample, nn.Identity)


def test_mamba_unet_refines_after_the_blocks() -> None:
    stage = small("mambaunet").layers_up[1]
    with torch.no_grad():
        assert stage(torch.rand(1, 2, 2, 32)).shape == (1, 4, 4, 16)
    assert list(dict(stage.named_children())) == ["blocks", "upsample"]


def test_the_parameters_outside_the_blocks_have_the_names_of_the_code() -> None:
    names = {
        name
        for name in models.build("mambaunet", channels=3, classes=1).state_dict()
        if ".blocks." not in name
    }
    norm = {"weight", "bias"}
    assert names == {
        *(f"patch_embed.{part}.{each}" for part in ("proj", "norm") for each in norm),
        *(f"layers.{level}.downsample.norm.{each}" for level in range(3) for each in norm),
        *(f"layers.{level}.downsample.reduction.weight" for level in range(3)),
        *(f"layers_up.0.norm.{each}" for each in norm),
        "layers_up.0.expand.weight",
        *(f"layers_up.{stage}.upsample.norm.{each}" for stage in (1, 2) for each in norm),
        *(f"layers_up.{stage}.upsample.expand.weight" for stage in (1, 2)),
        *(f"concat_back_dim.{stage}.{each}" for stage in (1, 2, 3) for each in norm),
        *(f"{part}.{each}" for part in ("norm", "norm_up", "up.norm") for each in norm),
        "up.expand.weight",
        "output.weight",
    }
