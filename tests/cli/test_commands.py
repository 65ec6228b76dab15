"""What the commands print."""

import json
import subprocess
import sys

import pytest

FIRST = ["fetch", "phantom", "convert", "slice", "split", "train", "predict", "score"]
THEN = ["complexity", "claims", "tables", "figures", "report"]


@pytest.mark.parametrize("arrow", FIRST + THEN)
def test_each_arrow_has_a_help_text_with_an_example(segrepro, arrow):
    shown = segrepro(arrow, "--help")
    assert shown.code == 0
    assert f"segrepro {arrow}" in shown.out.replace("Usage: segrepro", "")


@pytest.mark.parametrize(
    ("arguments", "total", "trainable"),
    [
        ("unet --channels 1 --classes 1", 7759521, 7759521),
        ("unet --channels 3", 7760097, 7760097),
        ("multiresunet --channels 3", 7262750, 7238228),
        ("multiresunet --channels 1", 7262504, 7237982),
    ],
)
def test_counts_are_those_of_keras(segrepro, arguments, total, trainable):
    shown = segrepro("count", *arguments.split())
    assert shown.out == f"total {total}\ntrainable {trainable}\n"


def test_an_option_changes_the_count(segrepro):
    # Down 1->1, 1->1 (10 + 10), bottom 1->2, 2->2 (20 + 38), up (9), 2->1, 1->1 (19 + 10), out (2).
    shown = segrepro("count", "unet", "--channels", "1", "--set", "widths=[1,2]")
    assert shown.out.startswith("total 118\n")


def test_registries_are_listed_for_programs(segrepro):
    models = json.loads(segrepro("models", "--json").out)
    assert models["unet"]["options"] == {"widths": [32, 64, 128, 256, 512]}
    datasets = json.loads(segrepro("datasets", "--json").out)
    assert datasets["isbi2012"]["classes"] == ["cell"]
    papers = json.loads(segrepro("papers", "--json").out)
    assert papers["multiresunet"]["claims"] == 19


def test_registries_are_listed_for_people(segrepro):
    assert "\nunet " in segrepro("models").out
    assert "isbi2012" in segrepro("datasets").out
    assert "multiresunet" in segrepro("papers").out


def test_a_light_command_does_not_import_torch():
    code = "import sys, segrepro.cli, segrepro.protocol.dag; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
