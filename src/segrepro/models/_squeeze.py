"""Squeeze and excitation (Hu et al., CVPR 2018) as REUnet and D-UNet have it: without biases."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class SqueezeExcitation(nn.Module):
    """Scale each channel by a factor between 0 and 1 that depends on the means of all."""

    def __init__(self, width: int, *, ratio: int) -> None:
        super().__init__()
        squeezed = max(1, width // ratio)
        self.squeeze = nn.Linear(width, squeezed, bias=False)
        self.excite = nn.Linear(squeezed, width, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Map (N, width, H, W) to the same shape."""
        means = features.mean(dim=(2, 3))
        factors = torch.sigmoid(self.excite(functional.relu(self.squeeze(means))))
        scaled: Tensor = features * factors[:, :, None, None]
        return scaled
