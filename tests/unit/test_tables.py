"""The tables of a small finished study; its numbers are in `_finished_study`."""

from pathlib import Path

import pandas as pd
import pytest
from _finished_study import claims_stage, study_part, write_results

from segrepro import tables
from segrepro.claims import ledger
from segrepro.errors import UserError
from segrepro.protocol.paper import TableSpec
from segrepro.protocol.stages import StudyPart, TableStage
from segrepro.tables._display import Display, escaped, latex, markdown, number


def table(folder: Path, part: StudyPart, kind: str, title: str = "Table") -> TableStage:
    claims = folder / "claims.csv"
    if not claims.exists():
        write_results(folder, part)
        ledger.fill(claims_stage(part), results=folder, out=claims)
    stage = TableStage(part=part, name="t", spec=TableSpec(kind=kind, title=title))
    tables.make(stage, results=folder, claims=claims, out=folder / "tables")
    return stage


def text(folder: Path, ending: str) -> str:
    return (folder / f"tables/t.{ending}").read_text(encoding="utf-8")


def test_every_kind_in_the_folder_can_be_named() -> None:
    assert {"cross_validation", "parameters"} <= set(tables.names())


def test_paper_and_ours_stand_side_by_side(tmp_path: Path) -> None:
    table(tmp_path, study_part(), "cross_validation")
    (row,) = [line for line in text(tmp_path, "md").split("\n") if "MultiResUNet" in line]
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "Electron Microscopy", "MultiResUNet (proposed)", "87.95 ± 0.77", "86.00 ± 2.00",
        "85.00 ± 2.00", "+1.00", "78.00", "0.62", "4.88", "3",
    ]  # fmt: skip


def test_the_csv_holds_every_digit(tmp_path: Path) -> None:
    table(tmp_path, study_part(), "cross_validation")
    row = pd.read_csv(tmp_path / "tables/t.csv").iloc[0]
    assert row["ours_percent"] == pytest.approx(82, abs=1e-12)
    assert row["optimism_percent"] == pytest.approx(1, abs=1e-12)
    assert (row["runs"], row["images"]) == (3, 6)


def test_a_single_fold_has_no_spread(tmp_path: Path) -> None:
    table(tmp_path, study_part(shortened=("1 of 5 folds",), folds=1), "cross_validation")
    assert "| 80.00 |" in text(tmp_path, "md")
    assert "Ours are from shortened runs: 1 of 5 folds." in text(tmp_path, "md")


def test_a_table_of_phantoms_says_that_it_compares_nothing(tmp_path: Path) -> None:
    table(tmp_path, study_part(synthetic=True), "cross_validation")
    for ending in ("md", "tex"):
        assert "Ours are on synthetic images" in text(tmp_path, ending)


def test_counts_are_printed_to_the_last_digit(tmp_path: Path) -> None:
    table(tmp_path, study_part(), "parameters")
    row = "| U-Net (baseline) | 1 × 256 × 256 | 7,759,521 | 7,759,521 | 0 |"  # noqa: RUF001
    assert row in text(tmp_path, "md")


def test_latex_has_booktabs_rules_and_no_bare_special_character(tmp_path: Path) -> None:
    table(tmp_path, study_part(), "cross_validation", title="A & B: 50%_#")
    written = text(tmp_path, "tex")
    assert r"\caption{A \& B: 50\%\_\#." in written
    for rule in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert written.count(rule) == 1
    assert r"87.95 $\pm$ 0.77" in written


def test_what_latex_prints_is_the_text() -> None:
    assert escaped(r"\ & % $ # _ { } ~ ^") == (
        r"\textbackslash{} \& \% \$ \# \_ \{ \} \textasciitilde{} \textasciicircum{}"
    )


def test_a_bar_in_a_cell_does_not_break_a_markdown_table() -> None:
    shown = Display(header=("a", "b"), rows=(("x|y", "1"),), texts=1)
    assert r"| x\|y | 1 |" in markdown("t", shown)
    assert "lr" in latex("t", shown)


def test_numbers_are_grouped_signed_and_dashed() -> None:
    assert number(1234567.0, 0) == "1,234,567"
    assert number(-0.5, signed=True) == "\N{MINUS SIGN}0.50"
    assert number(0.0, 0, signed=True) == "0"
    assert number(float("nan")) == "\N{EN DASH}"


def test_the_report_reads_the_cells_that_were_written(tmp_path: Path) -> None:
    stage = table(tmp_path, study_part(), "cross_validation")
    shown = tables.read(stage, tables=tmp_path / "tables")
    assert markdown("Table", shown) == text(tmp_path, "md")


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first: dict[str, str] = {}
    for name in ("a", "b"):
        table(tmp_path / name, study_part(), "cross_validation")
        written = {ending: text(tmp_path / name, ending) for ending in ("csv", "md", "tex")}
        first = first or written
    assert written == first


def test_a_metric_that_was_not_scored_is_a_clear_error(tmp_path: Path) -> None:
    part = study_part()
    stage = table(tmp_path, part, "cross_validation")
    spec = stage.spec.model_copy(update={"metric": "recall"})
    with pytest.raises(UserError, match="no scores of 'recall'"):
        tables.make(
            stage.model_copy(update={"spec": spec}),
            results=tmp_path,
            claims=tmp_path / "claims.csv",
            out=tmp_path,
        )


def test_an_unknown_kind_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'cross_validation'"):
        table(tmp_path, study_part(), "cross_validatoin")
