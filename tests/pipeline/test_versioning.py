"""What DVC versions is what Snakemake makes, and a clone that pulls it has nothing to do."""

import shutil

import pytest
from dvc.repo import Repo

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")


def test_a_clone_that_pulls_from_a_remote_has_nothing_to_do(
    copy_of_finished, make_workspace, tmp_path
):
    first = copy_of_finished
    first.run("git", "init", "--quiet", "--initial-branch=main")
    first.run("dvc", "remote", "add", "--default", "store", str(tmp_path / "store"))
    for stage in ("slices", "results"):
        first.run("dvc", "commit", "--force", f"{stage}@multiresunet-demo")
    first.run("dvc", "push", "--quiet", "slices@multiresunet-demo", "results@multiresunet-demo")
    first.run("git", "add", "--all")
    first.run("git", *IDENTITY, "commit", "--quiet", "--message", "Results")

    first.run("git", "clone", "--quiet", str(first.folder), str(tmp_path / "clone"))
    clone = make_workspace(tmp_path / "clone")
    assert not (clone.folder / "data").exists()
    clone.run("dvc", "pull", "--quiet", "--allow-missing", "results@multiresunet-demo")
    clone.run("dvc", "pull", "--quiet", "--allow-missing", "slices@multiresunet-demo")
    assert "Nothing to be done" in clone.snakemake("--dry-run").stdout
    weights = "results/multiresunet-demo/isbi2012-phantom/unet/fold0/model.safetensors"
    assert (clone.folder / weights).read_bytes() == (first.folder / weights).read_bytes()
    # The publisher's bytes were not handed on, and are not needed.
    assert not (clone.folder / "data/raw/isbi2012-phantom").exists()


def test_every_output_in_dvc_yaml_is_something_that_snakemake_makes(copy_of_finished, monkeypatch):
    copy_of_finished.run("git", "init", "--quiet")
    monkeypatch.chdir(copy_of_finished.folder)
    outputs = [
        out.def_path
        for stage in Repo(".").index.stages
        for out in stage.outs
        if "demo" in stage.addressing
    ]
    assert outputs
    for path in outputs:
        assert (copy_of_finished.folder / path).exists(), path


def test_the_paper_tier_makes_what_dvc_yaml_names(copy_of_fresh):
    config = ["--config", "tier=paper", "papers=multiresunet", "datasets=isbi2012"]
    outputs = (
        "data/raw/isbi2012.manifest.csv",
        "data/cases/isbi2012/cases.csv",
        "data/slices/isbi2012/256x256/images.npy",
        "data/splits/multiresunet/isbi2012.csv",
        "results/multiresunet/isbi2012/unet/fold4/model.safetensors",
        "results/multiresunet/complexity/multiresunet.json",
        "results/multiresunet/metrics.json",
        "results/multiresunet/report.html",
    )
    # A target that no rule makes is an error.
    copy_of_fresh.run("snakemake", "--dry-run", *outputs, *config)


def test_metadata_of_outputs_is_portable(finished):
    folder = finished.folder / ".snakemake/metadata"
    assert any(folder.iterdir())
    assert shutil.which("git")
    for path in folder.iterdir():
        assert str(finished.folder) not in path.read_text(encoding="utf-8")
