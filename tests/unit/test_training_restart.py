"""A run that is killed at any moment ends in the bytes of one that never was."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import _tiny_run
import pytest
from _no_gpu import no_gpu
from _tiny_run import train_stage, train_tiny, write_study

from segrepro.errors import UserError
from segrepro.training import train as train_module

EVERYTHING = ("model.safetensors", "last.safetensors", "history.csv")


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "out" / name).read_bytes() for name in EVERYTHING}


def states(folder: Path) -> list[Path]:
    return sorted((folder / "state").rglob("*.safetensors"))


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return trained_at_once(tmp_path_factory.mktemp("uninterrupted"))


def trained_at_once(folder: Path, device: str = "cpu") -> dict[str, bytes]:
    write_study(folder)
    train_tiny(folder, device=device)
    return outputs(folder)


def train_until_killed(folder: Path, sync: int, device: str = "cpu") -> None:
    command = [sys.executable, _tiny_run.__file__, str(folder), str(sync), device]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (folder / "out" / "train.json").exists()


# Every file is synced twice: its bytes, then its name. Two epochs of two steps make six states
# (one after each step, one after each epoch), so syncs 1 to 12; then the final files.
@pytest.mark.parametrize(
    ("kills", "resumed"),
    [
        pytest.param([1], 0, id="before the first state has a name"),
        pytest.param([6], 1, id="between two epochs"),
        pytest.param([4, 5], 2, id="twice, the second time in the second epoch"),
        pytest.param([15], 1, id="between two of the final files"),
    ],
)
def test_a_killed_run_ends_in_the_same_bytes(
    tmp_path: Path, uninterrupted: dict[str, bytes], kills: list[int], resumed: int
) -> None:
    write_study(tmp_path)
    for sync in kills:
        train_until_killed(tmp_path, sync)
    train_tiny(tmp_path)
    assert outputs(tmp_path) == uninterrupted
    stamp = json.loads((tmp_path / "out" / "train.json").read_text())
    assert stamp["resumed_times"] == resumed
    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix == ".tmp"] == []


@no_gpu
@pytest.mark.parametrize("kills", [[1], [6], [4, 5], [15]])
def test_a_run_killed_on_a_gpu_ends_in_the_same_bytes(tmp_path: Path, kills: list[int]) -> None:
    write_study(tmp_path)
    for sync in kills:
        train_until_killed(tmp_path, sync, "cuda")
    train_tiny(tmp_path, device="cuda")
    assert outputs(tmp_path) == trained_at_once(tmp_path / "uninterrupted", "cuda")


class Stop(Exception):  # noqa: N818 - no error, but the end of a test's patience
    """Stands for whatever ends a run early."""


def stop_at_end_of_epoch(
    monkeypatch: pytest.MonkeyPatch, folder: Path, epoch: int, **options: object
) -> None:
    """Train and stop as the selection part is looked at in this epoch."""
    evaluate, calls = train_module.evaluate, iter(range(1, 100))

    def evaluate_or_stop(*args: object, **kwargs: object) -> object:
        if next(calls) == epoch:
            raise Stop
        return evaluate(*args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "evaluate", evaluate_or_stop)
        with pytest.raises(Stop):
            train_tiny(folder, **options)


def test_a_damaged_state_gives_way_to_the_one_before(
    tmp_path: Path,
    uninterrupted: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_study(tmp_path)
    stop_at_end_of_epoch(monkeypatch, tmp_path, 2)
    before, newest = states(tmp_path)
    content = bytearray(newest.read_bytes())
    content[-1] ^= 1
    newest.write_bytes(content)

    train_tiny(tmp_path)

    said = capsys.readouterr().err
    assert f"state {newest.name} is damaged" in said
    assert f"continuing in epoch {int(before.name[:6])}" in said
    assert outputs(tmp_path) == uninterrupted


def test_with_all_states_damaged_a_run_begins_anew(
    tmp_path: Path, uninterrupted: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(tmp_path)
    stop_at_end_of_epoch(monkeypatch, tmp_path, 2)
    for path in states(tmp_path):
        path.write_bytes(path.read_bytes()[:100])
    train_tiny(tmp_path)
    assert outputs(tmp_path) == uninterrupted


def test_no_more_than_two_states_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(tmp_path)
    stop_at_end_of_epoch(monkeypatch, tmp_path, 2)
    # Epoch 2 with one and with two steps taken.
    assert [path.name[:15] for path in states(tmp_path)] == ["000002-00000001", "000002-00000002"]


def test_states_can_be_so_many_steps_apart_however_long_these_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(tmp_path)
    # Two epochs of two steps: after three of them, and not at the end of an epoch.
    every_third = {"checkpoint_steps": 3, "checkpoint_seconds": 0.0}
    stop_at_end_of_epoch(monkeypatch, tmp_path, 2, **every_third)
    assert [path.name[:15] for path in states(tmp_path)] == ["000002-00000001"]


@pytest.mark.parametrize(
    "recipe",
    [{"seed": 1}, {"epochs": 3}, {"optimiser": {"name": "adam", "learning_rate": 0.01}}],
    ids=["seed", "epochs", "learning rate"],
)
def test_the_state_of_another_protocol_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, object]
) -> None:
    write_study(tmp_path)
    stop_at_end_of_epoch(monkeypatch, tmp_path, 2)
    train_tiny(tmp_path, train_stage(**recipe))
    stamp = json.loads((tmp_path / "out" / "train.json").read_text())
    assert stamp["resumed_times"] == 0


def test_the_state_of_other_images_is_not_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(tmp_path / "one")
    stop_at_end_of_epoch(monkeypatch, tmp_path / "one", 2)
    write_study(tmp_path / "other", garbage_in="a")
    (tmp_path / "one" / "state").rename(tmp_path / "other" / "state")
    train_tiny(tmp_path / "other")
    stamp = json.loads((tmp_path / "other" / "out" / "train.json").read_text())
    assert stamp["resumed_times"] == 0


def test_a_loss_that_is_no_number_gets_no_state(tmp_path: Path) -> None:
    write_study(tmp_path)
    unet = {"name": "unet", "options": {"widths": (2, 4)}}
    adam = {"name": "adam", "learning_rate": 1e30}
    stage = train_stage(network=unet, optimiser=adam, batch_size=1)
    with pytest.raises(UserError, match="loss became"):
        train_tiny(tmp_path, stage)
    # The loss of the first step is that of the fresh network, and sound.
    assert [path.name[:15] for path in states(tmp_path)] == ["000001-00000001"]
