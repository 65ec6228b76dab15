"""What every metric promises: no list here, the folder is the list."""

import numpy as np
import pytest

from segrepro import metrics

MASK = np.array([[True, False], [False, True]])


@pytest.mark.parametrize("name", metrics.names())
def test_it_takes_two_masks_and_returns_a_python_float(name: str) -> None:
    assert type(metrics.get(name)(MASK, ~MASK, when_both_empty=1.0)) is float


@pytest.mark.parametrize("name", metrics.names())
def test_it_leaves_its_arguments_alone(name: str) -> None:
    prediction, reference = MASK.copy(), ~MASK
    prediction.flags.writeable = reference.flags.writeable = False
    metrics.get(name)(prediction, reference, when_both_empty=1.0)
    np.testing.assert_array_equal(prediction, MASK)


@pytest.mark.parametrize("name", metrics.names())
def test_it_works_on_volumes_as_on_planes(name: str) -> None:
    flat = metrics.get(name)(MASK, MASK.T[::-1], when_both_empty=1.0)
    deep = metrics.get(name)(MASK[np.newaxis], MASK.T[::-1][np.newaxis], when_both_empty=1.0)
    assert flat == deep


@pytest.mark.parametrize("name", metrics.names())
def test_numbers_that_are_not_boolean_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not bool"):
        metrics.get(name)(MASK.astype(np.uint8), MASK, when_both_empty=1.0)


@pytest.mark.parametrize("name", metrics.names())
def test_its_module_is_a_file_of_the_folder(name: str) -> None:
    assert metrics.module_of(name).startswith("segrepro.metrics.")
