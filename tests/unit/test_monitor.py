"""Overlap from pixel counts, on values that a reader can check."""

import torch

from segrepro.training.monitor import MONITORS


def test_half_of_the_union_is_half() -> None:
    found = torch.tensor([[[[True, True]]]])
    wanted = torch.tensor([[[[True, False]]]])
    assert MONITORS["jaccard"](found, wanted, 1.0).item() == 1 / 2
    assert MONITORS["dice"](found, wanted, 1.0).item() == 2 / 3
