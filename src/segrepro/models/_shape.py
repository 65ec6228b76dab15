"""What a network checks of its input."""

from torch import Tensor

from segrepro.errors import UserError


def check_sides(images: Tensor, *, multiple: int) -> None:
    """Refuse images whose sides cannot be halved as often as the network does.

    Parameters
    ----------
    images
        Shape (N, C, H, W) or (N, C, D, H, W).
    multiple
        What every side must be a multiple of.
    """
    sides = tuple(images.shape[2:])
    if any(side % multiple for side in sides):
        raise UserError(
            f"sides must be multiples of {multiple}; got {'x'.join(str(side) for side in sides)}.",
            "Choose such a size in the slicing of this data set.",
        )
