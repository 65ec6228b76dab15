"""What a network whose positions are fixed as it is built checks of its input."""

from torch import Tensor

from segrepro.errors import UserError


def check_square(images: Tensor, *, side: int) -> None:
    """Refuse images that are not of the one size that the network was built for.

    Parameters
    ----------
    images
        Shape (N, C, H, W).
    side
        Rows, and columns.
    """
    height, width = images.shape[2:]
    if (height, width) != (side, side):
        raise UserError(
            f"sides must be {side}x{side}; got {height}x{width}.",
            "Set the network's `image_size`, or choose that size in the slicing of this data set.",
        )
