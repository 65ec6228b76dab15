"""What is run again after an edit: exactly what the edit can have changed."""

import pytest

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("pipeline")]

AFTER_CLAIMS = {"claims", "tables", "figures", "report"}
AFTER_SCORE = AFTER_CLAIMS | {"score"}
AFTER_TRAIN = AFTER_SCORE | {"train", "predict"}


def test_a_second_run_has_nothing_to_do(finished):
    assert "Nothing to be done" in finished.snakemake().stderr


def test_a_comment_in_every_source_file_reruns_nothing(copy_of_finished):
    for path in (copy_of_finished.folder / "src").rglob("*.py"):
        with path.open("a", encoding="utf-8") as file:
            file.write("\n# A comment changes no result.\n")
    assert copy_of_finished.planned() == {}


def test_touched_files_rerun_nothing(copy_of_finished):
    for folder in ("src", "config", "data"):
        for path in (copy_of_finished.folder / folder).rglob("*"):
            path.touch()
    assert copy_of_finished.planned() == {}


def test_an_edited_metric_reruns_scores_and_what_follows(copy_of_finished):
    with (copy_of_finished.folder / "src/segrepro/metrics/overlap.py").open("a") as file:
        file.write("\nEDITED = True\n")
    planned = copy_of_finished.planned()
    assert set(planned) == AFTER_SCORE
    assert planned["score"] == 4  # two folds of two networks


def test_an_edited_expected_number_reruns_the_ledger_and_what_follows(copy_of_finished):
    copy_of_finished.edit("config/papers/multiresunet.yaml", "87.9477", "87.9478")
    assert set(copy_of_finished.planned()) == AFTER_CLAIMS


def test_an_edited_network_retrains_only_its_own_runs(copy_of_finished):
    with (copy_of_finished.folder / "src/segrepro/models/multiresunet.py").open("a") as file:
        file.write("\nEDITED = True\n")
    planned = copy_of_finished.planned()
    assert set(planned) == AFTER_TRAIN | {"complexity"}
    assert (planned["train"], planned["complexity"]) == (2, 1)


def test_an_edited_recipe_retrains_but_converts_nothing(copy_of_finished):
    copy_of_finished.edit(
        "config/papers/multiresunet.yaml", "learning_rate: 0.003", "learning_rate: 0.002"
    )
    planned = copy_of_finished.planned()
    assert set(planned) == AFTER_TRAIN
    assert planned["train"] == 4


def test_an_edited_figure_is_drawn_again_alone(copy_of_finished):
    with (copy_of_finished.folder / "src/segrepro/figures/qualitative_panel.py").open("a") as file:
        file.write("\nEDITED = True\n")
    assert copy_of_finished.planned() == {"figures": 1, "report": 1}


def test_an_edited_converter_reruns_its_data_set_and_what_hangs_on_its_bytes(copy_of_finished):
    with (copy_of_finished.folder / "src/segrepro/datasets/isbi2012.py").open("a") as file:
        file.write("\nEDITED = True\n")
    assert "convert" in copy_of_finished.planned()
    assert "phantom" not in copy_of_finished.planned()
    # The converter now writes the same bytes, so only what has no reason to be run again stays.
    copy_of_finished.snakemake()
    assert copy_of_finished.planned() == {}


def test_a_touched_raw_file_is_no_change_but_a_changed_one_is_refused(copy_of_finished):
    raw = copy_of_finished.folder / "data/raw/isbi2012-phantom/train-volume.tif"
    raw.touch()
    assert copy_of_finished.planned() == {}
    raw.write_bytes(raw.read_bytes()[:-1])
    failed = copy_of_finished.snakemake("--forcerun", "convert", check=False)
    assert failed.returncode != 0
    assert "train-volume.tif" in failed.stdout + failed.stderr
