"""When a published number counts as reproduced."""

import pytest

from segrepro.claims.verdict import Evidence, judge
from segrepro.protocol.paper import Claim


def claim(published: float, spread: float | None = None, **changes: object) -> Claim:
    return Claim.model_validate(
        {
            "id": "c",
            "source": "Table 1",
            "dataset": "d",
            "model": "m",
            "class": "cell",
            "metric": "jaccard",
            "published": published,
            "spread": spread,
            "unit": "percent",
            **changes,
        }
    )


COUNT = claim(100, dataset=None, measure="parameters", metric="parameters", unit="count")


def evidence(low: float, high: float) -> Evidence:
    return Evidence(ours=(low + high) / 2, low=low, high=high, n_runs=5)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (86, 88, "reproduced"),  # inside 85 to 89
        (88, 92, "reproduced"),  # overlaps its upper end
        (89, 91, "reproduced"),  # touches it
        (89.1, 91, "better"),
        (80, 84.9, "worse"),
        (80, 85, "reproduced"),  # touches its lower end
    ],
)
def test_our_interval_must_meet_the_published_spread(low: float, high: float, verdict: str) -> None:
    assert judge(claim(87, 2), evidence(low, high), synthetic=False).verdict == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(86, 88, "reproduced"), (88, 90, "better"), (84, 86, "worse")]
)
def test_without_a_spread_our_interval_must_hold_the_number(
    low: float, high: float, verdict: str
) -> None:
    assert judge(claim(87), evidence(low, high), synthetic=False).verdict == verdict


def test_an_interval_that_reaches_the_constant_prediction_tests_nothing() -> None:
    wide = Evidence(ours=84, low=78, high=90, n_runs=5, constant=79)
    assert judge(claim(87, 2), wide, synthetic=False).verdict == "not_testable"
    narrow = Evidence(ours=86, low=84, high=88, n_runs=5, constant=79)
    assert judge(claim(87, 2), narrow, synthetic=False).verdict == "reproduced"


def test_one_run_has_no_interval_and_decides_nothing() -> None:
    judged = judge(claim(87, 2), Evidence(ours=87, n_runs=1), synthetic=False)
    assert judged.verdict == "not_testable"
    assert judged.reason == "1 run gives no interval over runs."


def test_synthetic_data_test_no_claim_not_even_a_count() -> None:
    for tested, ours in ((claim(87, 2), evidence(86, 88)), (COUNT, Evidence(ours=100))):
        judged = judge(tested, ours, synthetic=True)
        assert (judged.verdict, judged.reason) == ("not_testable", "Synthetic data test no claim.")


@pytest.mark.parametrize("synthetic", [False, True])
def test_what_was_not_run_says_why(synthetic: bool) -> None:
    judged = judge(claim(87), None, synthetic=synthetic, missing="d is not part of the demo")
    assert (judged.verdict, judged.reason) == ("not_run", "D is not part of the demo.")


def test_a_shortened_run_tests_no_score_and_says_what_predicting_the_class_everywhere_gives() -> (
    None
):
    ours = Evidence(ours=80.0, n_runs=1, last_epoch=79.5, constant=78.24)
    judged = judge(
        claim(87, 2), ours, synthetic=False, shortened=("2 of 150 epochs", "1 of 5 folds")
    )
    assert judged.verdict == "not_testable"
    assert judged.reason == (
        "2 of 150 epochs, 1 of 5 folds: not the paper's protocol."
        " The best epoch gives 80.00, the last 79.50."
        " Predicting the class everywhere scores 78.24."
    )


def test_a_shortened_run_still_tests_the_number_of_parameters() -> None:
    judged = judge(COUNT, Evidence(ours=100), synthetic=False, shortened=("2 of 150 epochs",))
    assert judged.verdict == "reproduced"


@pytest.mark.parametrize(("ours", "difference"), [(101, "+1"), (99, "-1")])
def test_one_parameter_more_or_less_is_another_network(ours: float, difference: str) -> None:
    judged = judge(COUNT, Evidence(ours=ours), synthetic=False)
    assert judged.verdict == "worse"
    assert judged.reason == f"Another network: {difference} parameters."


def test_the_last_epoch_stands_beside_the_best_one() -> None:
    ours = Evidence(ours=87.5, low=87, high=88, n_runs=5, last_epoch=86.25, constant=78)
    reason = judge(claim(87.4, 0.7), ours, synthetic=False).reason
    assert "The best epoch gives 87.50, the last 86.25." in reason
