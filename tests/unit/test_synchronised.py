"""Batch normalisation over processes, where there is one: it must be PyTorch's own."""

import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed, nn

from segrepro.models._keras import BatchNormWithoutGamma
from segrepro.training._synchronised import synchronise


@pytest.fixture(autouse=True)
def _one_process(tmp_path: Path) -> Iterator[None]:
    meeting = f"file://{tmp_path}/meeting"
    distributed.init_process_group("gloo", init_method=meeting, rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


NORMS = {
    "flat": nn.BatchNorm2d(3),
    "volumes": nn.BatchNorm3d(3, eps=1e-3, momentum=0.01),
    "without gamma": BatchNormWithoutGamma(3),
    "without gamma and beta": nn.BatchNorm2d(3, affine=False),
    "the mean over all batches": nn.BatchNorm2d(3, momentum=None),
    "without statistics": nn.BatchNorm2d(3, track_running_stats=False),
}


def some_features(norm: nn.Module) -> Tensor:
    sides = (4, 4, 4) if isinstance(norm, nn.BatchNorm3d) else (8, 8)
    # Far from zero: a variance of squares less the square of a mean would be rough.
    return 10 + torch.randn(2, 3, *sides)


@pytest.mark.parametrize("norm", NORMS.values(), ids=NORMS.keys())
def test_one_process_computes_what_pytorch_does(norm: nn.Module) -> None:
    torch.manual_seed(0)
    theirs, ours = copy.deepcopy(norm), copy.deepcopy(norm)
    synchronise(ours)
    for _ in range(3):
        features = some_features(norm)
        found = []
        for module in (theirs, ours):
            given = features.clone().requires_grad_()
            output = module(given)
            (output**3).sum().backward()
            found.append([output, given.grad, *module.state_dict().values()])
            found[-1] += [parameter.grad for parameter in module.parameters()]
        torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-3)
    features = some_features(norm)
    torch.testing.assert_close(ours.eval()(features), theirs.eval()(features))


def test_a_layout_and_a_short_precision_are_kept() -> None:
    norm = nn.BatchNorm2d(3)
    synchronise(norm)
    features = torch.randn(2, 3, 8, 8).to(torch.bfloat16, memory_format=torch.channels_last)
    output = norm(features)
    assert output.dtype == torch.bfloat16
    assert output.is_contiguous(memory_format=torch.channels_last)
    assert list(norm.state_dict()) == list(nn.BatchNorm2d(3).state_dict())
