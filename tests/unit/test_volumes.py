"""Types and grids of volumes."""

from pathlib import Path

import numpy as np
import pytest

from segrepro.datasets._nifti import Volume
from segrepro.datasets._volumes import check_one_grid, compact, labels_of, stacked
from segrepro.errors import UserError

HERE, THERE = Path("here.nii"), Path("there.nii")
CODES = {0: 0, 1: 1, 4: 2}


def volume(values: object, shift_mm: float = 0.0, dtype: str = "i2") -> Volume:
    affine = np.eye(4)
    affine[0, 3] = shift_mm
    return Volume(np.array(values, dtype, ndmin=3), affine, (1.0, 1.0, 1.0))


def test_whole_numbers_in_64_bits_become_16() -> None:
    hounsfield = np.array([[[-1024.0, 0.0, 3071.0]]])
    assert compact(hounsfield, HERE).dtype == np.int16
    np.testing.assert_array_equal(compact(hounsfield, HERE), hounsfield)


@pytest.mark.parametrize("value", [0.5, 40000.0, -32769.0])
def test_what_does_not_fit_into_16_bits_becomes_float32(value: float) -> None:
    narrow = compact(np.array([[[1.0, value]]]), HERE)
    assert narrow.dtype == np.float32
    assert narrow[0, 0, 1] == value


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "f4"])
def test_narrow_types_stay(dtype: str) -> None:
    assert compact(np.zeros((1, 1, 2), dtype), HERE).dtype == np.dtype(dtype)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_is_no_number_is_refused(value: float, dtype: str) -> None:
    with pytest.raises(UserError, match=r"here\.nii"):
        compact(np.array([[[1, value]]], dtype), HERE)


def test_channels_keep_their_order_and_values() -> None:
    stack = stacked({HERE: volume([1, 2, 3]), THERE: volume([4, 5, 6])})
    assert stack.dtype == np.int16
    np.testing.assert_array_equal(stack, [[[[1, 2, 3]]], [[[4, 5, 6]]]])


def test_no_mixture_of_types_makes_64_bits() -> None:
    stack = stacked({HERE: volume([70000], dtype="i4"), THERE: volume([0.5], dtype="f4")})
    assert stack.dtype == np.float32
    assert stack.ravel().tolist() == [70000.0, 0.5]


@pytest.mark.parametrize("dtype", ["u1", "i2", "f4", "f8"])
def test_stored_values_become_labels(dtype: str) -> None:
    mask = labels_of(np.array([[[0, 1, 4, 1]]], dtype), CODES, HERE)
    assert mask.dtype == np.uint8
    assert mask.ravel().tolist() == [0, 1, 2, 1]


def test_labels_a_rounding_error_away_are_rounded() -> None:
    assert labels_of(np.array([[[3.9999, 1.0001]]]), CODES, HERE).ravel().tolist() == [2, 1]


@pytest.mark.parametrize("value", [3.0, 0.4, -1.0, 255.0, 256.0, 300.0, np.nan])
def test_another_value_is_refused(value: float) -> None:
    with pytest.raises(UserError) as caught:
        labels_of(np.array([[[0.0, value]]]), CODES, HERE)
    assert f"the value {value:g}, not only 0, 1 and 4" in caught.value.fact


@pytest.mark.parametrize("value", [2, 255])
def test_another_byte_is_refused(value: int) -> None:
    with pytest.raises(UserError, match=str(value)):
        labels_of(np.array([[[0, value]]], np.uint8), CODES, HERE)


def test_volumes_on_one_grid_pass() -> None:
    check_one_grid({HERE: volume([1, 2]), THERE: volume([3, 4], shift_mm=0.0009)})


def test_volumes_of_two_shapes_are_refused() -> None:
    with pytest.raises(UserError, match=r"there\.nii has shape \(1, 1, 3\)"):
        check_one_grid({HERE: volume([1, 2]), THERE: volume([1, 2, 3])})


def test_volumes_two_thousandths_of_a_millimetre_apart_are_refused() -> None:
    with pytest.raises(UserError, match=r"0\.002 mm"):
        check_one_grid({HERE: volume([1, 2]), THERE: volume([1, 2], shift_mm=0.002)})
