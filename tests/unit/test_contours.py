"""Outlines as masks, on pictures that can be counted."""

import numpy as np

from segrepro.datasets._contours import area, filled

SQUARE = np.array([[0.5, 0.5], [2.5, 0.5], [2.5, 2.5], [0.5, 2.5]])


def test_a_square_holds_the_pixels_whose_centres_it_holds() -> None:
    inside = filled(SQUARE, (4, 5))
    assert inside.astype(int).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_x_runs_along_a_row() -> None:
    wide = np.array([[-0.5, 0.5], [4.5, 0.5], [4.5, 1.5], [-0.5, 1.5]])
    assert np.argwhere(filled(wide, (3, 5)))[:, 0].tolist() == [1] * 5


def test_the_direction_of_drawing_does_not_matter() -> None:
    np.testing.assert_array_equal(filled(SQUARE[::-1], (4, 5)), filled(SQUARE, (4, 5)))


def test_of_centres_on_the_outline_the_upper_and_left_ones_are_inside() -> None:
    corners = np.array([[1.0, 1.0], [3.0, 1.0], [3.0, 3.0], [1.0, 3.0]])
    assert np.argwhere(filled(corners, (5, 5))).tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]


def test_a_triangle_has_half_the_pixels_of_its_square() -> None:
    triangle = np.array([[-0.5, -0.5], [99.5, -0.5], [-0.5, 99.5]])
    assert filled(triangle, (100, 100)).sum() == 100 * 99 / 2


def test_what_is_outside_the_picture_is_cut_off() -> None:
    huge = np.array([[-9.0, -9.0], [90.0, -9.0], [90.0, 90.0], [-9.0, 90.0]])
    assert filled(huge, (3, 4)).all()
    assert not filled(SQUARE + 50, (3, 4)).any()


def test_one_point_marks_the_pixel_it_lies_in() -> None:
    assert np.argwhere(filled(np.array([[2.4, 1.6]]), (4, 4))).tolist() == [[2, 2]]


def test_two_points_mark_two_pixels() -> None:
    assert np.argwhere(filled(np.array([[0.0, 0.0], [3.0, 2.0]]), (4, 4))).tolist() == [
        [0, 0],
        [2, 3],
    ]


def test_an_outline_too_small_for_a_centre_still_marks_a_pixel() -> None:
    speck = np.array([[1.1, 1.1], [1.3, 1.1], [1.2, 1.3]])
    assert np.argwhere(filled(speck, (3, 3))).tolist() == [[1, 1]]


def test_a_loop_drawn_twice_is_empty_inside_by_the_even_odd_rule() -> None:
    twice = np.concatenate([SQUARE, SQUARE[:1], 10 * SQUARE - 10, 10 * SQUARE[:1] - 10])
    assert not filled(twice, (4, 5))[1, 1]


def test_the_area_of_a_square_of_two_pixels_is_four() -> None:
    assert area(SQUARE) == 4
    assert area(SQUARE[:2]) == area(SQUARE[:1]) == 0
