"""The selective scan S6 (Gu and Dao 2023, Mamba, section 3.2), in plain PyTorch.

Each channel c of each group g drives s states along a sequence of l steps, in each of n images:

    h_t = a_t h_(t-1) + d_t B_t x_t,    y_t = sum over states of C_t h_t,    + D x_t
    d_t = softplus(delta_t + bias),     a_t = exp(d_t A),     A < 0, so that 0 <= a_t <= 1

``write`` is the paper's B, ``read`` its C, ``rates`` its A, ``direct`` its D. A state is only ever
multiplied by an a_t or a product of them: nothing is divided by a cumulative product, nor taken to
the exponential of minus a sum, for both overflow after a few hundred steps.

Letters of a shape: n images, l steps, g groups, c channels of a group, s states; and, once the
sequence is cut, k segments of m pieces of t steps.
"""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

VALUES_PER_SEGMENT = {"cpu": 2**18, "cuda": 2**26}
"""How many states a segment holds, about: on a CPU what stays in its cache, on a GPU what keeps it
busy, 256 MiB."""
LEAST_STEPS = 8
"""Of a segment, however many channels and images there are."""


def selective_scan(
    inputs_nlgc: Tensor,
    delta_nlgc: Tensor,
    *,
    rates_gcs: Tensor,
    write_nlgs: Tensor,
    read_nlgs: Tensor,
    direct_gc: Tensor,
    bias_gc: Tensor,
) -> Tensor:
    """Return the output y of the scan, in the type of its inputs.

    Computed in float32, under autocast too, and in float64 if that is what comes in. A gradient
    takes little memory: states are kept at the start of every piece of the sequence only, and
    computed again when they are needed.

    Parameters
    ----------
    inputs_nlgc
        The sequences x.
    delta_nlgc
        What, with `bias_gc`, softplus turns into the size of a step.
    rates_gcs
        Decay of each state per unit of step size, negative.
    write_nlgs, read_nlgs
        How each step's input enters the states, and its output leaves them.
    direct_gc
        The share of the input that goes directly into the output.
    """
    # Under autocast too: what is computed from here on is nothing that it would make shorter, but
    # for the matrix products of the backward pass.
    dtype = torch.promote_types(inputs_nlgc.dtype, torch.float32)
    inputs = inputs_nlgc.to(dtype)
    sizes = functional.softplus(delta_nlgc.to(dtype) + bias_gc.to(dtype))
    rates_gsc = rates_gcs.to(dtype).transpose(1, 2)
    # A loop over steps would become a graph of thousands of them.
    scan = by_doubling if torch.compiler.is_exporting() else by_segments
    states = scan(inputs, sizes, rates_gsc, write_nlgs.to(dtype), read_nlgs.to(dtype))
    return (states + direct_gc.to(dtype) * inputs).to(inputs_nlgc.dtype)


def by_doubling(
    inputs_nlgc: Tensor,
    sizes_nlgc: Tensor,
    rates_gsc: Tensor,
    write_nlgs: Tensor,
    read_nlgs: Tensor,
) -> Tensor:
    """Return the part of y that comes through the states, in log2(l) passes over all of them.

    The plain form: few operations, which any exporter knows, and much memory.
    """
    decays_nlgsc, states_nlgsc = _terms(inputs_nlgc, sizes_nlgc, rates_gsc, write_nlgs)
    length, reach = inputs_nlgc.shape[1], 1
    while reach < length:
        # What a step has gathered so far is that of its last `reach` steps.
        gathered = states_nlgsc[:, reach:] + decays_nlgsc[:, reach:] * states_nlgsc[:, :-reach]
        states_nlgsc = torch.cat([states_nlgsc[:, :reach], gathered], dim=1)
        further = decays_nlgsc[:, reach:] * decays_nlgsc[:, :-reach]
        decays_nlgsc = torch.cat([decays_nlgsc[:, :reach], further], dim=1)
        reach *= 2
    return (read_nlgs.unsqueeze(-1) * states_nlgsc).sum(-2)


