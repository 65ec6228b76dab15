"""Image and mask stay together, whatever is drawn."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from segrepro.protocol.augmentation import Augmentation
from segrepro.training.augment import augmented

ROUNDING = 1e-3

augmentations = st.builds(
    Augmentation,
    flip_rows=st.sampled_from([0.0, 0.5, 1.0]),
    flip_columns=st.sampled_from([0.0, 0.5, 1.0]),
    rotation_degrees=st.floats(0, 180),
    shift=st.floats(0, 0.9),
    zoom=st.floats(0, 0.9),
)
seeds = st.integers(0, 2**32)


def masks_of(seed: int, *, labels: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, labels, (3, 11, 14), generator=generator, dtype=torch.uint8)


@settings(max_examples=60)
@given(augmentations, seeds)
def test_an_image_of_its_mask_agrees_with_the_mask(words: Augmentation, seed: int) -> None:
    masks = masks_of(seed, labels=2)
    generator = torch.Generator().manual_seed(seed)
    images, moved = augmented(masks.unsqueeze(1).float(), masks, words, generator=generator)
    # Of the four pixels that a place is read from, the nearest has at least a quarter's weight.
    inside = moved == 1
    assert (images[:, 0][inside] >= 0.25 - ROUNDING).all()
    assert (images[:, 0][~inside] <= 0.75 + ROUNDING).all()


@settings(max_examples=60)
@given(augmentations, seeds)
def test_no_label_is_invented(words: Augmentation, seed: int) -> None:
    masks = masks_of(seed, labels=2) * 7
    generator = torch.Generator().manual_seed(seed)
    _, moved = augmented(masks.unsqueeze(1).float(), masks, words, generator=generator)
    assert set(moved.unique().tolist()) <= {0, 7}


@settings(max_examples=60)
@given(augmentations, seeds)
def test_no_intensity_beyond_those_there_are_and_zero(words: Augmentation, seed: int) -> None:
    masks = masks_of(seed, labels=200)
    generator = torch.Generator().manual_seed(seed)
    images, _ = augmented(masks.unsqueeze(1).float(), masks, words, generator=generator)
    assert images.min() >= -ROUNDING
    assert images.max() <= masks.max() + ROUNDING
