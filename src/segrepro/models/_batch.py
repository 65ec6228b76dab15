"""Why a network with batch normalisation over single pixels needs two images."""

from math import prod

from torch import Tensor

from segrepro.errors import UserError


def check_batch(images: Tensor, *, stride: int | None) -> None:
    """Refuse a training batch whose coarsest map holds one value a channel: it has no variance.

    Parameters
    ----------
    images
        Shape (N, C, H, W) or (N, C, D, H, W).
    stride
        Pixels of the input, along each axis, to one of the smallest map that batch normalisation
        sees; ``None`` if that map is the mean of all pixels.

    Raises
    ------
    UserError
        If the batch is one image, and that map one pixel.
    """
    pixels = 1 if stride is None else prod(side // stride for side in images.shape[2:])
    if len(images) * pixels == 1:
        raise UserError(
            "batch normalisation cannot train on a batch of one image whose map is one pixel.",
            "Use batches of at least two images, the last batch of an epoch included.",
        )
