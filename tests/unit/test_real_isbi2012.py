"""The published ISBI-2012 images, where a reader has them."""

import os
from pathlib import Path

import numpy as np
import pytest

from segrepro.datasets import isbi2012
from segrepro.datasets._types import Case

ROOT = Path(__file__).parents[2]
RAW = Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data")) / "isbi2012"

pytestmark = [
    pytest.mark.real_images,
    pytest.mark.skipif(
        not RAW.is_dir(), reason="no isbi2012/ in SEGREPRO_REAL_DATA: the real images are absent"
    ),
]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return list(isbi2012.iter_cases(RAW))


def test_there_are_thirty_sections_in_five_blocks(cases: list[Case]) -> None:
    assert len(cases) == isbi2012.CARD.expected_cases
    assert len({case.group_id for case in cases}) == isbi2012.CARD.expected_groups


def test_cells_cover_73_to_83_percent_of_a_section(cases: list[Case]) -> None:
    shares = [float(case.mask.mean()) for case in cases]
    assert min(shares) == pytest.approx(0.73, abs=0.005)
    assert max(shares) < 0.835
    assert np.mean(shares) == pytest.approx(0.78, abs=0.005)


def test_membranes_are_darker_than_cells(cases: list[Case]) -> None:
    for case in cases:
        image = case.channels[0]
        assert image[case.mask == 0].mean() < image[case.mask == 1].mean() - 20
