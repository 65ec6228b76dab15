"""Choosing an epoch and reporting it use the same quality, though not the same code."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segrepro import metrics
from segrepro.training.monitor import MONITORS

masks = st.lists(st.booleans(), min_size=24, max_size=24)


@pytest.mark.parametrize("name", sorted(MONITORS))
@given(found=masks, wanted=masks, when_both_empty=st.sampled_from([0.0, 1.0]))
def test_a_monitor_is_the_metric_of_its_name(
    name: str, found: list[bool], wanted: list[bool], when_both_empty: float
) -> None:
    first, second = _of_four_images_and_two_classes(found), _of_four_images_and_two_classes(wanted)
    monitored = MONITORS[name](torch.from_numpy(first), torch.from_numpy(second), when_both_empty)
    metric = metrics.get(name)
    assert monitored.tolist() == [
        [metric(f, w, when_both_empty=when_both_empty) for f, w in zip(*image, strict=True)]
        for image in zip(first, second, strict=True)
    ]


def _of_four_images_and_two_classes(pixels: list[bool]) -> NDArray[np.bool_]:
    return np.array(pixels).reshape(4, 2, 1, 3)
