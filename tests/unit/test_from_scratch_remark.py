"""A network that expects pretrained weights and has none says so in every table."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from _finished_study import claims_stage, study_part, write_results
from _published_weights import vmamba

from segrepro import tables
from segrepro.claims import ledger
from segrepro.inference.complexity import complexity, from_scratch_instead_of
from segrepro.models import _page
from segrepro.protocol.paper import TableSpec
from segrepro.protocol.stages import ComplexityStage, Network, TableStage

VMAMBA = "VMamba-S on ImageNet, vmamba_small_e238_ema.pth, encoder and mirrored decoder"
REMARK = (
    "MultiResUNet (proposed) is trained from scratch here; its own paper begins with pretrained"
    " weights (of cats)."
)


def test_a_network_s_size_comes_with_the_weights_that_it_does_without(tmp_path: Path) -> None:
    stage = ComplexityStage.model_validate(
        {
            "network": {"name": "vmunet", "options": {"width": 4}},
            "counted_with": {"channels": 1, "classes": 1, "size": (32, 32)},
        }
    )
    complexity(stage, out=tmp_path / "c.json", threads=1)
    content = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert content["from_scratch_instead_of"] == VMAMBA


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("unet", {}, ""),
        ("vmunet", {}, VMAMBA),
        ("vmunet", {"pretrained": None}, VMAMBA),
        ("vmunet", {"pretrained": "vmamba.pth"}, ""),
    ],
)
def test_it_is_from_scratch_unless_its_paper_is_too_or_weights_are_given(
    name: str, options: dict[str, object], expected: str
) -> None:
    assert from_scratch_instead_of(Network(name=name, options=options)) == expected


@pytest.mark.parametrize("kind", ["cross_validation", "parameters"])
def test_every_kind_of_table_says_it_under_its_rows_and_in_its_file(
    kind: str, tmp_path: Path
) -> None:
    part = study_part()
    write_results(tmp_path, part)
    path = tmp_path / "complexity/multiresunet.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {"from_scratch_instead_of": "of cats"}), encoding="utf-8")
    claims = tmp_path / "claims.csv"
    ledger.fill(claims_stage(part), results=tmp_path, out=claims)
    stage = TableStage(part=part, name="t", spec=TableSpec(kind=kind, title="Table"))
    tables.make(stage, results=tmp_path, claims=claims, out=tmp_path / "tables")
    for ending in ("md", "tex"):
        text = (tmp_path / f"tables/t.{ending}").read_text(encoding="utf-8")
        assert text.count("from scratch") == 1
        assert REMARK in text
    # And once more from the file, as the report reads it.
    assert tables.read(stage, tables=tmp_path / "tables").notes[-1] == REMARK
    column = pd.read_csv(tmp_path / "tables/t.csv").set_index("model")["from_scratch_instead_of"]
    assert column["multiresunet"] == "of cats"
    assert column.isna()["unet"]


@pytest.mark.parametrize(
    ("name", "start"),
    [("vmunet", "we do only if `pretrained` names them"), ("pspnet", "we do not")],
)
def test_the_page_of_networks_says_whether_pretrained_weights_can_be_given(
    name: str, start: str
) -> None:
    pretraining = _page.facts_of(name).pretraining
    expected = f"The paper begins with pretrained weights ({pretraining}); {start}.\n"
    assert expected in _page.page([name])


def test_a_network_that_was_given_weights_is_counted_with_them(tmp_path: Path) -> None:
    torch.save(vmamba(4), tmp_path / "vmamba.pth")
    options = {"width": 4, "pretrained": str(tmp_path / "vmamba.pth")}
    stage = ComplexityStage.model_validate(
        {
            "network": {"name": "vmunet", "options": options},
            "counted_with": {"channels": 3, "classes": 1, "size": (32, 32)},
        }
    )
    complexity(stage, out=tmp_path / "c.json", threads=1)
    content = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert content["from_scratch_instead_of"] == ""
