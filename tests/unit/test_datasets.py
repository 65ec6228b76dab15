"""The registry of data sets, and the pages made from their cards."""

from pathlib import Path

import pytest

from segrepro import datasets, phantoms
from segrepro.datasets import isbi2012
from segrepro.datasets._page import page
from segrepro.errors import UserError

PAGES = Path(__file__).parents[2] / "docs" / "guide" / "datasets"


def test_a_phantom_is_read_by_the_file_of_its_data_set() -> None:
    assert datasets.base_name("isbi2012-phantom") == "isbi2012"
    assert datasets.load("isbi2012-phantom") is datasets.load("isbi2012")
    assert datasets.is_phantom("isbi2012-phantom")
    assert not datasets.is_phantom("isbi2012")


def test_an_unknown_data_set_gets_the_list() -> None:
    with pytest.raises(UserError, match="isbi") as caught:
        datasets.load("isbi")
    assert "isbi2012" in caught.value.cure


def test_an_unknown_phantom_gets_the_list() -> None:
    with pytest.raises(UserError) as caught:
        phantoms.load("isbi")
    assert "isbi2012" in caught.value.cure


@pytest.mark.parametrize("name", datasets.names())
def test_the_committed_page_is_what_the_card_makes(name: str) -> None:
    module = datasets.load(name)
    fresh = page(module.CARD, module.SOURCES, module.LAYOUTS)
    assert (PAGES / f"{name}.md").read_text(encoding="utf-8") == fresh, (
        "stale: run `python -m segrepro.datasets._page docs/guide/datasets`"
    )


def test_a_page_states_terms_citation_and_files() -> None:
    text = page(isbi2012.CARD, isbi2012.SOURCES)
    for needed in (isbi2012.CARD.terms, isbi2012.CARD.citation, "train-volume.tif", "1 cell"):
        assert needed in text
