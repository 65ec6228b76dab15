"""What names a run's states: protocol, code, slices, and the weights it begins with."""

from pathlib import Path

import torch
from _tiny_run import train_stage
from torch import Tensor

from segrepro.protocol.stages import TrainStage
from segrepro.training._identity import digests, key_of
from segrepro.training.batches import Part


def part(*places: int, images: Tensor | None = None) -> Part:
    return Part(
        images_nchw=torch.arange(12.0).view(3, 1, 2, 2) if images is None else images,
        masks_nhw=torch.zeros(3, 2, 2, dtype=torch.uint8),
        places_n=torch.tensor(places),
        labels_k=torch.tensor([1]),
    )


def stage(pretrained: Path) -> TrainStage:
    return train_stage(network={"name": "vmunet", "options": {"pretrained": str(pretrained)}})


def test_other_weights_under_the_same_path_are_another_run(tmp_path: Path) -> None:
    weights = tmp_path / "vmamba.pth"
    found = []
    for content in (b"some", b"other"):
        weights.write_bytes(content)
        found.append(digests(stage(weights), [part(0)]))
    one, other = found
    assert {name for name in one if one[name] != other[name]} == {"pretrained"}
    assert key_of(one) != key_of(other)


def test_only_the_slices_of_a_part_count() -> None:
    other = torch.arange(12.0).view(3, 1, 2, 2)
    other[2] = 0
    name = "training_slices"
    one, changed = (digests(train_stage(), [part(0, 1, images=each)]) for each in (None, other))
    assert one == changed
    assert digests(train_stage(), [part(0, 2)])[name] != one[name]
    assert digests(train_stage(), [part(1, 0)])[name] != one[name]


def test_a_part_to_be_watched_on_counts_too() -> None:
    alone, watched = (digests(train_stage(), parts) for parts in ([part(0)], [part(0), part(1)]))
    assert alone["selection_slices"] is None
    assert key_of(alone) != key_of(watched)
