"""From a paper's YAML and settings to what is run."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from segrepro.errors import UserError
from segrepro.models._facts import facts_of
from segrepro.protocol import parts
from segrepro.protocol.dag import Dag
from segrepro.protocol.recipe import LossProtocol
from segrepro.protocol.settings import Settings, parse_settings
from segrepro.protocol.study import Study, load_paper

PAPERS = Path(__file__).parents[2] / "config/papers"


def study(name: str = "multiresunet", **settings: object) -> Study:
    return Study.named(name, papers=PAPERS, settings=parse_settings(settings))


def test_lists_on_the_command_line_are_split_at_commas() -> None:
    assert parse_settings({"models": "unet, multiresunet"}).models == ("unet", "multiresunet")
    assert parse_settings({"models": "all"}).models == ()
    assert parse_settings({"epochs": "3"}).epochs == 3


def test_overrides_say_only_what_was_set() -> None:
    settings = Settings(tier="paper", papers=("multiresunet",), datasets=("a", "b"), epochs=3)
    assert settings.overrides() == "--set datasets=a,b --set epochs=3"


def test_a_misspelt_setting_is_an_error() -> None:
    with pytest.raises(UserError, match="unknown key 'epoch'"):
        parse_settings({"epoch": 3})


def test_a_misspelt_key_in_a_paper_names_the_key(tmp_path: Path) -> None:
    text = (PAPERS / "multiresunet.yaml").read_text(encoding="utf-8")
    (tmp_path / "multiresunet.yaml").write_text(text.replace("batch_size:", "batchsize:"))
    with pytest.raises(UserError, match=r"unknown key 'recipe\.batchsize'"):
        load_paper(tmp_path / "multiresunet.yaml")


def test_a_file_that_is_no_yaml_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text("a: [1,")
    with pytest.raises(UserError, match="is no YAML"):
        load_paper(tmp_path / "p.yaml")


def test_an_unknown_paper_lists_the_known() -> None:
    with pytest.raises(UserError, match=r"unknown paper 'multires'") as raised:
        study("multires")
    assert "multiresunet" in raised.value.cure


def test_the_paper_tier_runs_five_folds_of_both_networks() -> None:
    runs = study(datasets="isbi2012").runs
    assert [(r.dataset, r.model, r.run) for r in runs if r.run == "fold4"] == [
        ("isbi2012", "unet", "fold4"),
        ("isbi2012", "multiresunet", "fold4"),
    ]
    assert len(runs) == 10


def test_a_shortened_run_says_so() -> None:
    assert study(datasets="isbi2012").shortened() == ()
    short = study(datasets="isbi2012", epochs=3, folds=1, precision="bf16")
    assert short.shortened() == ("3 of 150 epochs", "bf16 instead of fp32", "1 of 5 folds")
    assert parts.train_stage(short, "isbi2012", "unet", "fold0").recipe.epochs == 3


def test_the_demo_uses_phantoms_through_the_same_types() -> None:
    demo = study("multiresunet-demo")
    assert list(demo.datasets) == ["isbi2012-phantom"]
    assert demo.dataset("isbi2012-phantom").slicing.size == (64, 64)
    assert demo.recipe.loss == study().recipe.loss


def test_what_is_not_run_has_a_reason() -> None:
    absent = study(datasets="isbi2012").absent
    assert "isbi2012" not in absent
    assert absent["brats2017"] == "brats2017 was not selected for this run"


def test_an_expected_number_is_no_part_of_training() -> None:
    one = study()
    claims = tuple(c.model_copy(update={"published": 1.0}) for c in one.paper.claims)
    other = Study(paper=one.paper.model_copy(update={"claims": claims}), settings=one.settings)
    where = ("isbi2012", "unet", "fold0")
    assert parts.train_stage(one, *where) == parts.train_stage(other, *where)
    assert parts.claims_stage(one) != parts.claims_stage(other)


def test_narrowing_a_run_changes_no_training() -> None:
    where = ("isbi2012", "unet", "fold0")
    narrow = study(datasets="isbi2012", models="unet", folds=1)
    assert parts.train_stage(study(), *where) == parts.train_stage(narrow, *where)


def test_an_unknown_model_in_the_settings_lists_the_known() -> None:
    with pytest.raises(UserError, match="unknown model 'unett'"):
        Dag({"models": "unett"}, papers=PAPERS)


def test_a_data_set_that_nothing_is_trained_on_is_sliced_and_says_so() -> None:
    demo = study("multiresunet-demo")
    assert "murphy-phantom" in demo.sliced
    assert "murphy-phantom" not in demo.datasets
    assert demo.absent["murphy"] == "no model of this run is trained on murphy"


def test_a_paper_of_data_alone_is_sliced_and_has_no_page() -> None:
    dag = Dag({"papers": "ken"}, papers=PAPERS)
    assert dag.slices() == ["data/slices/atlas2-phantom/lesion-64x64/slices.parquet"]
    assert dag.reports() == []
    with pytest.raises(UserError, match="has no recipe"):
        _ = dag.studies["ken-demo"].recipe


def test_a_data_set_needs_to_be_known_to_one_of_the_papers_only() -> None:
    dag = Dag({"datasets": "isbi2012"}, papers=PAPERS)
    assert dag.slices() == ["data/slices/isbi2012-phantom/64x64/slices.parquet"]
    with pytest.raises(UserError, match="unknown data set 'isbi2021'"):
        Dag({"datasets": "isbi2021"}, papers=PAPERS)


def test_settings_that_select_nothing_are_an_error(tmp_path: Path) -> None:
    text = (PAPERS / "ken.yaml").read_text(encoding="utf-8")
    (tmp_path / "ken.yaml").write_text(text.replace("cases: {atlas2: 4}", "cases: {}"))
    with pytest.raises(UserError, match="select no data set"):
        Dag({"tier": "demo"}, papers=tmp_path)


def test_two_papers_must_mean_the_same_by_a_slicing() -> None:
    first = study()
    data = first.paper.datasets["isbi2012"]
    slicing = data.slicing.model_copy(update={"image_resize": "nearest"})
    datasets = {"isbi2012": data.model_copy(update={"slicing": slicing})}
    paper = first.paper.model_copy(update={"name": "other", "datasets": datasets})
    second = Study(paper=paper, settings=first.settings)
    with pytest.raises(UserError, match="mean different things by slicing '256x256'"):
        parts.named_slicing((first, second), "isbi2012", "256x256")


def test_the_dag_names_the_files_of_a_run() -> None:
    dag = Dag({"tier": "paper", "datasets": "isbi2012", "folds": 1}, papers=PAPERS)
    wildcards = SimpleNamespace(study="multiresunet", dataset="isbi2012", model="unet", run="fold0")
    assert dag.slices_file("images.npy")(wildcards) == "data/slices/isbi2012/256x256/images.npy"
    assert dag.of_runs("scores.parquet")(wildcards) == [
        "results/multiresunet/isbi2012/unet/fold0/scores.parquet",
        "results/multiresunet/isbi2012/multiresunet/fold0/scores.parquet",
    ]


def test_a_sum_of_losses_is_computed_by_the_files_of_its_parts() -> None:
    parts_of_it = [{"name": "dice"}, {"name": "focal", "weight": 2}]
    loss = LossProtocol(name="sum", options={"parts": parts_of_it})
    files = ("sum", "dice", "focal")
    assert loss.modules == [f"segrepro.losses.{name}" for name in files]


def with_pretrained(study: Study, path: str) -> Study:
    """Return the study with a network that begins with published weights."""
    networks = {
        "vmunet": study.paper.models["unet"].model_copy(
            update={"network": "vmunet", "options": {"pretrained": path}}
        )
    }
    return Study(paper=study.paper.model_copy(update={"models": networks}), settings=study.settings)


def test_published_weights_are_an_input_of_training_and_of_nothing_after_it() -> None:
    dag = Dag({"tier": "paper", "datasets": "isbi2012", "folds": 1}, papers=PAPERS)
    wildcards = SimpleNamespace(study="multiresunet", dataset="isbi2012", model="unet", run="fold0")
    assert dag.pretrained(wildcards) == []
    dag.studies["multiresunet"] = with_pretrained(dag.studies["multiresunet"], "weights/vmamba.pth")
    wildcards.model = "vmunet"
    assert dag.pretrained(wildcards) == ["weights/vmamba.pth"]
    assert "vmamba.pth" in dag.train_protocol(wildcards)
    assert "vmamba.pth" not in dag.predict_protocol(wildcards)


def test_a_training_asks_for_the_memory_that_was_measured_for_its_batch_and_size() -> None:
    dag = Dag({"tier": "paper", "datasets": "isbi2012", "folds": 1}, papers=PAPERS)
    wildcards = SimpleNamespace(study="multiresunet", dataset="isbi2012", model="unet", run="fold0")
    # Four images of 256x256 at a time, as where it was measured.
    study = dag.studies["multiresunet"]
    assert study.recipe.batch_size == 4
    assert dag.train_mb(wildcards) == facts_of("unet").training_mb
    demo = Dag({}, papers=PAPERS)
    wildcards = SimpleNamespace(
        study="multiresunet-demo", dataset="isbi2012-phantom", model="unet", run="fold0"
    )
    assert 500 < demo.train_mb(wildcards) < facts_of("unet").training_mb
