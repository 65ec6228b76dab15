"""Our losses give what PyTorch's, scikit-learn's and MONAI's functions give."""

import numpy as np
import pytest
import torch
from monai.metrics.regression import MultiScaleSSIMMetric
from sklearn.metrics import log_loss
from torch import Tensor
from torch.nn import functional

from segrepro import losses
from segrepro.losses._ms_ssim import ms_ssim


def logits_and_labels(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, 3, 16, 16, generator=generator)
    return logits, torch.randint(0, 3, (2, 16, 16), generator=generator)


def one_hot(labels_nhw: Tensor) -> Tensor:
    return functional.one_hot(labels_nhw, 3).movedim(-1, 1).float()


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_is_that_of_pytorch(seed: int) -> None:
    logits, labels = logits_and_labels(seed)
    expected = functional.cross_entropy(logits, labels)
    ours = losses.build("cross_entropy", {})(logits, one_hot(labels))
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_cross_entropy_is_the_mean_of_pytorchs_weighted_losses(seed: int) -> None:
    logits, labels = logits_and_labels(seed)
    weights = torch.tensor([0.2, 1.0, 3.0])
    expected = functional.cross_entropy(logits, labels, weight=weights, reduction="none").mean()
    options = {"class_weights": weights.tolist()}
    ours = losses.build("cross_entropy", options)(logits, one_hot(labels))
    torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_is_the_log_loss_of_scikit_learn(seed: int) -> None:
    logits, labels = logits_and_labels(seed)
    probabilities = logits.double().softmax(dim=1).movedim(1, -1).reshape(-1, 3)
    expected = log_loss(labels.flatten().numpy(), probabilities.numpy())
    ours = losses.build("cross_entropy", {})(logits, one_hot(labels))
    assert ours.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_binary_cross_entropy_is_the_log_loss_of_scikit_learn(seed: int) -> None:
    logits, labels = logits_and_labels(seed)
    within = one_hot(labels).flatten().numpy()
    expected = log_loss(within, logits.double().sigmoid().flatten().numpy())
    ours = losses.build("binary_cross_entropy", {})(logits, one_hot(labels))
    assert ours.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("squared", [False, True])
def test_dice_is_what_numpy_makes_of_the_formula(squared: bool) -> None:
    logits, labels = logits_and_labels(0)
    found, wanted = logits.sigmoid().double().numpy(), one_hot(labels).double().numpy()
    power, axes = (2 if squared else 1), (2, 3)
    sizes = (found**power).sum(axes) + (wanted**power).sum(axes)
    expected = np.mean(1 - (2 * (found * wanted).sum(axes) + 1) / (sizes + 1))
    options = {"squared": squared, "smoothing": 1}
    ours = losses.build("dice", options)(logits, one_hot(labels))
    assert ours.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("noise", [0.05, 0.3, 1.0])
def test_multi_scale_similarity_is_that_of_monai(noise: float) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.rand(2, 1, 192, 208, generator=generator)
    other = (one + noise * torch.randn(one.shape, generator=generator)).clamp(0, 1)
    theirs = MultiScaleSSIMMetric(spatial_dims=2)(one, other)
    torch.testing.assert_close(ms_ssim(one, other), theirs)
