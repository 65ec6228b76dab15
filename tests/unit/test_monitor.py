"""The monitor of training says what the metric of the same name says."""

import numpy as np
import pytest
import torch

from segrepro import metrics
from segrepro.training.monitor import MONITORS


@pytest.mark.parametrize("name", MONITORS)
@pytest.mark.parametrize("when_both_empty", [1.0, 0.0])
def test_a_monitor_agrees_with_its_metric(name: str, when_both_empty: float) -> None:
    generator = np.random.default_rng(0)
    # Three images of two classes, from almost empty to almost full, and a pair of empty masks.
    density = np.array([0.1, 0.5, 0.9])[:, None, None, None]
    found = generator.random((3, 2, 8, 8)) < density
    wanted = generator.random((3, 2, 8, 8)) < density
    found[0, 0] = wanted[0, 0] = False
    values = MONITORS[name](torch.from_numpy(found), torch.from_numpy(wanted), when_both_empty)
    metric = metrics.get(name)
    for image in range(3):
        for k in range(2):
            expected = metric(found[image, k], wanted[image, k], when_both_empty=when_both_empty)
            assert values[image, k].item() == expected


def test_half_of_the_union_is_half() -> None:
    found = torch.tensor([[[[True, True]]]])
    wanted = torch.tensor([[[[True, False]]]])
    assert MONITORS["jaccard"](found, wanted, 1.0).item() == 1 / 2
    assert MONITORS["dice"](found, wanted, 1.0).item() == 2 / 3