@dataclass(frozen=True)
class Cut:
    """How a sequence is cut: segments follow each other, the pieces of one go side by side."""

    segments: int
    pieces: int
    steps: int
    """Of a piece."""

    @property
    def length(self) -> int:
        """Steps of the whole sequence, with those that fill it up."""
        return self.segments * self.pieces * self.steps


def cut_for(length: int, *, values_per_step: int, device: str) -> Cut:
    """Return how to cut a sequence of so many steps, each of so many states, on a device.

    A CPU takes one step after the other: a piece is a segment. On a GPU, where each operation
    costs the same for few states as for many, all pieces of a segment take a step at once.
    """
    values = VALUES_PER_SEGMENT["cpu" if device == "cpu" else "cuda"]
    most = max(LEAST_STEPS, values // max(1, values_per_step))
    segments = max(1, -(-length // most))
    steps = -(-length // segments)
    pieces = 1 if device == "cpu" else max(1, isqrt(steps))
    return Cut(segments=segments, pieces=pieces, steps=-(-steps // pieces))


def by_segments(
    inputs_nlgc: Tensor,
    sizes_nlgc: Tensor,
    rates_gsc: Tensor,
    write_nlgs: Tensor,
    read_nlgs: Tensor,
    cut: Cut | None = None,
) -> Tensor:
    """Return the part of y that comes through the states, one segment after the other.

    Parameters
    ----------
    cut
        By default what suits the device.
    """
    images, length, groups, channels = inputs_nlgc.shape
    values_per_step = images * groups * channels * rates_gsc.shape[1]
    cut = cut or cut_for(length, values_per_step=values_per_step, device=inputs_nlgc.device.type)
    sequences = (inputs_nlgc, sizes_nlgc, write_nlgs, read_nlgs)
    x, d, write, read = (_steps_first(sequence, cut) for sequence in sequences)
    # PyTorch does not type it.
    y: Tensor = _Scan.apply(x, d, rates_gsc.contiguous(), write, read)  # type: ignore[no-untyped-call]
    return y.permute(3, 0, 2, 1, 4, 5).reshape(images, cut.length, groups, channels)[:, :length]


def _steps_first(sequence_nlgx: Tensor, cut: Cut) -> Tensor:
    """Return (k, t, m, n, g, x), filled up with zeros: steps of size zero change no state."""
    images, length, groups, last = sequence_nlgx.shape
    if cut.length > length:
        sequence_nlgx = functional.pad(sequence_nlgx, (0, 0, 0, 0, 0, cut.length - length))
    shape = (images, cut.segments, cut.pieces, cut.steps, groups, last)
    return sequence_nlgx.reshape(shape).permute(1, 3, 2, 0, 4, 5).contiguous()


def _terms(x: Tensor, d: Tensor, rates_gsc: Tensor, write: Tensor) -> tuple[Tensor, Tensor]:
    """Return a_t and d_t B_t x_t, shape (..., g, s, c)."""
    decays = (d.unsqueeze(-2) * rates_gsc).exp()
    return decays, (d * x).unsqueeze(-2) * write.unsqueeze(-1)


class _Scan(torch.autograd.Function):
    """The recurrence, and its gradient: the same recurrence from the end to the start.

    With l_t, the loss's gradient by h_t: l_t = C_t y'_t + a_(t+1) l_(t+1).
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - the signature is PyTorch's
        x: Tensor,
        d: Tensor,
        rates_gsc: Tensor,
        write: Tensor,
        read: Tensor,
    ) -> Tensor:
        """Map (k, t, m, n, g, c) to the same shape."""
        y = torch.empty_like(x)
        pieces, images, groups, channels = x.shape[2:]
        # State by state, each over all channels: the loops inside run along memory.
        state_ngsc = x.new_zeros(images, groups, rates_gsc.shape[1], channels)
        starts = x.new_empty(len(x), pieces, *state_ngsc.shape)
        for k in range(len(x)):
            decays, states = _terms(x[k], d[k], rates_gsc, write[k])
            starts[k] = _piece_starts(decays, states, state_ngsc)
            _run(decays, states, starts[k])
            state_ngsc = states[-1, -1].clone()
            # Not a matrix product: networks' multiply-adds are stated without those of the scan.
            torch.sum(states.mul_(read[k].unsqueeze(-1)), dim=-2, out=y[k])
        ctx.save_for_backward(x, d, rates_gsc, write, read, starts)
        return y

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any,  # noqa: ANN401 - the signature is PyTorch's
        grad_y: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return the gradients of all inputs."""
        x, d, rates_gsc, write, read, starts = ctx.saved_tensors
        grad_x, grad_d, grad_write, grad_read = (
            torch.empty_like(given) for given in (x, d, write, read)
        )
        grad_rates = torch.zeros_like(rates_gsc)
        from_right_ngsc = torch.zeros_like(starts[0, 0])
        with _without_autocast(x.device.type):
            for k in reversed(range(len(x))):
                decays, states = _terms(x[k], d[k], rates_gsc, write[k])
                _run(decays, states, starts[k])
                before = torch.cat([starts[k].unsqueeze(0), states[:-1]])
                dy, dx = grad_y[k].unsqueeze(-1), (d[k] * x[k]).unsqueeze(-1)
                adjoint = grad_y[k].unsqueeze(-2) * read[k].unsqueeze(-1)
                from_right_ngsc = _run_back(decays, adjoint, from_right_ngsc)
                grad_read[k] = (states @ dy).squeeze(-1)
                grad_write[k] = (adjoint @ dx).squeeze(-1)
                by_product = (write[k].unsqueeze(-2) @ adjoint).squeeze(-2)
                # By the exponent d_t A: a_t l_t, which `_run_back` left here, times h_(t-1).
                by_exponent = decays.mul_(before)
                grad_x[k] = by_product * d[k]
                grad_d[k] = by_product * x[k] + (by_exponent * rates_gsc).sum(-2)
                grad_rates += by_exponent.mul_(d[k].unsqueeze(-2)).sum((0, 1, 2))
        return grad_x, grad_d, grad_rates, grad_write, grad_read


def _without_autocast(device: str) -> AbstractContextManager[object]:
    # A device without numbers has none either.
    known = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if known else nullcontext()


def _run(decays: Tensor, states: Tensor, starts: Tensor) -> None:
    """Turn what each step adds, (t, m, n, g, s, c), into its states, all pieces at once."""
    state = starts
    for t in range(len(states)):
        state = states[t].addcmul_(decays[t], state)


def _piece_starts(decays: Tensor, added: Tensor, start_ngsc: Tensor) -> Tensor:
    """Return the state before each piece: first each on its own, then one after the other."""
    pieces = decays.shape[1]
    starts = [start_ngsc]
    if pieces > 1:
        own, decay = added[0], decays[0]
        for t in range(1, len(decays)):
            own, decay = torch.addcmul(added[t], decays[t], own), decay * decays[t]
        for m in range(pieces - 1):
            starts.append(torch.addcmul(own[m], decay[m], starts[-1]))
    return torch.stack(starts)


def _run_back(decays: Tensor, adjoint: Tensor, from_right_ngsc: Tensor) -> Tensor:
    """Turn C_t y'_t into l_t, and a_t into a_t l_t; return the latter of the very first step."""
    carried = _piece_ends(decays, adjoint, from_right_ngsc)
    for t in reversed(range(len(decays))):
        carried = decays[t].mul_(adjoint[t].add_(carried))
    return carried[0].clone()


def _piece_ends(decays: Tensor, adjoint: Tensor, from_right_ngsc: Tensor) -> Tensor:
    """Return a l of the step behind each piece, as `_piece_starts` the other way round."""
    pieces = decays.shape[1]
    ends = [from_right_ngsc]
    if pieces > 1:
        own, decay = decays[-1] * adjoint[-1], decays[-1]
        for t in reversed(range(len(decays) - 1)):
            own, decay = decays[t] * (adjoint[t] + own), decay * decays[t]
        for m in reversed(range(1, pieces)):
            ends.append(torch.addcmul(own[m], decay[m], ends[-1]))
    return torch.stack(ends[::-1])
