"""Involution (Li et al., CVPR 2021): each pixel has its own kernel, which channels share."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro.errors import UserError
from segrepro.models._keras import batch_norm


class Involution(nn.Module):
    """A sum over a window, with weights that two 1x1 convolutions make from the pixel itself.

    Parameters
    ----------
    channels
        Channels that come in and go out.
    kernel
        Side of the window in pixels, odd. With 1 the layer scales each pixel of each group.
    channels_per_group
        Channels that share the weights of a pixel; fewer channels than that make one group.
    reduction
        How many times fewer channels the convolution between has.

    Raises
    ------
    UserError
        If the channels cannot be divided into such groups, or the window has no middle.
    """

    def __init__(
        self,
        channels: int,
        *,
        kernel: int = 7,
        channels_per_group: int = 16,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise UserError(
                f"an involution's window of {kernel} has no middle.", "Choose an odd `kernel`."
            )
        sharing = min(channels, channels_per_group)
        if channels % sharing:
            raise UserError(
                f"{channels} channels cannot be divided into groups of {channels_per_group}.",
                "Choose widths that are multiples of `channels_per_group`.",
            )
        self.kernel = kernel
        self.groups = channels // sharing
        hidden = max(1, channels // reduction)
        self.reduce = nn.Sequential(
            nn.Conv2d(channels, hidden, 1), batch_norm(hidden), nn.ReLU(inplace=True)
        )
        self.span = nn.Conv2d(hidden, kernel**2 * self.groups, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, channels, H, W) to the same shape; the window reads zeros outside the image."""
        weights = self.span(self.reduce(features))
        # N, groups, places in the window, one for all channels of a group, H, W
        weights = torch.unflatten(weights, 1, (self.groups, self.kernel**2, 1))
        grouped = torch.unflatten(features, 1, (self.groups, -1))
        if self.kernel == 1:
            summed: Tensor = weights[:, :, 0] * grouped
        else:
            summed = _sum_over_window(grouped, weights, kernel=self.kernel)
        return summed.flatten(1, 2)


def _sum_over_window(grouped: Tensor, weights: Tensor, *, kernel: int) -> Tensor:
    # One shifted view after the other: unfolding would hold K*K copies of the features at once.
    height, width = grouped.shape[-2:]
    reach = kernel // 2
    padded = functional.pad(grouped, (reach, reach, reach, reach))
    total = torch.zeros_like(grouped)
    # Not by index: the gradient of each index would be as large as all weights.
    for place, weight in enumerate(weights.unbind(dim=2)):
        row, column = divmod(place, kernel)
        total.addcmul_(weight, padded[..., row : row + height, column : column + width])
    return total
