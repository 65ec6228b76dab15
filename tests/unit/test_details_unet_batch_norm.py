"""Batch normalisation in the U-Net, which is an option."""

import pytest
import torch
from torch import nn

from segrepro import models
from segrepro.errors import UserError


def blocks_of(*, batch_norm: bool) -> list[nn.Module]:
    network = models.build("unet", channels=1, classes=1, widths=(4, 8), batch_norm=batch_norm)
    return [*network.encoder, *network.decoder]


@pytest.mark.parametrize(
    ("batch_norm", "kinds"),
    [(False, ["Conv2d", "ReLU"]), (True, ["Conv2d", "BatchNorm2d", "ReLU"])],
)
def test_it_stands_between_each_3x3_convolution_and_its_activation(
    batch_norm: bool, kinds: list[str]
) -> None:
    for block in blocks_of(batch_norm=batch_norm):
        assert [type(layer).__name__ for layer in block] == kinds * 2


def test_it_has_the_constants_of_keras() -> None:
    norms = [
        layer
        for block in blocks_of(batch_norm=True)
        for layer in block
        if isinstance(layer, nn.BatchNorm2d)
    ]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


def test_it_cannot_train_on_one_image_whose_coarsest_map_is_one_pixel() -> None:
    image = torch.rand(1, 1, 2, 2)
    models.build("unet", channels=1, classes=1, widths=(4, 8))(image)
    with pytest.raises(UserError, match="batch of one image whose map is one pixel"):
        models.build("unet", channels=1, classes=1, widths=(4, 8), batch_norm=True)(image)


def test_the_default_network_has_the_names_that_its_stored_weights_have() -> None:
    names = list(models.build("unet", channels=1, classes=1, widths=(4, 8)).state_dict())
    assert names[:4] == [
        "encoder.0.0.weight",
        "encoder.0.0.bias",
        "encoder.0.2.weight",
        "encoder.0.2.bias",
    ]
