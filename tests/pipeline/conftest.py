"""A copy of the repository in which the demo, shortened, has been run once."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = ("--config", "epochs=2", "folds=2")


class Workspace:
    """A folder with our files in which to run Snakemake and the other tools."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The package is this copy's, so that editing it is what a user's edit would be.
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(folder / "src"),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run("snakemake", "--cores", "2", *arguments, *SHORT, check=check)

    def planned(self) -> dict[str, int]:
        """Return rule to number of jobs that Snakemake would run, without the rule `all`."""
        printed = self.snakemake("--dry-run", "--quiet", "rules")
        table = re.findall(r"^(\w+)\s+(\d+)$", printed.stdout + printed.stderr, re.MULTILINE)
        return {rule: int(jobs) for rule, jobs in table if rule not in {"all", "total"}}

    def edit(self, path: str, old: str, new: str) -> None:
        file = self.folder / path
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        file.write_text(text.replace(old, new), encoding="utf-8")


def our_files() -> list[str]:
    """Return what git tracks or would track."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    generated = (".snakemake/", "results/", "dvc.lock")
    return [
        name
        for name in listed.stdout.split("\0")
        if name and not name.startswith(generated) and (ROOT / name).is_file()
    ]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of our files in which nothing has been run."""
    folder = tmp_path_factory.mktemp("fresh") / "segrepro"
    for name in our_files():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def finished(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Return a copy in which the shortened demo has been run; tests must not change it."""
    folder = tmp_path_factory.mktemp("finished") / "segrepro"
    shutil.copytree(fresh, folder)
    workspace = Workspace(folder)
    workspace.snakemake()
    return workspace


@pytest.fixture
def copy_of_finished(finished: Workspace, tmp_path: Path) -> Workspace:
    """Return a finished copy that a test may change."""
    shutil.copytree(finished.folder, tmp_path / "segrepro")
    return Workspace(tmp_path / "segrepro")


@pytest.fixture
def copy_of_fresh(fresh: Path, tmp_path: Path) -> Workspace:
    """Return a copy that a test may change, in which nothing has been run."""
    shutil.copytree(fresh, tmp_path / "segrepro")
    return Workspace(tmp_path / "segrepro")


@pytest.fixture
def make_workspace() -> Callable[[Path], Workspace]:
    """Return the class, for tests that make folders of their own."""
    return Workspace
