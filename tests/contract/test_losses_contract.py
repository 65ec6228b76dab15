"""What every loss of `segrepro.losses` must do; a new file there is tested as it is."""

import pytest
import torch

from segrepro import losses
from segrepro.errors import UserError

every_loss = pytest.mark.parametrize("name", losses.names())


@every_loss
def test_it_is_one_finite_number_with_a_gradient(name: str) -> None:
    logits = torch.zeros(2, 3, 4, 4, requires_grad=True)
    loss = losses.build(name, {})(logits, torch.ones(2, 3, 4, 4))
    loss.backward()
    assert loss.shape == ()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert logits.grad.any()


@every_loss
def test_a_right_answer_costs_less_than_a_wrong_one(name: str) -> None:
    loss = losses.build(name, {})
    targets = torch.tensor([0.0, 1.0, 1.0, 0.0]).view(1, 1, 2, 2)
    sure = 8 * (2 * targets - 1)
    assert loss(sure, targets) < loss(-sure, targets)


@every_loss
def test_half_precision_goes_in_and_single_precision_comes_out(name: str) -> None:
    logits = torch.linspace(-20, 20, 16).view(1, 1, 4, 4).bfloat16()
    targets = (logits > 3).float()
    loss = losses.build(name, {})
    assert loss(logits, targets).dtype == torch.float32
    assert loss(logits, targets) == loss(logits.float(), targets)


@every_loss
def test_very_sure_and_wrong_is_still_finite(name: str) -> None:
    loss = losses.build(name, {})(torch.full((1, 1, 2, 2), 1e4), torch.zeros(1, 1, 2, 2))
    assert torch.isfinite(loss)


@every_loss
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="no_such_option"):
        losses.build(name, {"no_such_option": 1})


def test_an_unknown_loss_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="Did you mean 'binary_cross_entropy'"):
        losses.build("binary_crossentropy", {})
