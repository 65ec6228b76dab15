"""The demo makes every file that the design promises, and claims nothing from synthetic data."""

import csv
import json

import pytest

from segrepro.protocol import layout

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]

STUDY, DATASET = "multiresunet-demo", "isbi2012-phantom"
COLUMNS = (
    "claim_id,paper,source,dataset,model,variant,class,metric,published,published_spread,"
    "ours,ours_low,ours_high,n_runs,verdict,reason"
)


def test_every_run_has_its_files_where_by_hand_commands_look(finished):
    for model in ("unet", "multiresunet"):
        for run in ("fold0", "fold1"):
            folder = finished.folder / layout.run(STUDY, DATASET, model, run)
            assert {path.name for path in folder.iterdir()} == {
                "model.safetensors",
                "last.safetensors",
                "history.csv",
                "train.json",
                "predictions.npz",
                "scores.parquet",
            }


def test_data_stand_where_by_hand_commands_look(finished):
    for path in (
        layout.raw(DATASET) / "train-volume.tif",
        layout.manifest(DATASET),
        layout.cases(DATASET) / "cases.csv",
        layout.cases(DATASET) / "dataset.json",
        layout.slices(DATASET, "64x64") / "images.npy",
        layout.slices(DATASET, "64x64") / "slices.parquet",
        layout.split(STUDY, DATASET),
    ):
        assert (finished.folder / path).is_file(), path


def test_the_ledger_of_a_demo_never_says_reproduced(finished):
    text = (finished.folder / layout.results(STUDY) / "claims.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == COLUMNS
    rows = list(csv.DictReader(text.splitlines()))
    assert len(rows) == 19  # 4 numbers of Table 3, 15 of Table 4
    assert {row["verdict"] for row in rows} == {"not_testable", "not_run"}
    ours = {row["claim_id"]: row["ours"] for row in rows}
    assert 0 < float(ours["table4-isbi2012-unet"]) <= 100


def test_the_page_stands_alone_and_says_what_was_run(finished):
    page = (finished.folder / layout.results(STUDY) / "report.html").read_text(encoding="utf-8")
    assert "synthetic" in page.lower()
    for loading in ('src="http', "src='http", "@import", 'rel="stylesheet"', "url(http"):
        assert loading not in page


def test_no_artefact_names_this_machine(finished):
    needle = str(finished.folder).encode()
    for folder in ("data", "results"):
        for path in (finished.folder / folder).rglob("*"):
            assert not path.is_file() or needle not in path.read_bytes(), path


def test_train_json_tells_how_a_run_was_made(finished):
    folder = finished.folder / layout.run(STUDY, DATASET, "unet", "fold0")
    facts = json.loads((folder / "train.json").read_text(encoding="utf-8"))
    assert facts["protocol"]["recipe"]["epochs"] == 2
    assert "optimistic" in facts["warning"]


def test_a_stage_can_be_run_by_hand_and_writes_the_same_bytes(copy_of_finished):
    address = f"{STUDY}/{DATASET}/unet/fold0"
    folder = copy_of_finished.folder / layout.run(STUDY, DATASET, "unet", "fold0")
    before = {name: (folder / name).read_bytes() for name in ("scores.parquet", "predictions.npz")}
    for stage in ("predict", "score"):
        threads = ["--threads", "1"] if stage == "predict" else []
        copy_of_finished.run("python", "-m", "segrepro", stage, address, *threads)
    assert before == {name: (folder / name).read_bytes() for name in before}
