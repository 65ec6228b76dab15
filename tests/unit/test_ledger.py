"""The ledger of a small finished study; its numbers are in `_finished_study`."""

import json
from pathlib import Path

import pandas as pd
import pytest
from _finished_study import claims_stage, study_part, write_results

from segrepro.claims import ledger
from segrepro.errors import UserError
from segrepro.protocol.stages import StudyPart


def filled(folder: Path, part: StudyPart) -> pd.DataFrame:
    write_results(folder, part)
    ledger.fill(claims_stage(part), results=folder, out=folder / "claims.csv")
    return ledger.read(folder / "claims.csv").set_index("claim_id")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    return filled(tmp_path_factory.mktemp("full"), study_part())


def test_the_columns_are_the_contract(tmp_path: Path) -> None:
    filled(tmp_path, study_part())
    assert (tmp_path / "claims.csv").read_text(encoding="utf-8").split("\n")[0] == (
        "claim_id,paper,source,dataset,model,variant,class,metric,published,published_spread,"
        "ours,ours_low,ours_high,n_runs,verdict,reason"
    )


def test_ours_is_the_mean_of_the_folds_in_percent(full: pd.DataFrame) -> None:
    row = full.loc["table4-isbi2012-unet"]
    assert (row["ours"], row["n_runs"]) == (82.0, 3)


def test_the_interval_is_students_over_the_folds(full: pd.DataFrame) -> None:
    # Folds 80, 82, 84: standard deviation 2, two degrees of freedom, quantile 4.3027.
    row = full.loc["table4-isbi2012-unet"]
    margin = 4.3027 * 2 / 3**0.5
    assert row["ours_low"] == pytest.approx(82 - margin, abs=1e-3)
    assert row["ours_high"] == pytest.approx(82 + margin, abs=1e-3)


def test_the_improvement_is_that_of_the_means(full: pd.DataFrame) -> None:
    row = full.loc["table4-isbi2012-improvement"]
    assert row["ours"] == pytest.approx(100 * (86 - 82) / 82, abs=1e-4)
    assert row["metric"] == "jaccard_relative_improvement"
    assert row["verdict"] == "better"


def test_the_interval_of_the_improvement_is_over_pairs_of_folds(full: pd.DataFrame) -> None:
    row = full.loc["table4-isbi2012-improvement"]
    pairs = [100 * 4 / 80, 100 * 4 / 82, 100 * 4 / 84]
    assert row["ours_low"] < min(pairs) < max(pairs) < row["ours_high"]


def test_equal_counts_are_reproduced(full: pd.DataFrame) -> None:
    for model in ("unet", "multiresunet"):
        assert full.loc[f"table3-{model}", "verdict"] == "reproduced"


def test_what_was_not_run_has_empty_cells_and_a_reason(full: pd.DataFrame) -> None:
    row = full.loc["table4-murphy-unet"]
    assert row[["ours", "ours_low", "ours_high", "n_runs"]].isna().all()
    assert (row["verdict"], row["reason"]) == ("not_run", "No murphy here.")
    assert full.loc["table3-unet3d", "reason"] == "No unet3d here."


def test_the_reason_names_the_last_epoch_and_the_constant_prediction(full: pd.DataFrame) -> None:
    reason = full.loc["table4-isbi2012-unet", "reason"]
    assert "The best epoch gives 82.00, the last 81.00." in reason
    assert "Predicting the class everywhere scores 78.00." in reason


def test_nothing_is_reproduced_on_phantoms(tmp_path: Path) -> None:
    rows = filled(tmp_path, study_part(synthetic=True))
    assert set(rows["verdict"]) == {"not_testable", "not_run"}
    assert rows.loc["table4-isbi2012-unet", "ours"] == 82.0
    assert set(rows["paper"]) == {"multiresunet"}


def test_a_shortened_study_tests_its_counts_only(tmp_path: Path) -> None:
    rows = filled(tmp_path, study_part(shortened=("4 of 150 epochs", "1 of 5 folds"), folds=1))
    tested = rows[rows["verdict"].isin(["reproduced", "better", "worse"])]
    assert set(tested.index) == {"table3-unet", "table3-multiresunet"}
    assert rows.loc["table4-isbi2012-unet", "reason"].startswith("4 of 150 epochs, 1 of 5 folds:")


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        filled(tmp_path / name, study_part())
    first, second = ((tmp_path / name / "claims.csv").read_bytes() for name in ("a", "b"))
    assert first == second


def test_our_numbers_alone_are_json_for_dvc(tmp_path: Path) -> None:
    part = study_part()
    write_results(tmp_path, part)
    out, metrics = tmp_path / "claims.csv", tmp_path / "metrics.json"
    ledger.fill(claims_stage(part), results=tmp_path, out=out, metrics=metrics)
    numbers = json.loads(metrics.read_text(encoding="utf-8"))
    assert numbers["table4-isbi2012-unet"] == 82.0
    assert "table4-murphy-unet" not in numbers


def test_missing_scores_name_the_file_and_the_command(tmp_path: Path) -> None:
    part = study_part()
    write_results(tmp_path, part)
    (tmp_path / "isbi2012/unet/fold1/scores.parquet").unlink()
    with pytest.raises(UserError, match="segrepro score multiresunet/isbi2012/unet/fold1"):
        ledger.fill(claims_stage(part), results=tmp_path, out=tmp_path / "claims.csv")
    assert not (tmp_path / "claims.csv").exists()


def test_half_a_scores_file_is_a_clear_error(tmp_path: Path) -> None:
    part = study_part()
    write_results(tmp_path, part)
    path = tmp_path / "isbi2012/unet/fold1/scores.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="no readable scores"):
        ledger.fill(claims_stage(part), results=tmp_path, out=tmp_path / "claims.csv")
