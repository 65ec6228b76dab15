"""MultiResUNet 3D (Ibtehaz and Rahman, Neural Networks 2020), section 4 and Table 3.

The network of ``multiresunet.py`` with 3x3x3 and 1x1x1 convolutions, 2x2x2 pools and transposed
convolutions, and the same filters.
"""

from torch import nn

from segrepro.models._facts import Disagreement, Facts
from segrepro.models._keras import initialise
from segrepro.models.multiresunet import Config, MultiResUNet

__all__ = ["FACTS", "Config", "build"]

FACTS = Facts(
    title="MultiResUNet 3D",
    source="Ibtehaz and Rahman, Neural Networks 2020, section 4 and Table 3; the authors' Keras "
    "code, nibtehaz/MultiResUNet at 5318aaf",
    licence="MIT by its README; the licence file is the MIT text with another author's name",
    channels=4,
    classes=1,
    size=(48, 80, 80),
    training_mb=15300,
    disagreements=(
        Disagreement(
            where="filters of a block",
            says="the text: W/6, W/3 and W/2",
            but="Table 1 and the code: the factors 0.167, 0.333 and 0.5",
            choice="the factors; only they have the published number of parameters",
        ),
        Disagreement(
            where="normalisation and activation",
            says="the text: every convolution but the output is normalised and activated",
            but="the code normalises the output too, does not activate the 1x1x1 shortcuts, and "
            "does neither after a transposed convolution",
            choice="the code, by the same number",
        ),
        Disagreement(
            where="normalisation after concatenation and addition",
            says="the text names none",
            but="the code has one after each, with gamma; all others have no gamma",
            choice="the code; with gamma everywhere the total would be 18,664,236",
        ),
        Disagreement(
            where="the authors' PyTorch port",
            says="the Keras code: as above",
            but="the port is another network, with biases, other normalisation and 18,646,315 "
            "parameters",
            choice="the Keras code, whose number the paper prints",
        ),
    ),
)


def build(config: Config, *, channels: int, classes: int) -> nn.Module:
    """Return an untrained network: (N, channels, D, H, W) -> (N, classes, D, H, W) logits."""
    network = MultiResUNet(
        config.widths, alpha=config.alpha, channels=channels, classes=classes, dimensions=3
    )
    initialise(network)
    return network
