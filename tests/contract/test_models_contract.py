"""What every network of `segrepro.models` must do; a new file there is tested as it is.

What a network needs that others do not stands in the tables at the top.
"""

from collections.abc import Iterator
from importlib import import_module

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.models._page import facts_of

NAMES = models.names()
every_network = pytest.mark.parametrize("name", NAMES)

# The size of the images, by their number of dimensions: small, and halved as often as any network
# with the options below does it.
SIZES = {2: (32, 32), 3: (16, 16, 16)}

# What makes a network small where its Config has no `widths`, or these cannot be (4, 8, 16).
FEW_FILTERS: dict[str, dict[str, object]] = {
    "deeplabv3p": {"width_factor": 1 / 16},
    "denseunet": {"blocks": (1, 1, 1, 1), "growth": 4, "stem_width": 8, "last_width": 4},
    "dunet": {"widths": (4, 8, 8, 16, 16)},
    "pspnet": {"width_factor": 1 / 16},
    "reunet": {"widths": (8,) * 7, "decoder_widths": (8,) * 4, "expansions": (1,) * 7},
    "xnet": {"widths": (4, 8, 16), "similarity_width": 4},
}

# Numbers of channels to try; by default one, as of a scan, and three, as of a photograph.
CHANNELS = {
    "dunet": (4, 8),  # Slices of a scan, halved twice.
}


def channels_of(name: str) -> tuple[int, ...]:
    return CHANNELS.get(name, (1, 3))


@pytest.fixture(autouse=True)
def _few_threads_and_a_fixed_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def small(name: str, *, channels: int | None = None, classes: int = 1) -> nn.Module:
    """Build a network with few filters where its Config lets us choose them."""
    fields = import_module(f"segrepro.models.{name}").Config.model_fields
    options = FEW_FILTERS.get(name, {"widths": (4, 8, 16)} if "widths" in fields else {})
    channels = channels or channels_of(name)[0]
    return models.build(name, channels=channels, classes=classes, **options)


def size_for(name: str) -> tuple[int, ...]:
    return SIZES[len(facts_of(name).size)]


def some_images(name: str, count: int, *, channels: int | None = None) -> Tensor:
    return torch.rand(count, channels or channels_of(name)[0], *size_for(name))


@every_network
def test_the_defaults_build_a_network_for_the_images_of_its_paper(name: str) -> None:
    facts = facts_of(name)
    # Without memory for weights and features: some networks have 150 million parameters.
    with torch.device("meta"):
        network = models.build(name, channels=facts.channels, classes=facts.classes).eval()
        logits = network(torch.empty(1, facts.channels, *facts.size))
    assert logits.shape == (1, facts.classes, *facts.size)


@pytest.mark.parametrize(
    ("name", "channels"), [(name, channels) for name in NAMES for channels in channels_of(name)]
)
@pytest.mark.parametrize("classes", [1, 4])
def test_each_class_gets_a_logit_at_each_pixel(name: str, channels: int, classes: int) -> None:
    network = small(name, channels=channels, classes=classes)
    logits = network(some_images(name, 2, channels=channels))
    assert logits.shape == (2, classes, *size_for(name))


@every_network
def test_the_output_is_logits_and_not_probabilities(name: str) -> None:
    # Of several classes: the last layer's few weights of a single one may all be positive.
    assert small(name, classes=4)(some_images(name, 2)).min() < 0


@every_network
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = small(name, classes=4)
    network(some_images(name, 2)).square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert any(gradient.any() for gradient in gradients.values() if gradient is not None)


@every_network
def test_a_batch_equals_its_images_one_by_one(name: str) -> None:
    network = small(name).eval()
    images = some_images(name, 3)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    # Relative to the largest, for untrained normalisation lets deep networks' logits grow.
    largest = together.abs().max()
    torch.testing.assert_close(together / largest, alone / largest, rtol=0, atol=1e-5)


@every_network
@pytest.mark.parametrize(("side", "more"), [(0, 1), (-1, 2)])
def test_a_size_is_taken_or_refused_with_a_reason(name: str, side: int, more: int) -> None:
    size = list(size_for(name))
    size[side] += more
    network = small(name).eval()
    try:
        logits = network(torch.rand(1, channels_of(name)[0], *size))
        answer = "x".join(map(str, logits.shape[2:]))
    except UserError as refusal:
        answer = refusal.fact.partition("got ")[2].rstrip(".")
    assert answer == "x".join(map(str, size))


@every_network
def test_weights_survive_a_file(name: str) -> None:
    network, other = small(name), small(name)
    content = safetensors.torch.save(network.state_dict())
    other.load_state_dict(safetensors.torch.load(content))
    images = some_images(name, 1)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), other.eval()(images))


@every_network
def test_the_same_seed_draws_the_same_weights(name: str) -> None:
    first, same, other = (_seeded(name, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def _seeded(name: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return small(name)


@every_network
def test_it_can_be_exported(name: str) -> None:
    network, images = small(name).eval(), some_images(name, 2)
    exported = torch.export.export(network, (images,)).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(images), network(images), rtol=1e-4, atol=1e-4)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="widths"):
        models.build("unet", channels=1, classes=1, width=3)
