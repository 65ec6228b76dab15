"""The start of networks that the papers describe with ReLU and without a framework's habits."""

from torch import nn

from segrepro.models._layers import CONVOLUTIONS


def initialise(network: nn.Module) -> None:
    """Draw every convolution's kernel from He's normal distribution and zero its bias.

    The variance is 2 / fan in (He et al. 2015). Draws from the default generator of PyTorch: the
    caller seeds it.
    """
    for module in network.modules():
        if isinstance(module, CONVOLUTIONS):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
