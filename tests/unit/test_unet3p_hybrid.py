"""UNet 3+'s hybrid loss, and the multi-scale similarity that is a part of it."""

import math

import pytest
import torch

from segrepro import losses
from segrepro.losses._ms_ssim import C1, ms_ssim

NAME = "unet3p_hybrid"


def disc(side: int) -> torch.Tensor:
    places = torch.arange(side) - side / 2
    inside = places[:, None] ** 2 + places**2 < (side / 4) ** 2
    return inside.float().view(1, 1, side, side)


def test_the_right_answer_costs_nothing() -> None:
    targets = disc(64)
    loss = losses.build(NAME, {})(30 * (2 * targets - 1), targets)
    assert loss.item() == pytest.approx(0, abs=1e-5)


def test_not_knowing_anything_of_an_empty_map() -> None:
    empty = torch.zeros(1, 1, 64, 64)
    loss = losses.build(NAME, {"gamma": 0, "alpha": None})(empty, empty)
    # Flat maps have the same structure: 1 at each scale. The luminance is C1 / (0.25 + C1).
    unlike = 1 - (C1 / (0.25 + C1)) ** 0.1333
    assert loss.item() == pytest.approx(math.log(2) + unlike + 1, rel=1e-4)


def test_a_map_is_like_itself() -> None:
    maps = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(ms_ssim(maps, maps), torch.ones(2, 3))


def test_each_image_and_class_is_compared_for_itself() -> None:
    maps = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    other = maps.clone()
    other[1, 2] = 0
    assert ((ms_ssim(maps, other) < 0.9).nonzero() == torch.tensor([[1, 2]])).all()


def test_the_opposite_is_not_similar_and_has_a_finite_gradient() -> None:
    targets = disc(64)
    found = (1 - targets).requires_grad_()
    similarity = ms_ssim(found, targets)
    similarity.sum().backward()
    assert similarity.item() < 0.01
    assert found.grad is not None
    assert torch.isfinite(found.grad).all()


def test_a_shift_by_a_pixel_is_more_similar_than_a_shift_by_eight() -> None:
    targets = disc(64)
    near, far = targets.roll(1, dims=-1), targets.roll(8, dims=-1)
    assert ms_ssim(near, targets) > ms_ssim(far, targets)


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 1, 2, 3), (1, 1, 3, 200), (1, 1, 2, 9, 9)])
def test_small_and_narrow_maps_have_fewer_scales(shape: tuple[int, ...]) -> None:
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    assert ms_ssim(maps, maps).item() == pytest.approx(1, abs=1e-5)
