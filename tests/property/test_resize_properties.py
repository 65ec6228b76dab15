"""What holds for every resize."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from segrepro.slices.arrays import ImageResize, MaskResize, resize_image, resize_mask

sides = npst.array_shapes(min_dims=2, max_dims=2, max_side=12)
planes = npst.arrays(np.uint8, sides)
label_maps = npst.arrays(np.uint8, sides, elements=st.integers(0, 3))
sizes = st.tuples(st.integers(1, 12), st.integers(1, 12))
image_ways = st.sampled_from(["area", "linear", "cubic", "nearest"])
mask_ways = st.sampled_from(["area", "nearest"])


@given(planes, sizes, image_ways)
def test_the_size_is_the_one_asked_for_and_the_type_stays(
    plane: NDArray[np.uint8], size: tuple[int, int], how: ImageResize
) -> None:
    resized = resize_image(plane, size, how)
    assert resized.shape == size
    assert resized.dtype == np.uint8


@given(st.integers(0, 255), sides, sizes, image_ways)
def test_a_flat_image_stays_flat(
    grey: int, shape: tuple[int, ...], size: tuple[int, int], how: ImageResize
) -> None:
    assert (resize_image(np.full(shape, grey, np.uint8), size, how) == grey).all()


@given(planes, sizes)
def test_area_keeps_the_mean(plane: NDArray[np.uint8], size: tuple[int, int]) -> None:
    resized = resize_image(plane.astype(np.float64), size, "area")
    np.testing.assert_allclose(resized.mean(), plane.mean(), atol=1e-9)


@given(planes, st.integers(1, 4), st.integers(1, 4))
def test_shrinking_what_was_enlarged_gives_it_back(
    plane: NDArray[np.uint8], rows: int, columns: int
) -> None:
    large = plane.repeat(rows, axis=0).repeat(columns, axis=1)
    size = (plane.shape[0], plane.shape[1])
    np.testing.assert_array_equal(resize_image(large, size, "area"), plane)
    np.testing.assert_array_equal(resize_mask(large, size, "area"), plane)


@given(planes, sizes, image_ways)
def test_turning_the_image_turns_the_result(
    plane: NDArray[np.uint8], size: tuple[int, int], how: ImageResize
) -> None:
    turned = resize_image(np.ascontiguousarray(plane.T), size[::-1], how).T
    # Pillow filters rows before columns: the last bit may round the other way.
    tolerance = 1 if how in {"linear", "cubic"} else 0
    straight = resize_image(plane, size, how)
    assert np.abs(turned.astype(int) - straight.astype(int)).max() <= tolerance


@given(label_maps, sizes, mask_ways)
def test_a_mask_gets_no_label_it_did_not_have(
    labels: NDArray[np.uint8], size: tuple[int, int], how: MaskResize
) -> None:
    assert set(np.unique(resize_mask(labels, size, how))) <= set(np.unique(labels)) | {0}
