"""Cutting volumes, on arrays that fit into the head."""

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from segrepro.errors import UserError
from segrepro.protocol.slicing import (
    BoxCrop,
    LesionCrop,
    Percentiles,
    Slicing,
    Window,
    ZScore,
)
from segrepro.slices.choose import Box, crop_box, cut, kept_slices, paste
from segrepro.slices.cut import Item, NativeCase, cut_case, merged
from segrepro.slices.intensity import mapping
from segrepro.slices.place import to_native_case, to_native_slice
from segrepro.slices.planes import from_plane, shown_spacing, to_plane

ORIENTATIONS = [
    "".join(codes) for order in permutations(("RL", "AP", "IS")) for codes in product(*order)
]


def slicing(**words: object) -> Slicing:
    return Slicing(**{"name": "s", "size": (4, 3), **words})  # type: ignore[arg-type]


def brain(orientation: str = "RAS") -> NDArray[np.int16]:
    """Return 3 x 4 x 5 voxels from right to left, front to back, feet to head.

    A voxel is 100 times its step to the head, plus 10 times to the back, plus its step to the left.
    """
    up, back, left = np.mgrid[0:5, 0:4, 0:3]
    return from_plane(100 * up + 10 * back + left, orientation, "axial").astype(np.int16)


def case(mask: NDArray[np.uint8] | None = None, orientation: str = "RAS") -> NativeCase:
    values = brain(orientation)
    spacing = {"R": 1.0, "L": 1.0, "A": 2.0, "P": 2.0, "I": 3.0, "S": 3.0}
    return NativeCase(
        case_id="c",
        channels=[values],
        mask=np.zeros(values.shape, np.uint8) if mask is None else mask,
        spacing_mm=tuple(spacing[code] for code in orientation),
        orientation=orientation,
    )


def items(one: NativeCase, words: Slicing) -> list[Item]:
    return list(cut_case(one, words))


def test_an_axial_slice_has_the_front_on_top_and_the_patients_right_on_the_left() -> None:
    shown = to_plane(brain("RAS"), "RAS", "axial")
    np.testing.assert_array_equal(shown[2][0], [200, 201, 202])
    np.testing.assert_array_equal(shown[2][:, 0], [200, 210, 220, 230])


def test_a_coronal_slice_has_the_head_on_top() -> None:
    shown = to_plane(brain("RAS"), "RAS", "coronal")
    np.testing.assert_array_equal(shown[1][:, 0], [410, 310, 210, 110, 10])


def test_a_sagittal_slice_has_the_front_on_the_left() -> None:
    shown = to_plane(brain("RAS"), "RAS", "sagittal")
    np.testing.assert_array_equal(shown[2][0], [402, 412, 422, 432])


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_all_48_orientations_show_the_same_slices(orientation: str, plane: str) -> None:
    expected = to_plane(brain("RAS"), "RAS", plane)  # type: ignore[arg-type]
    shown = to_plane(brain(orientation), orientation, plane)  # type: ignore[arg-type]
    np.testing.assert_array_equal(shown, expected)


def test_the_spacing_turns_with_the_axes() -> None:
    assert shown_spacing((5.0, 0.8, 0.7), "IPL", "axial") == (5.0, 0.8, 0.7)
    assert shown_spacing((5.0, 0.8, 0.7), "IPL", "sagittal") == (0.7, 5.0, 0.8)


def test_the_index_is_that_of_the_file() -> None:
    # The first axis of a KiTS23 volume runs down: its last slice is the lowest one.
    shown = items(case(orientation="IPL"), slicing())
    assert [item.place.index for item in shown] == [4, 3, 2, 1, 0]
    assert [int(item.image[0, 0, 0]) for item in shown] == [0, 100, 200, 300, 400]


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_every_slice_finds_its_way_back_to_the_native_grid(orientation: str, plane: str) -> None:
    mask = (brain(orientation) % 7 == 0).astype(np.uint8)
    sides = {"axial": (4, 3), "coronal": (5, 3), "sagittal": (5, 4)}
    cut_up = items(case(mask, orientation), slicing(size=sides[plane], plane=plane))
    back = to_native_case([(item.mask, item.place) for item in cut_up])
    np.testing.assert_array_equal(back, mask)


def test_a_cropped_padded_slice_finds_its_way_back() -> None:
    mask = np.zeros((6, 8), np.uint8)
    mask[0:2, 5:8] = 1
    crop = LesionCrop(margin=2)
    words = slicing(size=(10, 11), pad=2, crop=crop, keep="with_label")
    (item,) = items(picture(mask), words)
    assert item.place.box == Box(-2, 3, 6, 7)
    assert item.mask[:2].sum() == 0
    np.testing.assert_array_equal(to_native_slice(item.mask, item.place), mask)


def test_a_resized_volume_finds_its_way_back() -> None:
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[:2, 2:, :] = 1
    one = replace(case(mask, "LPS"), channels=[mask])
    (item,) = items(one, slicing(size=(2, 2, 2)))
    assert item.mask.shape == (2, 2, 2)
    np.testing.assert_array_equal(to_native_case([(item.mask, item.place)]), mask)
    assert item.spacing_mm == (6.0, 4.0, 2.0)


def picture(mask: NDArray[np.uint8]) -> NativeCase:
    return NativeCase(
        case_id="p", channels=[10 * mask], mask=mask, spacing_mm=(1.0, 1.0), orientation=""
    )


