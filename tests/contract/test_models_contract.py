"""What every network of `segrepro.models` must do; a new file there is tested as it is."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError

SIDE = 32
every_network = pytest.mark.parametrize("name", models.names())


@pytest.fixture(autouse=True)
def _few_threads_and_a_fixed_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def small(name: str, *, channels: int = 1, classes: int = 1) -> nn.Module:
    """Build a network with few filters where its Config lets us choose them."""
    fields = import_module(f"segrepro.models.{name}").Config.model_fields
    options = {"widths": (4, 8, 16)} if "widths" in fields else {}
    return models.build(name, channels=channels, classes=classes, **options)


def some_images(count: int, *, channels: int = 1) -> Tensor:
    return torch.rand(count, channels, SIDE, SIDE)


@every_network
def test_the_defaults_build_a_network_that_runs(name: str) -> None:
    with torch.no_grad():
        logits = models.build(name, channels=1, classes=1).eval()(some_images(1))
    assert logits.shape == (1, 1, SIDE, SIDE)


@every_network
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("classes", [1, 4])
def test_each_class_gets_a_logit_at_each_pixel(name: str, channels: int, classes: int) -> None:
    network = small(name, channels=channels, classes=classes)
    logits = network(some_images(2, channels=channels))
    assert logits.shape == (2, classes, SIDE, SIDE)


@every_network
def test_the_output_is_logits_and_not_probabilities(name: str) -> None:
    assert small(name)(some_images(2)).min() < 0


@every_network
def test_every_parameter_gets_a_gradient(name: str) -> None:
    network = small(name, channels=3, classes=4)
    network(some_images(2, channels=3)).square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert [name for name, gradient in gradients.items() if gradient is None] == []
    assert any(gradient.any() for gradient in gradients.values() if gradient is not None)


@every_network
def test_a_batch_equals_its_images_one_by_one(name: str) -> None:
    network = small(name).eval()
    images = some_images(3)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@every_network
@pytest.mark.parametrize("size", [(SIDE + 1, SIDE), (SIDE, SIDE + 2)])
def test_a_size_is_taken_or_refused_with_a_reason(name: str, size: tuple[int, int]) -> None:
    network = small(name).eval()
    try:
        answer = str(tuple(network(torch.rand(1, 1, *size)).shape[2:]))
    except UserError as refusal:
        answer = refusal.fact.partition("got ")[2]
    assert answer in (str(size), f"{size[0]}x{size[1]}.")


@every_network
def test_weights_survive_a_file(name: str) -> None:
    network, other = small(name), small(name)
    content = safetensors.torch.save(network.state_dict())
    other.load_state_dict(safetensors.torch.load(content))
    images = some_images(1)
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
    network, images = small(name).eval(), some_images(2)
    exported = torch.export.export(network, (images,)).module()
    with torch.no_grad():
        torch.testing.assert_close(exported(images), network(images), rtol=1e-4, atol=1e-4)


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="widths"):
        models.build("unet", channels=1, classes=1, width=3)
