"""What holds for every k-fold split."""

from collections import Counter

from hypothesis import assume, given
from hypothesis import strategies as st

from segrepro.splits.make import k_fold

group_lists = st.lists(st.integers(0, 9).map("g{}".format), min_size=2, max_size=40)
seeds = st.integers(0, 2**32 - 1)


def ids(count: int) -> list[str]:
    return [f"c{number:02d}" for number in range(count)]


@given(group_lists, st.integers(2, 5), seeds)
def test_no_group_straddles_folds(groups: list[str], folds: int, seed: int) -> None:
    assume(len(set(groups)) >= folds)
    mine = k_fold(ids(len(groups)), groups, folds=folds, unit="group", seed=seed)
    assert len(set(zip(groups, mine, strict=True))) == len(set(groups))


@given(group_lists, st.integers(2, 5), seeds)
def test_every_fold_holds_out_something(groups: list[str], folds: int, seed: int) -> None:
    assume(len(set(groups)) >= folds)
    mine = k_fold(ids(len(groups)), groups, folds=folds, unit="group", seed=seed)
    assert set(mine) == set(range(folds))


@given(group_lists, st.integers(2, 5), seeds)
def test_folds_differ_by_no_more_than_the_largest_group(
    groups: list[str], folds: int, seed: int
) -> None:
    assume(len(set(groups)) >= folds)
    sizes = Counter(k_fold(ids(len(groups)), groups, folds=folds, unit="group", seed=seed))
    largest = max(Counter(groups).values())
    assert max(sizes.values()) - min(sizes.values()) <= largest


@given(st.integers(5, 60), st.integers(2, 5), seeds)
def test_by_case_folds_differ_by_at_most_one(count: int, folds: int, seed: int) -> None:
    sizes = Counter(k_fold(ids(count), ["g"] * count, folds=folds, unit="case", seed=seed))
    assert max(sizes.values()) - min(sizes.values()) <= 1


@given(group_lists, st.integers(2, 5), seeds, st.randoms(use_true_random=False))
def test_the_order_of_the_cases_does_not_matter(
    groups: list[str], folds: int, seed: int, random: object
) -> None:
    assume(len(set(groups)) >= folds)
    pairs = list(zip(ids(len(groups)), groups, strict=True))
    shuffled = pairs[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def fold_of(ordered: list[tuple[str, str]]) -> dict[str, int]:
        cases = [case for case, _ in ordered]
        theirs = [group for _, group in ordered]
        folds_of_cases = k_fold(cases, theirs, folds=folds, unit="group", seed=seed)
        return dict(zip(cases, folds_of_cases, strict=True))

    assert fold_of(pairs) == fold_of(shuffled)
