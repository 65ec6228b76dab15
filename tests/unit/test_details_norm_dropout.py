"""The constants of normalisation and the rates of dropout of every network, as in its source."""

import pytest
import torch
from torch import nn

from segrepro import models
from segrepro.models._page import facts_of

PYTORCH, KERAS = (1e-5, 0.1), (1e-3, 0.01)
# PyTorch's momentum is the share of the new batch, which Keras's of 0.99 leaves at a hundredth.
CONSTANTS = {
    "deeplabv3p": {PYTORCH},
    "denseunet": {KERAS, (1.1e-5, 0.01)},
    "dunet": {KERAS},
    "ken": {PYTORCH},
    "multiresunet": {KERAS},
    "multiresunet3d": {KERAS},
    "pspnet": {PYTORCH},
    "rdiunet": {KERAS},
    "resunet": {PYTORCH},
    "reunet": {KERAS},
    "segnet": {PYTORCH},
    "unet": set(),
    "unet3d": {KERAS},
    "unet_rdi": set(),
    "xnet": {KERAS},
}
RATES = {
    "deeplabv3p": {0.5, 0.1},
    "denseunet": {0.3},
    "dunet": {0.3},
    "pspnet": {0.1},
    "rdiunet": {0.2},
    "reunet": {0.2},
}


def by_default(name: str, **options: object) -> nn.Module:
    facts = facts_of(name)
    with torch.device("meta"):
        return models.build(name, channels=facts.channels, classes=facts.classes, **options)


def constants(network: nn.Module) -> set[tuple[float, float | None]]:
    kinds = (nn.BatchNorm2d, nn.BatchNorm3d)
    return {(norm.eps, norm.momentum) for norm in network.modules() if isinstance(norm, kinds)}


@pytest.mark.parametrize("name", CONSTANTS)
def test_normalisation_has_the_constants_of_its_source(name: str) -> None:
    assert constants(by_default(name)) == CONSTANTS[name]


def test_normalisation_of_the_fitted_u_net_is_keras_s_where_it_has_any() -> None:
    assert constants(by_default("unet_rdi", batch_norm=True)) == {KERAS}


@pytest.mark.parametrize("name", CONSTANTS)
def test_dropout_has_the_rate_of_its_source(name: str) -> None:
    kinds = (nn.Dropout, nn.Dropout2d)
    rates = {layer.p for layer in by_default(name).modules() if isinstance(layer, kinds)}
    assert rates == RATES.get(name, set())


def test_pspnet_drops_whole_maps() -> None:
    kinds = {type(layer) for layer in by_default("pspnet").modules() if hasattr(layer, "p")}
    assert kinds == {nn.Dropout2d}
