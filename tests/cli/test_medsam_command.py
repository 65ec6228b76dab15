"""`segrepro medsam`: what it says to who has not got what it needs, and where it looks."""

from pathlib import Path

import pytest

from segrepro.inference import medsam


def test_it_predicts_the_test_slices_of_a_run_into_a_folder_of_its_own(segrepro, monkeypatch):
    called = {}
    monkeypatch.setattr(medsam, "predict", called.update)
    shown = segrepro("medsam", "multiresunet/isbi2012/fold1", "--checkpoint", "mine", "--gpus=0")
    assert shown.code == 0
    assert called.pop("threads") >= 1
    assert called == {
        "run": "fold1",
        "classes": ("cell",),
        "slices": Path("data/slices/isbi2012/256x256"),
        "split": Path("data/splits/multiresunet/isbi2012.csv"),
        "checkpoint": Path("mine"),
        "out": Path("results/multiresunet/isbi2012/medsam/fold1/predictions.npz"),
        "device": "cpu",
    }


@pytest.mark.parametrize("address", ["multiresunet/isbi2012", "multiresunet/isbi2012/unet/fold0"])
def test_an_address_names_study_data_set_and_run(segrepro, address):
    shown = segrepro("medsam", address, "--checkpoint", "mine")
    assert shown.code == 2
    assert "is no STUDY/DATASET/RUN" in shown.err


def test_it_has_no_checkpoint_of_its_own(segrepro):
    shown = segrepro("medsam", "multiresunet/isbi2012/fold0")
    assert shown.code == 2
    assert "--checkpoint" in shown.err
