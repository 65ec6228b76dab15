"""The resize of the MultiResUNet paper's EM images, against sums over two-by-two blocks."""

import numpy as np

from segrepro.slices.arrays import resize_image, resize_mask

BLOCKS = (256, 2, 256, 2)


def test_an_image_becomes_its_block_means_rounded_half_up() -> None:
    image = np.random.default_rng(0).integers(0, 256, (512, 512), dtype=np.uint8)
    sums = image.astype(np.int64).reshape(BLOCKS).sum(axis=(1, 3))
    np.testing.assert_array_equal(resize_image(image, (256, 256), "area"), (sums + 2) // 4)


def test_a_mask_keeps_what_covers_two_of_four_pixels() -> None:
    labels = (np.random.default_rng(0).random((512, 512)) < 0.5).astype(np.uint8)
    counts = labels.reshape(BLOCKS).sum(axis=(1, 3))
    np.testing.assert_array_equal(resize_mask(labels, (256, 256), "area"), counts >= 2)
