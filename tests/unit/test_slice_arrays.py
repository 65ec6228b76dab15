"""Resizing, on arrays that fit into the head."""

import numpy as np
import pytest
from numpy.typing import NDArray

from segrepro.slices.arrays import ImageResize, resize_image, resize_mask


def grey(*rows: list[int]) -> NDArray[np.uint8]:
    return np.array(rows, dtype=np.uint8)


def test_area_takes_the_mean_of_two_by_two() -> None:
    assert resize_image(grey([0, 4], [8, 20]), (1, 1), "area") == 8


@pytest.mark.parametrize(
    ("four", "mean"), [([0, 0, 0, 1], 0), ([0, 0, 1, 1], 1), ([2, 2, 3, 3], 3), ([255] * 4, 255)]
)
def test_area_rounds_half_up(four: list[int], mean: int) -> None:
    assert resize_image(grey(four[:2], four[2:]), (1, 1), "area") == mean


def test_area_weighs_a_pixel_by_how_much_of_it_is_covered() -> None:
    # Three become two: each new pixel covers one whole old pixel and half of the middle one.
    row = np.array([[0.0, 3.0, 9.0]], dtype=np.float32)
    np.testing.assert_allclose(resize_image(row, (1, 2), "area"), [[1.0, 7.0]])


def test_size_is_rows_and_columns() -> None:
    for how in ("area", "linear", "cubic", "nearest"):
        assert resize_image(np.zeros((6, 4), np.uint8), (3, 8), how).shape == (3, 8)


@pytest.mark.parametrize("how", ["linear", "cubic"])
def test_overshoot_is_clipped_not_wrapped(how: ImageResize) -> None:
    edge = np.repeat(grey([0, 0, 255, 255]), 4, axis=0)
    enlarged = resize_image(edge, (16, 16), how)
    assert (enlarged[:, 0].max(), enlarged[:, -1].min()) == (0, 255)
    assert (np.diff(enlarged.astype(int), axis=1) >= 0)[:, 5:10].all()


def test_sixteen_bits_keep_their_type() -> None:
    plane = np.full((4, 4), 40000, dtype=np.uint16)
    resized = resize_image(plane, (2, 2), "cubic")
    assert resized.dtype == np.uint16
    assert (resized == 40000).all()


def test_nearest_takes_the_pixel_under_the_new_centre() -> None:
    np.testing.assert_array_equal(resize_image(grey([1, 2, 3]), (1, 1), "nearest"), [[2]])
    np.testing.assert_array_equal(resize_mask(grey([1, 2]), (1, 4), "nearest"), [[1, 1, 2, 2]])


def test_half_of_the_area_is_enough_for_a_class() -> None:
    assert resize_mask(grey([1, 1], [0, 0]), (1, 1), "area") == 1


def test_less_than_half_of_the_area_is_background() -> None:
    assert resize_mask(grey([1, 0], [0, 0]), (1, 1), "area") == 0
    # Two classes that only together cover more than half.
    assert resize_mask(grey([1, 2], [0, 0]), (1, 1), "area") == 0


def test_of_two_classes_with_half_each_the_smaller_label_wins() -> None:
    assert resize_mask(grey([2, 1], [2, 1]), (1, 1), "area") == 1


def test_labels_are_not_blended() -> None:
    assert set(np.unique(resize_mask(grey([1, 3] * 8), (1, 5), "area"))) <= {0, 1, 3}


def test_an_image_of_the_wanted_size_is_copied() -> None:
    plane = grey([1, 2], [3, 4])
    same = resize_image(plane, (2, 2), "cubic")
    np.testing.assert_array_equal(same, plane)
    assert not np.shares_memory(same, plane)
