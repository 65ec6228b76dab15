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
        ("unet3d --channels 4", 19078593, 19073921),
        ("multiresunet3d --channels 4", 18657689, 18633167),
        ("unet_rdi --channels 1", 15594881, 15594881),
        ("rdiunet --channels 1", 5914327, 5904295),
        ("ken --channels 1 --classes 2", 23598082, 23578818),
        ("dunet --channels 4", 8640163, 8633379),
        ("xnet --channels 1", 15117646, 15072332),
        ("reunet --channels 3", 146556778, 145848040),
        ("reunet --channels 3 --set wiring=as_published", 679014, 663012),
        ("reunet --channels 3 --set gating_kernel=1", 142542698, 141833960),
        ("reunet --channels 3 --set gating=false", 142039210, 141330472),
        ("reunet --channels 3 --set attention=false", 143952677, 143246883),
        ("reunet --channels 3 --set replace=A1", 126264682, 125644008),
        ("reunet --channels 3 --set replace=A2", 96159338, 95728616),
        ("reunet --channels 3 --set replace=A3", 34972778, 34783720),
        ("reunet --channels 3 --set replace=A4", 19657578, 19589352),
        ("reunet --channels 3 --set intermediator=0", 115776105, 115247079),
        ("reunet --channels 3 --set intermediator=5", 132630378, 132024040),
        ("reunet --channels 3 --set intermediator=15", 150038378, 149304040),
        ("reunet --channels 3 --set width_coefficient=1", 81100266, 80728936),
        ("segnet --channels 1 --classes 2", 29458882, 29443010),
        ("resunet --channels 1 --classes 2", 33148802, 33135234),
        ("denseunet --channels 1 --classes 2", 49741122, 49518370),
        ("pspnet --channels 1 --classes 2", 46764098, 46705474),
        ("deeplabv3p --channels 3 --classes 21 --set backbone=xception65", 41258213, 41055413),
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
    widths = [32, 64, 128, 256, 512]
    assert models["unet"]["options"] == {"widths": widths, "batch_norm": False}
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
