"""Why a network with batch normalisation over single pixels needs two images."""

from math import prod

from segrepro.errors import UserError


def check_batch(images: int, *, coarsest: tuple[int, int]) -> None:
    """Refuse a training batch whose coarsest map holds one value a channel: it has no variance.

    Parameters
    ----------
    images
        Images in the batch.
    coarsest
        Sides of the smallest map that batch normalisation sees, in pixels.
    """
    if images * prod(coarsest) == 1:
        raise UserError(
            "batch normalisation cannot train on a batch of one image where its maps are 1x1.",
            "Use batches of at least two images, the last batch of an epoch included.",
        )
