"""What `python -m benchmarks` offers; nothing is measured here."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEEP = """
import json, sys
from pathlib import Path
from benchmarks.__main__ import keep
keep(json.loads(sys.argv[1]), Path(sys.argv[2]))
"""


def python(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_public_file_is_a_benchmark() -> None:
    files = {path.stem for path in (ROOT / "benchmarks").glob("[a-z]*.py")}
    assert set(python("-m", "benchmarks", "--list").stdout.split()) == files
    assert {"train_vs_resident_step", "train_bookkeeping", "train_networks"} <= files


def test_an_unknown_one_lists_the_known() -> None:
    run = python("-m", "benchmarks", "train_fast")
    assert run.returncode == 2
    assert "unknown benchmark 'train_fast'" in run.stderr
    assert "train_vs_monai" in run.stderr


def test_a_result_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    for name, ratio in (("b", 1), ("a", 1), ("b", 2)):
        run = python("-c", KEEP, json.dumps({"name": name, "ratio": ratio}), str(kept))
        assert run.returncode == 0, run.stderr
    assert json.loads(kept.read_text()) == [{"name": "a", "ratio": 1}, {"name": "b", "ratio": 2}]


def test_what_was_measured_is_kept_with_the_machine_that_measured_it() -> None:
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        for result in json.loads(path.read_text()):
            assert result["name"] in {file.stem for file in (ROOT / "benchmarks").glob("*.py")}
            assert result["detail"]["device"]
            assert result["detail"]["machine"]["name"]
