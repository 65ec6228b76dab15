"""From stored slices to what a network sees."""

from pathlib import Path

import pytest
import torch
from _tiny_run import write_study

from segrepro.protocol.data import Normalisation
from segrepro.slices.store import SliceStore
from segrepro.training._seeds import derive
from segrepro.training.batches import (
    Part,
    all_batches,
    in_batches,
    normalised,
    order_of,
    read_part,
    segmented,
    targets,
    with_channels_last,
)


def test_stored_bytes_become_fractions_of_255() -> None:
    stored = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 1, 1, 3)
    assert normalised(stored, Normalisation()).flatten().tolist() == [0, pytest.approx(0.2), 1]


def test_normalising_leaves_what_is_stored_alone() -> None:
    stored = torch.full((1, 1, 2, 2), 10.0)
    normalised(stored, Normalisation(divide_by=10))
    assert stored.unique().tolist() == [10.0]


def test_inputs_are_laid_out_channels_last() -> None:
    stored = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert normalised(stored, Normalisation()).is_contiguous(memory_format=torch.channels_last)


def test_each_class_has_a_channel_with_ones_where_its_label_is() -> None:
    masks = torch.tensor([[[0, 2], [1, 2]]], dtype=torch.uint8)
    found = targets(masks, torch.tensor([2, 1]))
    assert found[0, 0].tolist() == [[0, 1], [0, 1]]
    assert found[0, 1].tolist() == [[0, 0], [1, 0]]


def test_a_probability_of_exactly_the_threshold_is_background() -> None:
    assert segmented(torch.tensor([-1e-3, 0.0, 1e-3]), threshold=0.5).tolist() == [0, 0, 1]


def test_the_last_batch_may_be_smaller_but_no_image_is_alone() -> None:
    assert [len(batch) for batch in in_batches(torch.arange(8), 3)] == [3, 3, 2]
    assert [batch.tolist() for batch in in_batches(torch.arange(5), 2)] == [[0, 1], [2, 3, 4]]


def test_a_single_image_and_batches_of_one_stay_as_they_are() -> None:
    assert [len(batch) for batch in in_batches(torch.arange(1), 4)] == [1]
    assert [len(batch) for batch in in_batches(torch.arange(3), 1)] == [1, 1, 1]


def test_an_epoch_shows_each_slice_once() -> None:
    assert sorted(order_of(10, seed=0, run="fold0", epoch=1).tolist()) == list(range(10))


def test_the_order_is_the_same_whatever_was_drawn_before() -> None:
    first = order_of(10, seed=0, run="fold0", epoch=1)
    torch.rand(7)
    assert torch.equal(first, order_of(10, seed=0, run="fold0", epoch=1))


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"run": "fold1"}, {"epoch": 2}], ids=["seed", "run", "epoch"]
)
def test_another_seed_run_or_epoch_has_another_order(other: dict[str, object]) -> None:
    asked = {"seed": 0, "run": "fold0", "epoch": 1}
    assert not torch.equal(order_of(10, **asked), order_of(10, **{**asked, **other}))


def test_seeds_differ_with_their_purpose_and_fit_a_generator() -> None:
    seeds = [derive(0), derive(1), derive(0, "weights"), derive(0, "order", 1), derive(0, "order1")]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_batches_of_a_part_keep_its_order() -> None:
    part = Part(
        images_nchw=torch.arange(3, dtype=torch.uint8).view(3, 1, 1, 1),
        masks_nhw=torch.zeros(3, 1, 1, dtype=torch.uint8),
        places_n=torch.arange(3),
        labels_k=torch.tensor([1]),
    )
    batches = all_batches(part, batch_size=2, normalisation=Normalisation(divide_by=1))
    assert torch.cat([batch.inputs for batch in batches]).flatten().tolist() == [0, 1, 2]


def test_a_part_holds_the_bytes_of_its_cases_in_the_order_asked_for(tmp_path: Path) -> None:
    write_study(tmp_path)
    store = SliceStore.open(tmp_path / "slices")
    part = read_part(store, ["c", "a"], classes=["square"], device=torch.device("cpu"))
    assert part.images_nchw.dtype == torch.uint8
    stored = part.images_nchw[part.places_n]
    assert stored.numpy().tolist() == store.images[[2, 0]].tolist()
    assert part.labels_k.tolist() == [1]


def test_kernels_of_flat_convolutions_lie_channels_last_and_those_of_volumes_stay() -> None:
    both = torch.nn.ModuleList([torch.nn.Conv2d(2, 2, 3), torch.nn.Conv3d(2, 2, 3)])
    flat, volume = (layer.weight for layer in with_channels_last(both))
    assert flat.is_contiguous(memory_format=torch.channels_last)
    assert volume.is_contiguous()


def test_a_volume_has_one_target_per_class_too() -> None:
    masks = torch.tensor([0, 1, 2, 1]).view(1, 1, 2, 2)
    assert targets(masks, torch.tensor([1, 2])).tolist() == [
        [[[[0, 1], [0, 1]]], [[[0, 0], [1, 0]]]]
    ]
