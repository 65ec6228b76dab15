"""A loss that is a weighted sum of others."""

from typing import Any

import pytest
import torch

from segrepro import losses
from segrepro.errors import UserError
from segrepro.provenance import code_digest

LOGITS = torch.linspace(-2, 2, 32).view(1, 2, 4, 4)
TARGETS = (LOGITS > 0.5).float()
BOTH: dict[str, Any] = {
    "parts": [
        {"name": "binary_cross_entropy", "weight": 2},
        {"name": "dice", "options": {"over": "batch"}, "weight": 0.5},
    ]
}


def value(name: str, options: dict[str, Any]) -> float:
    return losses.build(name, options)(LOGITS, TARGETS).item()


def test_two_of_one_and_half_of_the_other() -> None:
    expected = 2 * value("binary_cross_entropy", {}) + 0.5 * value("dice", {"over": "batch"})
    assert value("sum", BOTH) == pytest.approx(expected)


def test_a_sum_may_hold_a_sum() -> None:
    outer = {"parts": [{"name": "sum", "options": BOTH, "weight": 3}]}
    assert value("sum", outer) == pytest.approx(3 * value("sum", BOTH))


@pytest.mark.parametrize(
    ("part", "complaint"),
    [
        ({"name": "dise"}, "Did you mean 'dice'"),
        ({"name": "dice", "options": {"smoothness": 1}}, "'smoothness'"),
        ({"name": "dice", "weight": -1}, "parts.0.weight"),
    ],
)
def test_a_wrong_part_is_refused(part: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        losses.build("sum", {"parts": [part]})


def test_a_sum_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="'parts'"):
        losses.build("sum", {"parts": []})


def test_its_code_is_that_of_all_its_parts() -> None:
    names = [f"segrepro.losses.{name}" for name in ("sum", "binary_cross_entropy", "dice")]
    assert losses.modules("sum", BOTH) == names
    assert code_digest(*losses.modules("sum", BOTH)) != code_digest("segrepro.losses.sum")
    assert losses.modules("dice", {}) == ["segrepro.losses.dice"]


def test_an_unknown_part_has_no_code() -> None:
    with pytest.raises(UserError, match="Did you mean 'dice'"):
        losses.modules("sum", {"parts": [{"name": "dise"}]})


@pytest.mark.parametrize("parts", [3, [3], [{"name": 3}], {"name": "dice"}])
def test_what_is_no_list_of_parts_has_no_code_of_parts(parts: object) -> None:
    assert losses.modules("sum", {"parts": parts}) == ["segrepro.losses.sum"]
