"""Our overlap metrics give what scikit-learn's give, on masks where none is undefined."""

import numpy as np
import pytest
from sklearn import metrics as theirs

from segrepro import metrics as ours


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("name", "reference_metric"),
    [
        ("jaccard", theirs.jaccard_score),
        ("dice", theirs.f1_score),
        ("precision", theirs.precision_score),
        ("recall", theirs.recall_score),
        ("accuracy", theirs.accuracy_score),
    ],
)
def test_the_value_is_that_of_scikit_learn(name: str, reference_metric: object, seed: int) -> None:
    rng = np.random.default_rng(seed)
    prediction, reference = rng.random((2, 20, 20)) < rng.uniform(0.1, 0.9)
    expected = reference_metric(reference.ravel(), prediction.ravel())  # type: ignore[operator]
    value = ours.get(name)(prediction, reference, when_both_empty=1.0)
    assert value == pytest.approx(expected, abs=1e-12)


def test_specificity_is_their_recall_of_the_background() -> None:
    prediction, reference = np.random.default_rng(0).random((2, 400)) < 0.3
    expected = theirs.recall_score(reference, prediction, pos_label=0)
    value = ours.get("specificity")(prediction, reference, when_both_empty=1.0)
    assert value == pytest.approx(expected, abs=1e-12)
