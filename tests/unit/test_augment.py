"""How training images are varied: what a reader can check on eight columns."""

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from segrepro.protocol.augmentation import Augmentation
from segrepro.training.augment import Variation, augmented, draw, varied

EVERYTHING = Augmentation(
    flip_rows=0.5,
    flip_columns=0.5,
    rotation_degrees=30,
    shift=0.2,
    zoom=0.2,
    brightness=0.2,
    contrast=0.2,
    noise=0.1,
)


@pytest.fixture(autouse=True)
def _as_in_training() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def variation(images: int = 1, **changes: float) -> Variation:
    """Return a variation that does nothing but these changes, the same to each image."""
    still = draw(Augmentation(), images, generator=seeded())
    values = {name: torch.full((images,), value) for name, value in changes.items()}
    return Variation(**{**vars(still), **values})


def picture(rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Return an image whose pixels are all different, and a mask of the same numbers."""
    labels = 1 + torch.arange(rows * columns).view(1, rows, columns)
    return labels.float().unsqueeze(1), labels


def batch(images: int = 4) -> tuple[Tensor, Tensor]:
    inputs = torch.randn(images, 3, 16, 24, generator=seeded(1))
    masks = torch.randint(0, 5, (images, 16, 24), generator=seeded(2), dtype=torch.uint8)
    return inputs.to(memory_format=torch.channels_last), masks


def test_nothing_asked_for_returns_the_arguments_and_draws_nothing() -> None:
    inputs, masks = batch()
    generator = seeded()
    same_inputs, same_masks = augmented(inputs, masks, Augmentation(), generator=generator)
    assert same_inputs is inputs
    assert same_masks is masks
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_a_flip_of_columns_lets_left_become_right() -> None:
    image, mask = picture(2, 8)
    flipped, flipped_mask = augmented(image, mask, Augmentation(flip_columns=1), generator=seeded())
    assert flipped[0, 0, 0].tolist() == [8, 7, 6, 5, 4, 3, 2, 1]
    assert flipped_mask[0, 0].tolist() == [8, 7, 6, 5, 4, 3, 2, 1]


def test_a_flip_of_rows_lets_top_become_bottom() -> None:
    image, mask = picture(3, 2)
    flipped, flipped_mask = augmented(image, mask, Augmentation(flip_rows=1), generator=seeded())
    assert flipped[0, 0].tolist() == [[5, 6], [3, 4], [1, 2]]
    assert flipped_mask[0].tolist() == [[5, 6], [3, 4], [1, 2]]


def test_half_of_the_images_are_flipped_at_a_half() -> None:
    drawn = draw(Augmentation(flip_rows=0.5), 10_000, generator=seeded())
    assert drawn.flip_rows.float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert not drawn.flip_columns.any()


def test_a_quarter_turn_takes_the_right_edge_to_the_top() -> None:
    image, mask = picture(3, 3)
    turned, turned_mask = varied(image, mask, variation(radians=math.pi / 2))
    # 1 2 3
    # 4 5 6  anticlockwise
    # 7 8 9
    expected = [[3, 6, 9], [2, 5, 8], [1, 4, 7]]
    torch.testing.assert_close(turned[0, 0], torch.tensor(expected).float(), atol=1e-4, rtol=0)
    assert turned_mask[0].tolist() == expected


def test_a_turn_of_a_wide_image_does_not_distort_it() -> None:
    mask = torch.zeros(1, 4, 8, dtype=torch.uint8)
    mask[0, 1:3, 2:6] = 1
    _, turned = varied(mask[:, None].float(), mask, variation(radians=math.pi / 2))
    # Two rows of four columns become four rows of two, around the same middle.
    expected = torch.zeros(4, 8, dtype=torch.uint8)
    expected[0:4, 3:5] = 1
    assert torch.equal(turned[0], expected)


def test_a_shift_by_a_quarter_of_eight_columns_is_two() -> None:
    image, mask = picture(1, 8)
    moved, moved_mask = varied(image, mask, variation(shift_columns=0.25))
    expected = [0, 0, 1, 2, 3, 4, 5, 6]
    torch.testing.assert_close(moved[0, 0, 0], torch.tensor(expected).float(), atol=1e-4, rtol=0)
    assert moved_mask[0, 0].tolist() == expected


def test_a_shift_by_half_of_four_rows_is_two_downwards() -> None:
    image, mask = picture(4, 1)
    _, moved_mask = varied(image, mask, variation(shift_rows=0.5))
    assert moved_mask[0, :, 0].tolist() == [0, 0, 1, 2]


def test_a_shift_is_not_enlarged_by_a_zoom_nor_turned() -> None:
    mask = torch.zeros(1, 9, 9, dtype=torch.uint8)
    mask[0, 4, 4] = 1
    drawn = variation(shift_columns=3 / 9, zoom=1.5, radians=math.pi / 2)
    _, moved = varied(mask[:, None].float(), mask, drawn)
    assert moved[0].nonzero().float().mean(dim=0).tolist() == [4, 7]


def test_a_shift_by_half_a_pixel_is_read_linearly() -> None:
    image, mask = picture(1, 4)
    moved, _ = varied(image, mask, variation(shift_columns=0.5 / 4))
    # Each is the mean of its neighbours; beyond the edge there is 0.
    expected = torch.tensor([0.5, 1.5, 2.5, 3.5])
    torch.testing.assert_close(moved[0, 0, 0], expected, atol=1e-5, rtol=0)


def test_a_zoom_of_two_makes_four_pixels_of_each_in_the_middle() -> None:
    _, mask = picture(4, 4)
    _, enlarged = varied(mask[:, None].float(), mask, variation(zoom=2.0))
    assert enlarged[0].tolist() == [[6, 6, 7, 7], [6, 6, 7, 7], [10, 10, 11, 11], [10, 10, 11, 11]]


def test_a_zoom_of_a_half_is_framed_by_background() -> None:
    mask = torch.ones(1, 8, 8, dtype=torch.uint8)
    image, small = varied(mask[:, None].float(), mask, variation(zoom=0.5))
    assert small.sum() == 16
    assert small[0, 2:6, 2:6].all()
    assert image[0, 0, 0].tolist() == [0] * 8


def test_brightness_is_added() -> None:
    image, mask = picture(2, 2)
    brighter, same_mask = varied(image, mask, variation(brightness=0.5))
    assert torch.equal(brighter, image + 0.5)
    assert torch.equal(same_mask, mask)


def test_contrast_doubles_the_distance_to_the_mean_and_keeps_the_mean() -> None:
    image, mask = picture(1, 3)
    stretched, _ = varied(image, mask, variation(contrast=2.0))
    assert stretched[0, 0, 0].tolist() == [0, 2, 4]


def test_noise_has_the_spread_asked_for_and_leaves_the_mask_alone() -> None:
    inputs, masks = torch.zeros(4, 1, 128, 128), torch.ones(4, 128, 128, dtype=torch.uint8)
    noisy, same = augmented(inputs, masks, Augmentation(noise=0.1), generator=seeded())
    assert noisy.std().item() == pytest.approx(0.1, rel=0.02)
    assert noisy.mean().item() == pytest.approx(0, abs=0.002)
    assert not torch.equal(noisy[0], noisy[1])
    assert torch.equal(same, masks)


@pytest.mark.parametrize(
    ("word", "drawn", "middle", "most"),
    [
        ("rotation_degrees", "radians", 0, math.radians(0.3)),
        ("shift", "shift_rows", 0, 0.3),
        ("shift", "shift_columns", 0, 0.3),
        ("zoom", "zoom", 1, 0.3),
        ("brightness", "brightness", 0, 0.3),
        ("contrast", "contrast", 1, 0.3),
    ],
)
def test_what_is_drawn_is_uniform_from_minus_to_plus(
    word: str, drawn: str, middle: float, most: float
) -> None:
    values = vars(draw(Augmentation(**{word: 0.3}), 10_000, generator=seeded()))[drawn] - middle
    assert -most <= values.min() < -0.99 * most
    assert 0.99 * most < values.max() <= most
    # A uniform variable's standard deviation is its half-width over the square root of 3.
    assert values.std().item() == pytest.approx(most / math.sqrt(3), rel=0.03)


def test_rows_and_columns_are_shifted_independently() -> None:
    drawn = draw(Augmentation(shift=0.3), 10_000, generator=seeded())
    correlation = torch.corrcoef(torch.stack([drawn.shift_rows, drawn.shift_columns]))[0, 1]
    assert abs(correlation.item()) < 0.05


def test_the_same_seed_draws_the_same_and_another_another() -> None:
    inputs, masks = batch()
    one, again, other = (
        augmented(inputs, masks, EVERYTHING, generator=seeded(seed)) for seed in (5, 5, 6)
    )
    assert torch.equal(one[0], again[0])
    assert torch.equal(one[1], again[1])
    assert not torch.equal(one[0], other[0])


def test_a_batch_in_two_parts_is_varied_as_the_whole() -> None:
    inputs, masks = batch(4)
    whole, whole_masks = augmented(inputs, masks, EVERYTHING, generator=seeded())
    generator = seeded()
    parts = [
        augmented(inputs[some], masks[some], EVERYTHING, generator=generator)
        for some in (slice(0, 1), slice(1, 4))
    ]
    assert torch.equal(torch.cat([part[0] for part in parts]), whole)
    assert torch.equal(torch.cat([part[1] for part in parts]), whole_masks)


def test_noise_that_is_switched_on_leaves_the_flips_as_they_were() -> None:
    quiet = Augmentation(flip_columns=0.5)
    noisy = Augmentation(flip_columns=0.5, noise=0.1)
    one, other = (draw(words, 100, generator=seeded()) for words in (quiet, noisy))
    assert torch.equal(one.flip_columns, other.flip_columns)


def test_two_equal_images_are_varied_differently() -> None:
    inputs, masks = batch(1)
    twice, _ = augmented(
        inputs.expand(2, -1, -1, -1), masks.expand(2, -1, -1), EVERYTHING, generator=seeded()
    )
    assert not torch.equal(twice[0], twice[1])


def test_the_arguments_are_not_written_to() -> None:
    inputs, masks = batch()
    inputs_before, masks_before = inputs.clone(), masks.clone()
    augmented(inputs, masks, EVERYTHING, generator=seeded())
    assert torch.equal(inputs, inputs_before)
    assert torch.equal(masks, masks_before)


@pytest.mark.parametrize("words", [EVERYTHING, Augmentation(flip_rows=1), Augmentation(noise=1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_types_and_memory_formats_stay(words: Augmentation, channels: int) -> None:
    inputs, masks = batch()
    inputs = inputs[:, :channels].contiguous(memory_format=torch.channels_last)
    found, found_masks = augmented(inputs, masks, words, generator=seeded())
    assert found.stride() == inputs.stride()
    assert found.dtype == torch.float32
    assert found_masks.dtype == torch.uint8


def test_the_slices_of_a_volume_move_alike() -> None:
    image, mask = picture(6, 8)
    volume = image.unsqueeze(2).expand(1, 1, 3, 6, 8)
    drawn = variation(radians=0.4, shift_rows=0.1, zoom=1.1)
    flat, flat_mask = varied(image, mask, drawn)
    moved, moved_mask = varied(volume, mask.unsqueeze(1).expand(1, 3, 6, 8), drawn)
    assert moved.shape == (1, 1, 3, 6, 8)
    for place in range(3):
        torch.testing.assert_close(moved[:, :, place], flat)
        assert torch.equal(moved_mask[:, place], flat_mask)


def test_a_volume_is_flipped_in_its_rows_and_not_in_its_slices() -> None:
    masks = torch.arange(8).view(1, 2, 2, 2)
    _, flipped = augmented(
        masks[:, None].float(), masks, Augmentation(flip_rows=1), generator=seeded()
    )
    assert flipped[0].tolist() == [[[2, 3], [0, 1]], [[6, 7], [4, 5]]]
