"""The numbers of Tables 3 and 4, typed from the paper a second time."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from segrepro.protocol.paper import Paper
from segrepro.protocol.study import load_paper

PAPERS = Path(__file__).parents[2] / "config/papers"
PATH = PAPERS / "multiresunet.yaml"

# Table 3: 2D on the left, 3D on the right.
TABLE_3 = {
    "unet": 7_759_521,
    "multiresunet": 7_262_750,
    "unet3d": 19_078_593,
    "multiresunet3d": 18_657_689,
}
# Table 4: our name, then MultiResUNet, its spread, U-Net, its spread, relative improvement.
TABLE_4 = """
isic2018     80.2988 0.3717  76.4277 4.5183  5.065
cvc_clinicdb 82.0574 1.5953  74.4984 1.4704  10.1465
murphy       91.6537 0.9563  89.3027 2.1950  2.6326
isbi2012     87.9477 0.7741  87.4092 0.7071  0.6161
brats2017    78.1936 0.7868  77.1061 0.7768  1.4104
"""
ROWS = {name: tuple(map(float, rest)) for name, *rest in map(str.split, TABLE_4.split("\n")[1:-1])}


@pytest.fixture(scope="module")
def paper() -> Paper:
    return load_paper(PATH)


@pytest.mark.parametrize("path", sorted(PAPERS.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("demo", [False, True])
def test_every_paper_parses_and_so_does_its_demo(path: Path, demo: bool) -> None:
    assert load_paper(path, demo=demo).name == path.stem


def test_the_parameters_are_those_of_table_3(paper: Paper) -> None:
    claims = {c.model: c.published for c in paper.claims if c.measure == "parameters"}
    assert claims == TABLE_3


@pytest.mark.parametrize("dataset", ROWS)
def test_each_row_is_that_of_table_4(paper: Paper, dataset: str) -> None:
    ours, spread, base, base_spread, improvement = ROWS[dataset]
    suffix = "3d" if dataset == "brats2017" else ""
    claims = [c for c in paper.claims if c.dataset == dataset]
    printed = {(c.model, c.baseline): (c.published, c.spread, c.metric, c.unit) for c in claims}
    assert printed == {
        (f"multiresunet{suffix}", None): (ours, spread, "jaccard", "percent"),
        (f"unet{suffix}", None): (base, base_spread, "jaccard", "percent"),
        (f"multiresunet{suffix}", f"unet{suffix}"): (improvement, None, "jaccard", "percent"),
    }


@pytest.mark.parametrize("dataset", ROWS)
def test_the_printed_improvements_follow_from_the_printed_means(dataset: str) -> None:
    ours, _, base, _, improvement = ROWS[dataset]
    assert 100 * (ours - base) / base == pytest.approx(improvement, abs=1e-4)


def test_u_nets_spread_is_the_smaller_in_three_of_five_rows() -> None:
    smaller = [
        name for name, (_, spread, _, base_spread, _) in ROWS.items() if base_spread < spread
    ]
    assert smaller == ["cvc_clinicdb", "isbi2012", "brats2017"]


def test_there_are_nineteen_claims_and_no_other(paper: Paper) -> None:
    assert len(paper.claims) == 4 + 3 * 5


def test_images_of_256_by_192_pixels_have_192_rows(paper: Paper) -> None:
    assert paper.datasets["isic2018"].slicing.size == (192, 256)
    assert paper.datasets["cvc_clinicdb"].slicing.size == (192, 256)


def test_the_recipe_is_that_of_section_6(paper: Paper) -> None:
    recipe = paper.recipe
    assert recipe is not None
    assert (recipe.epochs, recipe.threshold) == (150, 0.5)
    assert recipe.checkpoint == "best_on_reported_fold"
    assert {data.split.folds for data in paper.datasets.values()} == {5}


def test_a_misspelt_key_is_an_error() -> None:
    content = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    content["recipe"]["epoch"] = content["recipe"].pop("epochs")
    with pytest.raises(ValidationError, match=r"recipe\.epoch\b"):
        Paper.model_validate(content)


def test_the_demo_is_small_and_its_numbers_do_not_touch_the_claims(paper: Paper) -> None:
    demo = load_paper(PATH, demo=True)
    assert demo.datasets["isbi2012"].slicing.size == (64, 64)
    assert demo.recipe.epochs < paper.recipe.epochs
    assert demo.claims == paper.claims


def test_the_demo_has_a_block_of_six_sections_for_each_fold(paper: Paper) -> None:
    assert paper.demo.cases["isbi2012"] == 6 * paper.datasets["isbi2012"].split.folds
