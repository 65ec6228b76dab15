"""Killed at twenty random moments of the clock, a run ends in the bytes of one that never was.

Each kill takes two starts of Python, so only the first three are part of every test run; the others
are slow. `test_training_restart.py` kills at chosen points of the work.
"""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from _tiny_run import train_stage, train_tiny, write_study

from segrepro.protocol.stages import TrainStage

pytestmark = pytest.mark.xdist_group("killed")

KILLS, IN_EVERY_TEST_RUN = 20, 3
STAGE = train_stage(epochs=20)
OUTPUTS = ("model.safetensors", "last.safetensors", "history.csv")
PROGRAM = """
import sys
from pathlib import Path
from _tiny_run import train_tiny
from segrepro.protocol.stages import TrainStage
train_tiny(Path(sys.argv[1]), TrainStage.model_validate_json(sys.argv[2]))
"""


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "out" / name).read_bytes() for name in OUTPUTS}


def started(folder: Path, stage: TrainStage) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, str(folder), stage.canonical_json()]
    # Where `_tiny_run` is.
    return subprocess.Popen(command, cwd=Path(__file__).parent, stderr=subprocess.DEVNULL)


def is_finished(folder: Path) -> bool:
    return (folder / "out" / "train.json").exists()


def resumed_times(folder: Path) -> int:
    stamp = json.loads((folder / "out" / "train.json").read_text())
    return int(stamp["resumed_times"])


def states(folder: Path) -> set[Path]:
    return set((folder / "state").glob("*/*.safetensors"))


def wait_for_new_state(run: subprocess.Popen[bytes], folder: Path, *, old: set[Path]) -> None:
    """Wait out what is always the same: the start of Python and the import of PyTorch."""
    while run.poll() is None and states(folder) <= old:
        time.sleep(0.002)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, bytes], float]:
    """Return the outputs of a run left alone, and its seconds from first state to last output."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    write_study(folder)
    run = started(folder, STAGE)
    wait_for_new_state(run, folder, old=set())
    began = time.monotonic()
    while run.poll() is None and not is_finished(folder):
        time.sleep(0.002)
    seconds = time.monotonic() - began
    assert run.wait() == 0
    return outputs(folder), seconds


def kill_at(moment_s: float, folder: Path) -> bool:
    """Start the run, or go on with it, and kill it so long after it wrote a state.

    Returns whether that cut it short.
    """
    old = states(folder)
    run = started(folder, STAGE)
    wait_for_new_state(run, folder, old=old)
    time.sleep(moment_s)
    run.kill()
    return run.wait() == -signal.SIGKILL and not is_finished(folder)


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, marks=[pytest.mark.slow] * (seed >= IN_EVERY_TEST_RUN))
        for seed in range(KILLS)
    ],
)
def test_a_run_killed_at_a_random_moment_ends_in_the_same_bytes(
    tmp_path: Path, uninterrupted: tuple[dict[str, bytes], float], seed: int
) -> None:
    expected, seconds = uninterrupted
    moment_s = seconds * random.Random(seed).random()  # noqa: S311 - no secret
    write_study(tmp_path / "0")
    # A machine that has become faster may be done before: then another run is killed earlier.
    folder, attempt = tmp_path / "0", 0
    while not kill_at(moment_s * 0.8**attempt, folder):
        attempt += 1
        folder = tmp_path / str(attempt)
        write_study(folder)
    train_tiny(folder, STAGE)
    assert outputs(folder) == expected
    assert resumed_times(folder) == 1
    assert not list((folder / "out").glob(".*"))
    assert not (folder / "state").exists()


@pytest.mark.slow
def test_one_run_killed_again_and_again_ends_in_the_same_bytes(
    tmp_path: Path, uninterrupted: tuple[dict[str, bytes], float]
) -> None:
    expected, seconds = uninterrupted
    moments = random.Random(20)  # noqa: S311 - no secret
    write_study(tmp_path)
    killed = 0
    # Each takes it a sixth of the way at most; from then on it may be done.
    for _ in range(5):
        killed += kill_at(seconds / 6 * moments.random(), tmp_path)
    train_tiny(tmp_path, STAGE)
    assert killed > 1
    assert outputs(tmp_path) == expected
