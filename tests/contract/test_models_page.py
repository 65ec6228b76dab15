"""Every network states its facts, and the page made of them is committed and current."""

from dataclasses import astuple, replace
from pathlib import Path

import pytest
import torch

from segrepro import models
from segrepro.errors import UserError
from segrepro.models import _page
from segrepro.models._facts import Disagreement, Facts

ROOT = Path(__file__).parents[2]
every_network = pytest.mark.parametrize("name", models.names())


@every_network
def test_a_network_states_its_facts(name: str) -> None:
    facts = _page.facts_of(name)
    assert all([facts.title, facts.source, facts.licence])
    # One sentence each in a table: nothing is left out, and no line is broken.
    cells = [cell for row in facts.disagreements for cell in astuple(row)]
    assert all(cells)
    assert not any("\n" in cell for cell in cells)


@every_network
def test_a_network_takes_the_size_that_its_facts_state(name: str) -> None:
    facts = _page.facts_of(name)
    with torch.device("meta"):
        network = models.build(name, channels=facts.channels, classes=facts.classes).eval()
    logits = network(torch.empty(1, facts.channels, *facts.size, device="meta"))
    assert logits.shape == (1, facts.classes, *facts.size)


def test_the_page_of_all_networks_is_current() -> None:
    committed = (ROOT / _page.PAGE).read_text(encoding="utf-8")
    assert committed == _page.page(models.names()), "stale: run `python -m segrepro.models._page`"


def test_a_network_without_facts_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("segrepro.models.unet.FACTS")
    with pytest.raises(UserError, match=r"models/unet\.py has no FACTS"):
        _page.facts_of("unet")


def test_a_bar_in_a_fact_does_not_break_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Facts(
        title="U-Net",
        source="nowhere",
        licence="none",
        channels=1,
        classes=1,
        size=(16, 16),
        training_mb=1000,
        disagreements=(Disagreement(where="size", says="|A|", but="B", choice="C"),),
    )
    monkeypatch.setattr("segrepro.models.unet.FACTS", facts)
    assert r"| size | \|A\| | B | C |" in _page.page(["unet"])


def test_a_network_without_an_onnx_form_is_listed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "- none\n" in _page.page(["unet"])
    facts = replace(_page.facts_of("unet"), no_onnx="its loops cannot be traced")
    monkeypatch.setattr("segrepro.models.unet.FACTS", facts)
    shown = _page.page(["unet"])
    assert "- `unet` has no ONNX form: its loops cannot be traced.\n" in shown
    assert "- none\n" not in shown
