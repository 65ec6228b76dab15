"""The selective scan gives what its recurrence says, however it is cut, and its gradient too."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from segrepro.models._selective_scan import (
    Cut,
    by_doubling,
    by_segments,
    cut_for,
    selective_scan,
)

IMAGES, GROUPS, CHANNELS, STATES = 2, 2, 3, 4
NAMES = (
    "inputs_nlgc", "delta_nlgc", "rates_gcs", "write_nlgs", "read_nlgs", "direct_gc", "bias_gc",
)  # fmt: skip
# Odd and even, shorter and longer than a segment, and one segment and a step.
LENGTHS = [1, 2, 7, 37, 200, 1025]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def some_inputs(
    length: int, *, step_shift: float = -4.0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Return inputs whose steps are about softplus(step_shift), and rates from -1 to -STATES."""
    generator = torch.Generator().manual_seed(length)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    given = {
        "inputs_nlgc": normal(IMAGES, length, GROUPS, CHANNELS),
        "delta_nlgc": normal(IMAGES, length, GROUPS, CHANNELS) + step_shift,
        "rates_gcs": -torch.arange(1, STATES + 1).double().repeat(GROUPS, CHANNELS, 1),
        "write_nlgs": normal(IMAGES, length, GROUPS, STATES),
        "read_nlgs": normal(IMAGES, length, GROUPS, STATES),
        "direct_gc": normal(GROUPS, CHANNELS),
        "bias_gc": normal(GROUPS, CHANNELS),
    }
    return {name: given[name].to(dtype).requires_grad_() for name in NAMES}


def step_by_step(
    inputs_nlgc: Tensor,
    delta_nlgc: Tensor,
    rates_gcs: Tensor,
    write_nlgs: Tensor,
    read_nlgs: Tensor,
    direct_gc: Tensor,
    bias_gc: Tensor,
) -> Tensor:
    """Return the output from the recurrence as the paper writes it, one step after the other."""
    sizes = functional.softplus(delta_nlgc + bias_gc)
    state = torch.zeros(len(inputs_nlgc), *rates_gcs.shape, dtype=inputs_nlgc.dtype)
    outputs = []
    for t in range(inputs_nlgc.shape[1]):
        decay = torch.exp(sizes[:, t, :, :, None] * rates_gcs)
        driven = sizes[:, t] * inputs_nlgc[:, t]
        state = decay * state + driven[..., None] * write_nlgs[:, t, :, None]
        outputs.append((state * read_nlgs[:, t, :, None]).sum(-1) + direct_gc * inputs_nlgc[:, t])
    return torch.stack(outputs, dim=1)


def through_states(given: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """Return what the two forms take: steps after softplus, states before channels."""
    sizes = functional.softplus(given["delta_nlgc"] + given["bias_gc"])
    rates = given["rates_gcs"].transpose(1, 2)
    return given["inputs_nlgc"], sizes, rates, given["write_nlgs"], given["read_nlgs"]


def relative_error(given: Tensor, expected: Tensor) -> float:
    return ((given - expected).abs().max() / expected.abs().max()).item()


def gradients(output: Tensor, given: dict[str, Tensor]) -> list[Tensor]:
    weights = torch.linspace(-1, 2, output.numel(), dtype=output.dtype).view(output.shape)
    return list(torch.autograd.grad(output, list(given.values()), weights))


# Steps of about 0.02, as the networks begin with, and of 5 and 40: what decays to nothing at once.
@pytest.mark.parametrize("step_shift", [-4.0, 5.0, 40.0])
@pytest.mark.parametrize("length", LENGTHS)
def test_the_scan_is_the_recurrence_taken_step_by_step(length: int, step_shift: float) -> None:
    given = some_inputs(length, step_shift=step_shift)
    expected = step_by_step(**given)
    assert relative_error(selective_scan(**given), expected) <= 1e-12


@pytest.mark.parametrize("step_shift", [-4.0, 5.0, 40.0])
@pytest.mark.parametrize("length", LENGTHS)
def test_in_single_precision_the_error_is_a_few_roundings(length: int, step_shift: float) -> None:
    single = some_inputs(length, step_shift=step_shift, dtype=torch.float32)
    exact = {name: tensor.detach().double() for name, tensor in single.items()}
    output = selective_scan(**single)
    assert output.dtype == torch.float32
    assert relative_error(output, step_by_step(**exact)) <= 1e-6


@pytest.mark.parametrize("length", LENGTHS)
def test_every_gradient_is_that_of_the_recurrence(length: int) -> None:
    given = some_inputs(length)
    found = gradients(selective_scan(**given), given)
    expected = gradients(step_by_step(**given), given)
    # A single step knows no state before it: no rate matters to it.
    pairs = [(f, e) for f, e in zip(found, expected, strict=True) if e.any()]
    assert len(pairs) >= len(NAMES) - 1
    assert max(relative_error(*pair) for pair in pairs) <= 1e-12


@pytest.mark.parametrize(("length", "cut"), [(7, Cut(2, 1, 4)), (7, Cut(1, 2, 4))])
def test_its_gradients_are_those_of_finite_differences(length: int, cut: Cut) -> None:
    given = [tensor.detach().requires_grad_() for tensor in through_states(some_inputs(length))]
    assert torch.autograd.gradcheck(lambda *inputs: by_segments(*inputs, cut=cut), given)


@pytest.mark.parametrize(
    "cut",
    [Cut(1, 1, 200), Cut(1, 14, 15), Cut(5, 4, 10), Cut(9, 3, 8), Cut(200, 1, 1), Cut(1, 200, 1)],
    ids=str,
)
def test_however_the_sequence_is_cut_the_output_and_the_gradients_are_the_same(cut: Cut) -> None:
    given = some_inputs(200)
    plain, cut_up = by_doubling(*through_states(given)), by_segments(*through_states(given), cut)
    assert relative_error(cut_up, plain) <= 1e-12
    # D and the bias are not part of these two forms' work, but of what is around them.
    del given["direct_gc"]
    pairs = zip(gradients(cut_up, given), gradients(plain, given), strict=True)
    assert max(relative_error(found, expected) for found, expected in pairs) <= 1e-12


def test_a_long_sequence_of_fast_decays_stays_finite() -> None:
    # A sum of exponents would reach -16 x 40 x 2000, whose exponential no float holds.
    given = some_inputs(2000, step_shift=40.0, dtype=torch.float32)
    output = selective_scan(**given)
    assert output.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients(output, given))


