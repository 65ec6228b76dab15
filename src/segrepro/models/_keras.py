"""What Keras does by default and PyTorch does not: initialisation and batch normalisation.

Why, and with which numbers: ``docs/decisions/0003-batchnorm-and-keras.md``.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from segrepro.models._layers import CONVOLUTIONS, LAYERS

EPSILON = 1e-3
MOMENTUM = 0.01
"""Keras writes 0.99: the share of the old value, where PyTorch names that of the new one."""


def batch_norm(width: int, *, dimensions: int = 2) -> nn.BatchNorm2d | nn.BatchNorm3d:
    """Return batch normalisation with gamma and beta, with the constants of Keras."""
    return LAYERS[dimensions].batch_norm(width, eps=EPSILON, momentum=MOMENTUM)


class BatchNormWithoutGamma(nn.Module):
    """Keras's ``BatchNormalization(scale=False)``: beta, but no gamma to learn, store or count."""

    running_mean: Tensor
    running_var: Tensor
    eps, momentum = EPSILON, MOMENTUM

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, features: Tensor) -> Tensor:
        """Normalise each channel of (N, width, ...) over all else."""
        return functional.batch_norm(
            features,
            self.running_mean,
            self.running_var,
            bias=self.bias,
            training=self.training,
            momentum=self.momentum,
            eps=self.eps,
        )


def initialise(network: nn.Module) -> None:
    """Draw every convolution's kernel from Glorot's uniform distribution and zero its bias.

    Draws from the default generator of PyTorch: the caller seeds it.
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
