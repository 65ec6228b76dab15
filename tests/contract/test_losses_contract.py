"""What every loss of `segrepro.losses` must do; a new file there is tested as it is.

All targets are one-hot with the background first, which suits a softmax and a sigmoid alike.
"""

from typing import Any

import pytest
import torch
from _gpus import by_chance_on_gpus
from torch import Tensor

from segrepro import losses
from segrepro.errors import UserError

every_loss = pytest.mark.parametrize("name", losses.names())

NEEDED: dict[str, dict[str, Any]] = {
    "sum": {"parts": [{"name": "binary_cross_entropy"}, {"name": "dice"}]}
}
"""The options without which a loss is none."""


def built(name: str) -> losses.Loss:
    return losses.build(name, NEEDED.get(name, {}))


def one_hot(labels_nhw: Tensor, *, channels: int) -> Tensor:
    return torch.nn.functional.one_hot(labels_nhw, channels).movedim(-1, 1).float()


@every_loss
def test_it_is_one_finite_number_with_a_gradient(name: str) -> None:
    logits = torch.zeros(2, 3, 4, 4, requires_grad=True)
    loss = built(name)(logits, one_hot(torch.arange(32).view(2, 4, 4) % 3, channels=3))
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert logits.grad.any()


@every_loss
def test_a_right_answer_costs_less_than_a_wrong_one(name: str) -> None:
    targets = one_hot(torch.tensor([[[0, 1], [1, 0]]]), channels=2)
    sure = 8 * (2 * targets - 1)
    assert built(name)(sure, targets) < built(name)(-sure, targets)


@every_loss
def test_half_precision_goes_in_and_single_precision_comes_out(name: str) -> None:
    one = torch.linspace(-20, 20, 16).view(1, 1, 4, 4).bfloat16()
    logits = torch.cat([-one, one], dim=1)
    targets = (logits > 3).float()
    assert built(name)(logits, targets).dtype == torch.float32
    assert built(name)(logits, targets) == built(name)(logits.float(), targets)


@every_loss
def test_very_sure_and_wrong_is_still_finite_and_so_is_its_gradient(name: str) -> None:
    targets = one_hot(torch.zeros(1, 2, 2, dtype=torch.int64), channels=2)
    logits = (1e4 * (1 - 2 * targets)).requires_grad_()
    loss = built(name)(logits, targets)
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@every_loss
@pytest.mark.parametrize("size", [(8, 8), (8, 8, 8)], ids=["images", "volumes"])
def test_its_gradient_can_be_had_with_the_same_bits_on_a_gpu(
    name: str, size: tuple[int, ...]
) -> None:
    logits = torch.zeros(2, 3, *size, requires_grad=True)
    targets = one_hot(torch.zeros(2, *size, dtype=torch.int64), channels=3)
    assert by_chance_on_gpus(built(name)(logits, targets)) == set()


def test_an_operation_without_such_a_form_is_found() -> None:
    pooled = torch.nn.functional.avg_pool3d(torch.ones(1, 1, 2, 2, 2, requires_grad=True), 2)
    assert by_chance_on_gpus(pooled.sum()) == {"AvgPool3DBackward0"}


@every_loss
def test_a_volume_of_one_slice_costs_what_the_slice_costs(name: str) -> None:
    logits = torch.linspace(-2, 2, 2 * 2 * 8 * 8).view(2, 2, 8, 8).sin()
    targets = one_hot(torch.arange(2 * 8 * 8).view(2, 8, 8) % 2, channels=2)
    flat, volume = (
        built(name)(logits, targets),
        built(name)(logits[:, :, None], targets[:, :, None]),
    )
    assert volume.item() == pytest.approx(flat.item(), rel=1e-5)


@every_loss
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="no_such_option"):
        losses.build(name, {**NEEDED.get(name, {}), "no_such_option": 1})


def test_an_unknown_loss_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="Did you mean 'binary_cross_entropy'"):
        losses.build("binary_crossentropy", {})
