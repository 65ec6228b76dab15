"""A user's mistake: two lines (fact and cure), exit code 2, nothing half-written."""

import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

STUDY = "multiresunet-demo"
RUN = f"{STUDY}/isbi2012-phantom/unet/fold0"


@pytest.fixture
def raw(segrepro, tmp_path):
    """Return the raw folder of a phantom of ten sections."""
    assert segrepro("phantom", "isbi2012", "--cases", "10").code == 0
    return tmp_path / "data/raw/isbi2012-phantom"


@pytest.fixture
def pngs(tmp_path):
    """Return a folder with png copies of three sections, as a user may have them."""
    for kind, value in (("image", 100), ("label", 255)):
        folder = tmp_path / "mine/train" / kind
        folder.mkdir(parents=True)
        for section in range(3):
            Image.fromarray(np.full((32, 32), value, np.uint8)).save(folder / f"{section}.png")
    return tmp_path / "mine"


def assert_refused(outcome, *words: str) -> None:
    """Hold the form of an error: `error: fact`, a cure, exit code 2, no traceback."""
    assert outcome.code == 2, outcome
    lines = [line for line in outcome.err.splitlines() if line]
    start = next(i for i, line in enumerate(lines) if line.startswith("error: "))
    assert len(lines) - start == 2, outcome.err
    assert "Traceback" not in outcome.err
    for word in words:
        assert word in outcome.err


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_nothing_fetched(segrepro, tmp_path):
    assert_refused(segrepro("fetch", "isbi2012"), "train-volume.tif", "--from", "non-commercial")
    assert not (tmp_path / "data/raw/isbi2012.manifest.csv").exists()


def test_a_folder_without_the_data(segrepro, tmp_path):
    (tmp_path / "empty").mkdir()
    assert_refused(segrepro("fetch", "isbi2012", "--from", "empty"), "does not hold isbi2012")


def test_an_unknown_data_set(segrepro):
    assert_refused(segrepro("fetch", "isbi2013"), "unknown", "Did you mean 'isbi2012'?")


def test_a_missing_raw_file(segrepro, raw, tmp_path):
    (raw / "train-labels.tif").unlink()
    assert_refused(segrepro("convert", "isbi2012-phantom"), "train-labels.tif", "is missing")
    assert not (tmp_path / "data/cases/isbi2012-phantom/cases.csv").exists()


def test_a_truncated_png(segrepro, pngs, tmp_path):
    path = pngs / "train/image/1.png"
    path.write_bytes(path.read_bytes()[:40])
    assert segrepro("fetch", "isbi2012", "--from", str(pngs)).code == 0
    assert_refused(segrepro("convert", "isbi2012"), "1.png", "truncated")
    assert not (tmp_path / "data/cases/isbi2012/cases.csv").exists()


def test_an_image_and_a_mask_of_different_size(segrepro, pngs, tmp_path):
    Image.fromarray(np.zeros((32, 31), np.uint8)).save(pngs / "train/label/2.png")
    assert segrepro("fetch", "isbi2012", "--from", str(pngs)).code == 0
    assert_refused(segrepro("convert", "isbi2012"), "2.png", "(32, 32)", "(32, 31)")
    assert not (tmp_path / "data/cases/isbi2012/cases.csv").exists()


def test_an_unknown_model(segrepro):
    unknown = segrepro("train", f"{STUDY}/isbi2012-phantom/unett/fold0")
    assert_refused(unknown, "unknown model", "'unett'", "Did you mean 'unet'?")
    assert_refused(segrepro("count", "unett", "--channels", "1"), "Did you mean 'unet'?")


def test_an_unknown_option_of_a_model(segrepro):
    outcome = segrepro("count", "unet", "--channels", "1", "--set", "width=3")
    assert_refused(outcome, "width", "Its options are: widths, batch_norm.")


def test_a_misspelt_key_in_a_paper(segrepro, tmp_path):
    text = (tmp_path / "config/papers/multiresunet.yaml").read_text(encoding="utf-8")
    (tmp_path / "config/papers").unlink()
    (tmp_path / "config/papers").mkdir()
    misspelt = text.replace("  monitor: jaccard", "  moniter: jaccard")
    (tmp_path / "config/papers/multiresunet.yaml").write_text(misspelt, encoding="utf-8")
    assert_refused(segrepro("claims", STUDY), "multiresunet.yaml", "unknown key 'recipe.moniter'")


def test_a_misspelt_override(segrepro):
    assert_refused(segrepro("claims", STUDY, "--set", "epoch=3"), "unknown key 'epoch'")


def test_an_address_of_the_wrong_form(segrepro):
    assert_refused(segrepro("train", "multiresunet-demo/unet"), "STUDY/DATASET/MODEL/RUN")


def test_a_stage_before_its_input(segrepro):
    assert_refused(segrepro("train", RUN), "Run `segrepro slice` first.")
    assert_refused(segrepro("score", RUN), "segrepro")


def test_too_few_groups_for_the_folds(segrepro, raw):
    assert segrepro("convert", "isbi2012-phantom").code == 0
    assert segrepro("slice", "isbi2012-phantom", "--study", STUDY).code == 0
    refused = segrepro("split", f"{STUDY}/isbi2012-phantom")
    assert_refused(refused, "folds need at least", "groups")


def test_a_full_disk(segrepro, raw, tmp_path):
    """A real write error: the system refuses files larger than 100 kB."""
    assert segrepro("convert", "isbi2012-phantom").code == 0

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    done = subprocess.run(
        [sys.executable, "-m", "segrepro", "slice", "isbi2012-phantom", "--protocol",
         '{"slicing": {"name": "big", "size": [512, 512]}}'],
        cwd=tmp_path,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert "data/slices/isbi2012-phantom/big/" in done.stderr
    assert "Traceback" not in done.stderr
    assert written(tmp_path / "data/slices") == set()


def test_a_full_disk_for_a_whole_workspace_on_a_small_file_system(segrepro, raw, tmp_path):
    """Every writer goes through the same door: conversion stops too, and leaves no table."""
    done = subprocess.run(
        [sys.executable, "-m", "segrepro", "convert", "isbi2012-phantom"],
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr
    assert not (tmp_path / "data/cases/isbi2012-phantom/cases.csv").exists()
    shutil.rmtree(tmp_path / "data")
