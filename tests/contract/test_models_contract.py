"""What every network of `segrepro.models` must do; a new file there is tested as it is.

What a network needs that others do not stands in the tables at the top.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from importlib import import_module
from math import prod

import onnxruntime
import pytest
import safetensors.torch
import torch
from _gpus import by_chance_on_gpus
from torch import Tensor, nn

from segrepro import models
from segrepro.errors import UserError
from segrepro.inference._live_memory import LiveMemory
from segrepro.models._page import facts_of
from segrepro.training._recompute import recompute_activations

NAMES = models.names()
every_network = pytest.mark.parametrize("name", NAMES)

# The size of the images, by their number of dimensions: small, and halved as often as any network
# with the options below does it.
SIZES = {2: (32, 32), 3: (16, 16, 16)}

# What makes a network small where its Config has no `widths`, or these cannot be (4, 8, 16).
FEW_FILTERS: dict[str, dict[str, object]] = {
    "deeplabv3p": {"width_factor": 1 / 16},
    "denseunet": {"blocks": (1, 1, 1, 1), "growth": 4, "stem_width": 8, "last_width": 4},
    "drunet104": {"widths": (2, 4, 8), "blocks": (2, 1, 1)},
    "dunet": {"widths": (4, 8, 8, 16, 16)},
    "mambaunet": {"width": 4, "depths": (1, 1, 1, 1)},
    "mobileunet": {"width_factor": 1 / 8},
    "pspnet": {"width_factor": 1 / 16},
    "reunet": {"widths": (8,) * 7, "decoder_widths": (8,) * 4, "expansions": (1,) * 7},
    "swinunet": {
        "image_size": 32,
        "window": 4,
        "width": 8,
        "heads": (1, 2, 4, 8),
        "depths": (2, 1, 1, 1),
    },
    "transunet": {"image_size": 32, "width_factor": 1 / 2, "units": (1, 1, 1), "layers": 1},
    "vmunet": {"width": 4, "depths": (1, 1, 1, 1), "decoder_depths": (1, 1, 1, 1)},
    "xnet": {"widths": (4, 8, 16), "similarity_width": 4},
}

# Networks that can give more than one output, and the option that makes them.
OUTPUT_OPTIONS = ("auxiliary_head", "deep_supervision")


def options_of(name: str) -> set[str]:
    return set(import_module(f"segrepro.models.{name}").Config.model_fields)


SEVERAL_OUTPUTS = [
    (name, option) for name in NAMES for option in OUTPUT_OPTIONS if option in options_of(name)
]
every_network_with_several_outputs = pytest.mark.parametrize(("name", "option"), SEVERAL_OUTPUTS)


@pytest.fixture(autouse=True)
def _few_threads_and_a_fixed_seed() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
    torch.set_num_threads(threads)


def small(
    name: str,
    *,
    channels: int = 1,
    classes: int = 1,
    side: int | None = None,
    **options: object,
) -> nn.Module:
    """Build a network with few filters where its Config lets us choose them.

    A network that is built for images of one size is built for those of `side`, or of 32x32.
    """
    few = FEW_FILTERS.get(name, {"widths": (4, 8, 16)} if "widths" in options_of(name) else {})
    if side is not None and "image_size" in options_of(name):
        few = {**few, "image_size": side}
    return models.build(name, channels=channels, classes=classes, **few, **options)


def size_for(name: str) -> tuple[int, ...]:
    return SIZES[len(facts_of(name).size)]


def some_images(name: str, count: int, *, channels: int = 1) -> Tensor:
    return torch.rand(count, channels, *size_for(name))


def trained_a_little(name: str) -> nn.Module:
    """Build a small network whose running statistics are not those it began with."""
    network = small(name)
    with torch.no_grad():
        network(some_images(name, 2))
    return network.eval()


def assert_same_logits(given: Tensor, expected: Tensor, *, tolerance: float) -> None:
    # Relative to the largest, for untrained normalisation lets deep networks' logits grow.
    largest = expected.abs().max()
    torch.testing.assert_close(given / largest, expected / largest, rtol=0, atol=tolerance)


@every_network
def test_the_defaults_build_a_network_for_the_images_of_its_paper(name: str) -> None:
    facts = facts_of(name)
    # Without memory for weights and features: some networks have 150 million parameters.
    with torch.device("meta"):
        network = models.build(name, channels=facts.channels, classes=facts.classes).eval()
        logits = network(torch.empty(1, facts.channels, *facts.size))
    assert logits.shape == (1, facts.classes, *facts.size)


# One channel, as of a scan, and three, as of a photograph.
@every_network
@pytest.mark.parametrize("channels", [1, 3])
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


@every_network_with_several_outputs
def test_every_output_has_a_logit_at_each_pixel_in_training_and_one_remains(
    name: str, option: str
) -> None:
    network = small(name, classes=4, **{option: True})
    images = some_images(name, 2)
    outputs = network(images)
    assert isinstance(outputs, tuple)
    assert len(outputs) > 1
    assert {output.shape for output in outputs} == {(2, 4, *size_for(name))}
    assert isinstance(network.eval()(images), Tensor)


@every_network_with_several_outputs
def test_the_main_output_comes_first(name: str, option: str) -> None:
    network = small(name, **{option: True}).eval()
    images = some_images(name, 2)
    with torch.no_grad():
        alone = network(images)
        # Its layers still evaluate, so that both are comparable.
        network.training = True
        first, *others = network(images)
    assert torch.equal(first, alone)
    assert not any(torch.equal(other, alone) for other in others)


@every_network_with_several_outputs
def test_every_parameter_gets_a_gradient_from_all_outputs_together(name: str, option: str) -> None:
    network = small(name, classes=4, **{option: True})
    sum(output.square().mean() for output in network(some_images(name, 2))).backward()
    assert [key for key, value in network.named_parameters() if value.grad is None] == []


@every_network
def test_a_batch_equals_its_images_one_by_one(name: str) -> None:
    network = small(name).eval()
    images = some_images(name, 3)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]) for image in images])
    assert_same_logits(alone, together, tolerance=1e-5)


@every_network
@pytest.mark.parametrize(("side", "more"), [(0, 1), (-1, 2)])
def test_a_size_is_taken_or_refused_with_a_reason(name: str, side: int, more: int) -> None:
    size = list(size_for(name))
    size[side] += more
    network = small(name).eval()
    try:
        answer = "x".join(map(str, network(torch.rand(1, 1, *size)).shape[2:]))
    except UserError as refusal:
        rule, _, answer = refusal.fact.rstrip(".").partition("; got ")
        assert not allows(rule, size)
        assert allows(rule, size_for(name))
    assert answer == "x".join(map(str, size))


def allows(rule: str, size: Sequence[int]) -> bool:
    """Return whether "sides must be multiples of 8", or "... 32x32", lets this size in."""
    sides = rule.removeprefix("sides must be ")
    if sides.startswith("multiples of "):
        return not any(length % int(sides.removeprefix("multiples of ")) for length in size)
    return sides == "x".join(map(str, size))


def smallest_size(name: str) -> tuple[int, ...]:
    """Return the shortest sides that the small network takes: one pixel, or what it then asks."""
    size = (1,) * len(size_for(name))
    try:
        small(name).eval()(torch.rand(1, 1, *size))
    except UserError as refusal:
        # "sides must be multiples of 8", or "sides must be 32x32".
        rule = refusal.fact.partition(";")[0]
        size = (int(re.findall(r"\d+", rule)[-1]),) * len(size)
        assert allows(rule, size)
    return size


def normalises_a_single_value(network: nn.Module, images: Tensor) -> bool:
    """Return whether some normalisation over the batch sees one value for each channel."""
    values: list[int] = []
    for module in network.modules():
        if hasattr(module, "running_mean"):
            module.register_forward_pre_hook(
                lambda _, given: values.append(len(given[0]) * prod(given[0].shape[2:]))
            )
    with torch.no_grad():
        network.eval()(images)
    return 1 in values


@every_network
@pytest.mark.parametrize("times", [1, 2])
def test_one_image_is_trained_on_unless_its_coarsest_map_has_no_variance(
    name: str, times: int
) -> None:
    images = torch.rand(1, 1, *(side * times for side in smallest_size(name)))
    side = images.shape[-1]
    refused = normalises_a_single_value(small(name, side=side), images)
    refusal = pytest.raises(UserError, match="batch of one image whose map is one pixel")
    with refusal if refused else nullcontext():
        small(name, side=side).train()(images)


@every_network
def test_two_images_are_always_trained_on(name: str) -> None:
    size = smallest_size(name)
    assert small(name).train()(torch.rand(2, 1, *size)).shape == (2, 1, *size)


@every_network
def test_recomputed_activations_leave_the_same_gradients_and_statistics(name: str) -> None:
    # Networks that draw draw the same twice; those that normalise count each batch once.
    images = some_images(name, 2)
    gradients = [_gradients(name, images, recomputed=recomputed) for recomputed in (False, True)]
    assert gradients[0].keys() == gradients[1].keys()
    assert [
        key for key, one in gradients[0].items() if not torch.equal(one, gradients[1][key])
    ] == []


def _gradients(name: str, images: Tensor, *, recomputed: bool) -> dict[str, Tensor]:
    """Return the gradients of one step, and the running statistics after it."""
    torch.manual_seed(0)
    network = small(name)
    if recomputed:
        recompute_activations(network)
    network(images).square().mean().backward()
    drawn = {"drawn after it": torch.rand(1)}
    gradients = {f"{key}'s": value.grad for key, value in network.named_parameters()}
    return {**network.state_dict(), **gradients, **drawn}


@every_network
def test_recomputed_activations_take_less_memory(name: str) -> None:
    facts = facts_of(name)
    peaks = []
    for recomputed in (False, True):
        # Counted, not computed: tensors of this device have shapes and no content.
        with torch.device("meta"):
            network = models.build(name, channels=facts.channels, classes=facts.classes)
            images = torch.empty(2, facts.channels, *facts.size)
            if recomputed:
                recompute_activations(network)
            memory = LiveMemory([*network.state_dict().values(), images])
            with memory:
                network(images).square().mean().backward()
        peaks.append(memory.peak_bytes)
    assert peaks[1] < peaks[0]


@every_network
def test_every_gradient_can_be_had_with_the_same_bits_on_a_gpu(name: str) -> None:
    assert by_chance_on_gpus(small(name)(some_images(name, 2)).mean()) == set()


@every_network
def test_the_memory_that_its_facts_state_holds_the_tensors_of_a_step(name: str) -> None:
    facts = facts_of(name)
    with torch.device("meta"):
        network = models.build(name, channels=facts.channels, classes=facts.classes)
        images = torch.empty(4, facts.channels, *facts.size)
        memory = LiveMemory([*network.state_dict().values(), images])
        with memory:
            network(images).mean().backward()
    # Beside Adam's two moments of each parameter: Python, PyTorch, and what malloc keeps.
    moments = 8 * sum(parameter.numel() for parameter in network.parameters())
    tensors_mb = (memory.peak_bytes + moments) / 1e6
    assert tensors_mb < facts.training_mb < 2 * tensors_mb + 1000


@every_network
def test_weights_survive_a_file(name: str) -> None:
    network, other = trained_a_little(name), small(name).eval()
    images = some_images(name, 1)
    with torch.no_grad():
        assert not torch.equal(network(images), other(images))
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(network.state_dict())))
        assert torch.equal(network(images), other(images))


@every_network
def test_the_same_seed_draws_the_same_weights(name: str) -> None:
    first, same, other = (_seeded(name, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def _seeded(name: str, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return small(name)


@every_network
def test_its_exported_form_gives_the_same_logits(name: str) -> None:
    network, images = trained_a_little(name), some_images(name, 2)
    exported = torch.export.export(network, (images,)).module()
    with torch.no_grad():
        assert_same_logits(exported(images), network(images), tolerance=1e-4)


# What the exporter is made of warns of itself.
@pytest.mark.filterwarnings("ignore::FutureWarning:copyreg")
@every_network
def test_its_onnx_form_gives_the_same_logits_unless_its_facts_say_why_not(name: str) -> None:
    network, images = trained_a_little(name), some_images(name, 2)
    with torch.no_grad():
        expected = network(images)
    # What is said to be impossible must fail, so that the page's list is never stale.
    impossible = pytest.raises((torch.onnx.OnnxExporterError, AssertionError))
    with impossible if facts_of(name).no_onnx else nullcontext():
        assert_same_logits(through_onnx(network, images), expected, tolerance=1e-4)


def through_onnx(network: nn.Module, images: Tensor) -> Tensor:
    program = torch.onnx.export(network, (images,), dynamo=True, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    return torch.from_numpy(session.run(None, {session.get_inputs()[0].name: images.numpy()})[0])


def test_an_unknown_option_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="widths"):
        models.build("unet", channels=1, classes=1, width=3)
