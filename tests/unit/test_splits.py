"""Making, checking and reading splits."""

from pathlib import Path

import pandas as pd
import pytest

from segrepro.errors import UserError
from segrepro.protocol.data import Split
from segrepro.protocol.stages import SplitStage
from segrepro.splits._rows import SplitRow
from segrepro.splits.check import check_split
from segrepro.splits.make import k_fold, make_split
from segrepro.splits.read import RunSplit, read_run, read_split

CASES = [f"c{n}" for n in range(6)]
GROUPS = ["g0", "g0", "g1", "g1", "g2", "g2"]


def write_table(folder: Path, case_ids: list[str], group_ids: list[str]) -> None:
    table = pd.DataFrame({"case_id": case_ids, "group_id": group_ids})
    table.to_parquet(folder / "slices.parquet")


@pytest.fixture
def split(tmp_path: Path) -> Path:
    write_table(tmp_path, CASES, GROUPS)
    path = tmp_path / "split.csv"
    stage = SplitStage(split=Split(folds=3))
    make_split(stage, slices=tmp_path, out=path)
    return path


def test_every_case_is_held_out_exactly_once(split: Path) -> None:
    held_out = [row.case_id for row in read_split(split) if row.part == "test"]
    assert sorted(held_out) == CASES


def test_a_run_has_every_case_once_and_no_validation_part(split: Path) -> None:
    run = read_run(split, "fold1")
    assert sorted(run.train + run.test) == CASES
    assert run.validation == ()


def test_two_cases_of_a_group_are_held_out_together(split: Path) -> None:
    group_of = dict(zip(CASES, GROUPS, strict=True))
    for fold in range(3):
        held_out = read_run(split, f"fold{fold}").test
        assert len(held_out) == 2
        assert len({group_of[case] for case in held_out}) == 1


def test_another_seed_gives_another_split() -> None:
    ids = [str(n) for n in range(30)]
    splits = {tuple(k_fold(ids, ids, folds=5, unit="case", seed=seed)) for seed in range(3)}
    assert len(splits) == 3


def test_unequal_groups_are_dealt_largest_first() -> None:
    groups = ["big"] * 4 + ["a", "b", "c", "d"]
    folds = k_fold([str(n) for n in range(8)], groups, folds=2, unit="group", seed=0)
    assert folds.count(0) == folds.count(1) == 4
    assert len(set(folds[4:])) == 1


def test_by_case_the_groups_do_not_matter() -> None:
    folds = k_fold(CASES, ["one group"] * 6, folds=6, unit="case", seed=0)
    assert sorted(folds) == [0, 1, 2, 3, 4, 5]


def test_fewer_groups_than_folds_are_refused() -> None:
    with pytest.raises(UserError, match=r"4 folds need at least 4 groups, but there are 3"):
        k_fold(CASES, GROUPS, folds=4, unit="group", seed=0)


def test_a_case_with_two_slices_is_dealt_once(tmp_path: Path) -> None:
    write_table(tmp_path, ["a", "a", "b"], ["g", "g", "h"])
    stage = SplitStage(split=Split(folds=2))
    make_split(stage, slices=tmp_path, out=tmp_path / "split.csv")
    assert sorted(read_run(tmp_path / "split.csv", "fold0").train) in (["a"], ["b"])
    assert len(read_split(tmp_path / "split.csv")) == 4


def test_a_group_on_both_sides_of_a_run_is_a_leak() -> None:
    rows = [SplitRow("fold0", "c0", "g0", "train"), SplitRow("fold0", "c1", "g0", "test")]
    with pytest.raises(UserError, match="group 'g0' is in train and in test"):
        check_split(rows, unit="group")


def test_a_split_by_case_may_part_a_group() -> None:
    rows = [SplitRow("fold0", "c0", "g0", "train"), SplitRow("fold0", "c1", "g0", "test")]
    check_split(rows, unit="case")
    with pytest.raises(UserError):
        check_split(rows, unit="group")


def test_a_group_may_change_sides_between_runs() -> None:
    rows = [SplitRow("fold0", "c0", "g0", "train"), SplitRow("fold1", "c0", "g0", "test")]
    check_split(rows, unit="group")
    in_one_run = [SplitRow("fold0", row.case_id + row.part, "g0", row.part) for row in rows]
    with pytest.raises(UserError):
        check_split(in_one_run, unit="group")


def test_a_case_that_is_listed_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("run,case_id,group_id,part\nfold0,c0,g0,train\nfold0,c0,g0,test\n")
    with pytest.raises(UserError, match="case 'c0' is listed twice"):
        read_split(path)


def test_the_parts_are_read_in_file_order(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text(
        "run,case_id,group_id,part\n"
        "fold0,c2,g,train\nfold0,c1,g,train\nfold0,c0,h,validation\nfold0,c3,i,test\n"
    )
    assert read_run(path, "fold0") == RunSplit(("c2", "c1"), ("c0",), ("c3",))


def test_an_unknown_run_gets_the_list(split: Path) -> None:
    with pytest.raises(UserError, match="fold7") as caught:
        read_run(split, "fold7")
    assert "fold0, fold1, fold2" in caught.value.cure


def test_an_unknown_part_is_named(tmp_path: Path) -> None:
    (tmp_path / "split.csv").write_text("run,case_id,group_id,part\nfold0,c0,g0,dev\n")
    with pytest.raises(UserError, match="'dev'"):
        read_split(tmp_path / "split.csv")


def test_a_missing_split_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_split(tmp_path / "split.csv")
    assert "segrepro split" in caught.value.cure
