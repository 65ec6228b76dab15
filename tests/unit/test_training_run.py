"""A whole run: what it writes, what it reads, what it refuses."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from _tiny_run import train_stage, train_tiny, write_study
from torch import Tensor, nn

from segrepro import losses, models
from segrepro.errors import UserError
from segrepro.training import train as train_module
from segrepro.training._learner import Epoch
from segrepro.training._outputs import history_csv

WEIGHTS = "model.safetensors"
EVERYTHING = (WEIGHTS, "last.safetensors", "history.csv")


def trained_bytes(folder: Path, *names: str, **changes: object) -> list[bytes]:
    """Write the study, train, and return the bytes of the named outputs."""
    study = {key: changes.pop(key) for key in ("without", "garbage_in") if key in changes}
    write_study(folder, **study)
    out = train_tiny(folder, train_stage(**changes))
    return [(out / name).read_bytes() for name in names]


def stamp(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "out" / "train.json").read_text())
    return content


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "out" / "history.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def constant_quality(monkeypatch: pytest.MonkeyPatch, *qualities: float) -> None:
    """Let the epochs have these qualities, whatever the network does."""
    left = iter(qualities)
    monkeypatch.setattr(train_module, "evaluate", lambda *_, **__: (0.5, next(left)))


def test_the_same_seed_ends_in_the_same_bytes(tmp_path: Path) -> None:
    first = trained_bytes(tmp_path / "first", *EVERYTHING)
    assert first == trained_bytes(tmp_path / "second", *EVERYTHING)


def test_another_seed_ends_in_other_weights(tmp_path: Path) -> None:
    first = trained_bytes(tmp_path / "first", WEIGHTS)
    assert first != trained_bytes(tmp_path / "second", WEIGHTS, seed=1)


def test_what_was_drawn_before_changes_nothing(tmp_path: Path) -> None:
    first = trained_bytes(tmp_path / "first", WEIGHTS)
    torch.rand(3)
    before = torch.get_rng_state()
    assert first == trained_bytes(tmp_path / "second", WEIGHTS)
    assert torch.equal(before, torch.get_rng_state())


def test_the_settings_of_pytorch_are_left_as_they_were(tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    trained_bytes(tmp_path, epochs=1)
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


@pytest.mark.parametrize(
    ("checkpoint", "without", "unread"),
    [
        # "g" is in no part of the split, "d" is the validation part, "e" and "f" are the test part.
        ("best_on_reported_fold", "", "dg"),
        ("best_validation", "", "efg"),
        ("last", "", "efg"),
        ("last", "d", "defg"),
    ],
)
def test_what_a_run_must_not_see_cannot_move_it(
    tmp_path: Path, checkpoint: str, without: str, unread: str
) -> None:
    clean, poisoned = (
        trained_bytes(
            tmp_path / name,
            *EVERYTHING,
            without=without,
            garbage_in=garbage,
            checkpoint=checkpoint,
            epochs=1,
        )
        for name, garbage in (("clean", ""), ("poisoned", unread))
    )
    assert clean == poisoned


@pytest.mark.parametrize("seen", ["a", "e"])
def test_what_a_run_does_see_moves_it(tmp_path: Path, seen: str) -> None:
    clean = trained_bytes(tmp_path / "clean", "history.csv")
    assert clean != trained_bytes(tmp_path / "poisoned", "history.csv", garbage_in=seen)


def test_choosing_on_reported_cases_is_called_optimistic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained_bytes(tmp_path)
    warning = "the best epoch is chosen on the cases that are reported: optimistic"
    assert stamp(tmp_path)["warning"] == warning
    assert stamp(tmp_path)["selection_part"] == "test"
    assert warning in capsys.readouterr().err


def test_a_log_gets_one_line_per_epoch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained_bytes(tmp_path, checkpoint="best_validation", epochs=2)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("epoch 1/2: train loss 0.")
    assert re.search(r"images/s, \d+\.\d GB, 0 s left$", second)


def test_choosing_on_validation_cases_needs_no_warning(tmp_path: Path) -> None:
    trained_bytes(tmp_path, checkpoint="best_validation")
    assert stamp(tmp_path)["warning"] == ""
    assert stamp(tmp_path)["selection_part"] == "validation"


def test_without_a_part_to_watch_the_columns_are_empty(tmp_path: Path) -> None:
    trained_bytes(tmp_path, without="d", checkpoint="last")
    assert [row["epoch"] for row in history(tmp_path)] == ["1", "2"]
    assert {row["selection_jaccard"] for row in history(tmp_path)} == {""}
    assert stamp(tmp_path)["selection_part"] is None


def test_the_last_weights_are_reported_where_the_recipe_says_so(tmp_path: Path) -> None:
    chosen, last = trained_bytes(tmp_path, *EVERYTHING[:2], checkpoint="last")
    assert chosen == last


def test_of_equally_good_epochs_the_first_is_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    constant_quality(monkeypatch, 0.1, 0.7, 0.7)
    chosen, last = trained_bytes(tmp_path / "three", *EVERYTHING[:2], epochs=3)
    assert stamp(tmp_path / "three")["best_epoch"] == 2
    assert chosen != last
    constant_quality(monkeypatch, 0.1, 0.7)
    assert trained_bytes(tmp_path / "two", WEIGHTS, epochs=2) == [chosen]


def test_every_number_in_the_history_reads_back_as_itself() -> None:
    row = Epoch(
        epoch=1,
        train_loss=0.1 + 0.2,
        selection_loss=1e-17,
        selection_monitor=None,
        learning_rate=0.1,
    )
    text = history_csv([row], monitor="dice").splitlines()
    assert text == [
        "epoch,train_loss,selection_loss,selection_dice,learning_rate",
        "1,0.30000000000000004,1e-17,,0.1",
    ]


def test_the_stamp_tells_how_the_run_went_and_not_where(tmp_path: Path) -> None:
    trained_bytes(tmp_path)
    content = stamp(tmp_path)
    # Five training slices in batches of three are two steps an epoch.
    assert content["steps"] == 4
    assert content["threads"] == 1
    assert content["resumed_times"] == 0
    assert content["protocol"]["network"]["name"] == "multiresunet"
    assert str(tmp_path) not in json.dumps(content)


def test_the_stamp_names_the_bytes_that_the_run_is_made_of(tmp_path: Path) -> None:
    found = []
    for name, changes in {"one": {}, "other": {"garbage_in": "a"}, "again": {}}.items():
        trained_bytes(tmp_path / name, **changes)
        found.append(stamp(tmp_path / name)["digests"])
    one, other, again = found
    assert one == again
    # Case a is trained on.
    assert {key for key in one if one[key] != other[key]} == {"training_slices"}
    assert one["pretrained"] is None


def test_recomputed_activations_end_in_the_same_bytes(tmp_path: Path) -> None:
    write_study(tmp_path)
    outs = [
        train_tiny(tmp_path, out=name, activation_checkpointing=switched)
        for name, switched in (("kept", False), ("recomputed", True))
    ]
    kept, recomputed = ([(out / name).read_bytes() for name in EVERYTHING] for out in outs)
    assert kept == recomputed


def test_a_finished_run_leaves_no_state(tmp_path: Path) -> None:
    trained_bytes(tmp_path)
    assert not (tmp_path / "state").exists()


def test_it_learns_the_bright_squares(tmp_path: Path) -> None:
    recipe = {"epochs": 40, "optimiser": {"name": "adam", "learning_rate": 0.02}}
    trained_bytes(tmp_path, **recipe)
    losses_by_epoch = [float(row["train_loss"]) for row in history(tmp_path)]
    assert losses_by_epoch[-1] < 0.5 * losses_by_epoch[0]
    assert stamp(tmp_path)["best_epoch"] > 1


def test_half_precision_trains_other_weights_that_are_stored_in_single(tmp_path: Path) -> None:
    single = trained_bytes(tmp_path / "fp32", WEIGHTS)
    half = trained_bytes(tmp_path / "bf16", WEIGHTS, precision="bf16")
    assert single != half
    stored = safetensors.torch.load(half[0])
    assert {w.dtype for w in stored.values() if w.is_floating_point()} == {torch.float32}


def assert_refused(folder: Path, reason: str, **recipe: object) -> None:
    """Check that a run is refused for this reason and leaves no output, not even an old one."""
    folder.joinpath("out").mkdir()
    for name in (*EVERYTHING, "train.json"):
        (folder / "out" / name).write_text("of an earlier run")
    with pytest.raises(UserError, match=reason):
        train_tiny(folder, train_stage(**recipe))
    assert list((folder / "out").iterdir()) == []


def test_a_loss_that_is_no_number_is_refused(tmp_path: Path) -> None:
    write_study(tmp_path)
    unet = {"name": "unet", "options": {"widths": (2, 4)}}
    assert_refused(
        tmp_path,
        "became infinite or no number in epoch 1",
        network=unet,
        optimiser={"name": "adam", "learning_rate": 1e30},
    )


def test_weights_that_break_in_the_very_last_step_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The square root of zero is zero, but its slope is infinite.
    monkeypatch.setattr(losses, "build", lambda *_: lambda logits, _: (0 * logits).sum().sqrt())
    write_study(tmp_path, without="bcd")
    assert_refused(tmp_path, "weight '.*' became infinite", checkpoint="last", epochs=1)


def test_a_run_without_training_cases_is_refused(tmp_path: Path) -> None:
    write_study(tmp_path, without="abchi")
    assert_refused(tmp_path, "has no slices")


def test_choosing_on_validation_cases_that_are_not_there_is_refused(tmp_path: Path) -> None:
    write_study(tmp_path, without="d")
    assert_refused(tmp_path, "the split has none", checkpoint="best_validation")


def test_a_parameter_without_a_gradient_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = models.build

    def with_an_idle_weight(name: str, **kwargs: object) -> nn.Module:
        network = build(name, **kwargs)
        network.register_parameter("idle", nn.Parameter(torch.zeros(1)))
        return network

    write_study(tmp_path)
    monkeypatch.setattr(models, "build", with_an_idle_weight)
    assert_refused(tmp_path, "'idle'")


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "mps"])
def test_a_device_that_is_not_here_is_refused(tmp_path: Path, device: str) -> None:
    write_study(tmp_path)
    with pytest.raises(UserError, match=device):
        train_module.train(
            train_stage(),
            slices=tmp_path / "slices",
            split=tmp_path / "split.csv",
            out=tmp_path / "out",
            state=tmp_path / "state",
            device=device,
            threads=1,
        )


def test_the_loss_of_an_epoch_is_a_mean_over_slices_and_not_over_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def as_large_as_the_batch(_name: str, _options: dict[str, Any]) -> losses.Loss:
        def loss(logits: Tensor, _targets: Tensor, /) -> Tensor:
            return 0 * logits.sum() + len(logits)

        return loss

    monkeypatch.setattr(losses, "build", as_large_as_the_batch)
    trained_bytes(tmp_path)
    # Five slices in batches of three and two: (3 * 3 + 2 * 2) / 5.
    assert float(history(tmp_path)[0]["train_loss"]) == pytest.approx(13 / 5)