LABELLED = np.array([0, 5, 9, 0, 9, 1, 2])


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ({}, [0, 1, 2, 3, 4, 5, 6]),
        ({"keep": "with_label"}, [1, 2, 4, 5, 6]),
        ({"every": 3}, [0, 3, 6]),
        ({"keep": "with_label", "every": 2}, [1, 4, 6]),
        ({"per_case": 1}, [2]),
        ({"per_case": 3}, [1, 2, 4]),
        ({"per_case": 9}, [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_which_slices_are_kept(words: dict[str, object], kept: list[int]) -> None:
    assert kept_slices(LABELLED, slicing(**words), case_id="c") == kept


def test_random_slices_depend_on_the_seed_and_the_case_alone() -> None:
    def picked(seed: int, case_id: str) -> list[int]:
        words = slicing(keep="with_label", per_case=2, pick="random", seed=seed)
        return kept_slices(np.arange(200), words, case_id=case_id)

    assert picked(0, "a") == picked(0, "a")
    assert len(picked(0, "a")) == 2
    assert picked(0, "a") != picked(1, "a")
    assert picked(0, "a") != picked(0, "b")
    assert 0 not in picked(0, "a")


def test_neighbours_are_channels_and_0_beyond_the_ends() -> None:
    # The four slices of D-UNet: two below, one below, the labelled one, one above.
    shown = items(case(), slicing(neighbours=(-2, -1, 0, 1)))
    assert shown[0].image[:, 0, 0].tolist() == [0, 0, 0, 100]
    assert shown[2].image[:, 0, 0].tolist() == [0, 100, 200, 300]
    assert shown[4].image[:, 3, 2].tolist() == [232, 332, 432, 0]


def test_a_window_maps_its_ends_to_0_and_255() -> None:
    window = mapping(Window(low=-100, high=300), np.zeros(1))
    assert window is not None
    np.testing.assert_allclose(
        window(np.array([-200, -100, 100, 300, 999])), [0, 0, 127.5, 255, 255]
    )


def test_percentiles_of_the_foreground_leave_the_0_out() -> None:
    channel = np.array([0] * 100 + [100, 200, 300], np.int16)
    scaled = mapping(Percentiles(low=0, high=100, of="foreground"), channel)
    assert scaled is not None
    np.testing.assert_allclose(scaled(channel[-3:]), [0, 127.5, 255])
    of_all = mapping(Percentiles(low=0, high=100), channel)
    assert of_all is not None
    np.testing.assert_allclose(of_all(channel[-3:]), [85, 170, 255])


def test_a_z_score_of_the_foreground_keeps_0_at_0() -> None:
    channel = np.array([0, 0, 1, 3], np.int16)
    scored = mapping(ZScore(of="foreground"), channel)
    assert scored is not None
    np.testing.assert_array_equal(scored(channel), [0, 0, -1, 1])


def test_a_constant_channel_becomes_0() -> None:
    flat = np.full((2, 2), 7, np.int16)
    for how in (Percentiles(), ZScore()):
        scaled = mapping(how, flat)
        assert scaled is not None
        np.testing.assert_array_equal(scaled(flat), 0 * flat)


def test_windowed_slices_are_bytes_and_scored_ones_half_floats() -> None:
    windowed = items(case(), slicing(intensity=Window(low=0, high=510)))
    assert windowed[2].image.dtype == np.uint8
    assert windowed[2].image[0, 0, 0] == 100
    assert items(case(), slicing(intensity=ZScore()))[0].image.dtype == np.float16


def test_merged_classes_are_numbered_in_the_order_of_merge() -> None:
    mask = np.array([0, 1, 2, 3], np.uint8)
    merge = {"mass": ("tumour", "cyst"), "organ": ("kidney",)}
    assert merged(mask, ["kidney", "tumour", "cyst"], merge).tolist() == [0, 2, 1, 1]
    assert merged(mask, ["kidney", "tumour", "cyst"], {"cyst": ("cyst",)}).tolist() == [0, 0, 0, 1]
    with pytest.raises(UserError, match="'liver'"):
        merged(mask, ["kidney", "tumour", "cyst"], {"x": ("liver",)})


def test_a_lesion_crop_is_the_bounding_box_and_its_margin() -> None:
    mask = np.zeros((9, 9), np.uint8)
    mask[3:5, 2:6] = 2
    assert crop_box(mask, LesionCrop()) == Box(3, 2, 2, 4)
    assert crop_box(mask, LesionCrop(margin=1)) == Box(2, 1, 4, 6)
    assert crop_box(mask, LesionCrop(size=(4, 4))) == Box(2, 2, 4, 4)
    assert crop_box(mask, BoxCrop(rows=(1, 4), columns=(0, 9))) == Box(1, 0, 3, 9)


def test_what_is_cut_beyond_the_edge_is_0_and_is_not_pasted_back() -> None:
    plane = np.array([[1, 2], [3, 4]])
    box = Box(-1, 1, 2, 2)
    assert cut(plane, box).tolist() == [[0, 0], [2, 0]]
    assert paste(cut(plane, box), box, (2, 2)).tolist() == [[0, 2], [0, 0]]
    assert cut(plane, Box(5, 5, 1, 1)).tolist() == [[0]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"crop": LesionCrop()}, "keep: with_label"),
        ({"pad": 2}, "leaves nothing"),
        ({"neighbours": (0, 0)}, "repeat"),
        ({"size": (2, 2, 2), "every": 2}, "every is for slices"),
        ({"merge": {"a": ("x",), "b": ("x",)}}, "one new class only"),
        ({"intensity": {"kind": "window", "low": 1, "high": 1}}, "low must be below high"),
        ({"crop": {"kind": "box", "rows": (2, 2), "columns": (0, 1)}}, "is empty"),
    ],
)
def test_words_that_do_not_fit_together_are_refused(words: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        slicing(**words)