def test_two_steps_by_hand() -> None:
    one = torch.ones(1, 2, 1, 1, dtype=torch.float64)
    # Steps of softplus(log(e - 1)) = 1, a decay of 1/2, inputs of 1: states 1, then 1/2 + 1.
    output = selective_scan(
        one,
        one * torch.expm1(one).log(),
        rates_gcs=-torch.log(torch.tensor([[[2.0]]], dtype=torch.float64)),
        write_nlgs=one,
        read_nlgs=one,
        direct_gc=torch.full((1, 1), 10.0, dtype=torch.float64),
        bias_gc=torch.zeros(1, 1, dtype=torch.float64),
    )
    assert output.flatten().tolist() == pytest.approx([11, 11.5])


def test_under_autocast_it_computes_in_single_precision() -> None:
    given = some_inputs(64, dtype=torch.float32)
    expected = selective_scan(**given)
    with torch.autocast("cpu", torch.bfloat16):
        output = selective_scan(**given)
        found = gradients(output, given)
    assert torch.equal(output, expected)
    assert all(map(torch.equal, found, gradients(expected, given)))


def test_half_precision_inputs_give_an_output_of_their_type_summed_in_single_precision() -> None:
    given = some_inputs(64, dtype=torch.bfloat16)
    exact = {name: tensor.detach().double() for name, tensor in given.items()}
    output = selective_scan(**given)
    assert output.dtype == torch.bfloat16
    # One rounding of the result: a state kept in 8 bits would be off by several percent.
    assert relative_error(output.double(), step_by_step(**exact)) <= 2**-8


def test_an_exported_scan_is_the_plain_form_and_gives_the_same() -> None:
    class Scan(torch.nn.Module):
        def forward(self, given: dict[str, Tensor]) -> Tensor:
            return selective_scan(**given)

    given = {name: tensor.detach() for name, tensor in some_inputs(64).items()}
    exported = torch.export.export(Scan(), (given,))
    graphs = [m.graph for m in exported.graph_module.modules() if hasattr(m, "graph")]
    # Of 64 steps: six doublings, not 64 times as many operations as a step has.
    assert sum(len(graph.nodes) for graph in graphs) < 2 * 64
    assert relative_error(exported.module()(given), selective_scan(**given)) <= 1e-12


def test_the_memory_that_training_keeps_does_not_grow_with_the_number_of_states() -> None:
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor, lambda tensor: tensor
    ):
        given = some_inputs(20_000)
        selective_scan(**given)
    all_states = IMAGES * 20_000 * GROUPS * CHANNELS * STATES
    # Inputs and steps are kept, and states at one step in thousands.
    assert max(kept) < all_states / 2


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize(("length", "values"), [(1, 10), (4096, 12_288), (65_536, 10), (64, 10**9)])
def test_a_cut_covers_the_sequence_and_little_more(device: str, length: int, values: int) -> None:
    cut = cut_for(length, values_per_step=values, device=device)
    assert length <= cut.length < length + cut.segments * cut.pieces
    assert (cut.pieces == 1) == (device == "cpu" or cut.steps * cut.pieces < 4)


def test_a_segment_fits_the_cache_of_a_cpu() -> None:
    # 16 states of 768 channels: 21 steps of 48 KiB are the last below 1 MiB.
    cut = cut_for(4096, values_per_step=16 * 768, device="cpu")
    assert cut.steps * 16 * 768 <= 2**18 < (cut.steps + 1) * 16 * 768
