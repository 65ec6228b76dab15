"""The ISBI-2012 phantom."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from segrepro.phantoms import isbi2012

NAMES = ("test-volume.tif", "train-labels.tif", "train-volume.tif")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    isbi2012.write(folder, cases=3, seed=0)
    return folder


def test_it_writes_the_published_stacks_and_nothing_else(raw: Path) -> None:
    assert sorted(path.name for path in raw.iterdir()) == sorted(NAMES)
    for name in NAMES:
        stack = tifffile.imread(raw / name)
        assert stack.shape == (3, 512, 512)
        assert stack.dtype == np.uint8


def test_one_case_is_a_stack_of_one_page(tmp_path: Path) -> None:
    isbi2012.write(tmp_path, cases=1, seed=0)
    assert len(tifffile.TiffFile(tmp_path / "train-volume.tif").pages) == 1


def test_cells_cover_as_much_as_in_the_published_sections(raw: Path) -> None:
    labels = tifffile.imread(raw / "train-labels.tif")
    assert set(np.unique(labels)) == {0, 255}
    shares = (labels == 255).mean(axis=(1, 2))
    assert ((shares > 0.73) & (shares < 0.83)).all()


def test_no_threshold_on_the_grey_value_finds_the_cells(raw: Path) -> None:
    image = tifffile.imread(raw / "train-volume.tif")[0]
    cell = tifffile.imread(raw / "train-labels.tif")[0] == 255
    best = max(
        np.mean((image > grey)[cell | (image > grey)] & cell[cell | (image > grey)])
        for grey in range(0, 200, 10)
    )
    # Calling everything a cell is right on 0.76 of this section; the real ones allow 0.82.
    assert best < 0.85


def test_neighbouring_sections_are_alike(raw: Path) -> None:
    labels = tifffile.imread(raw / "train-labels.tif")
    stranger = tifffile.imread(raw / "train-labels.tif")[0].T
    assert (labels[0] == labels[1]).mean() > (labels[0] == stranger).mean() + 0.1


def test_equal_seeds_give_equal_bytes(raw: Path, tmp_path: Path) -> None:
    isbi2012.write(tmp_path, cases=3, seed=0)
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (raw / name).read_bytes()


def test_a_longer_volume_begins_like_a_shorter_one(raw: Path, tmp_path: Path) -> None:
    isbi2012.write(tmp_path, cases=1, seed=0)
    for name in NAMES:
        first = tifffile.imread(raw / name)[0]
        np.testing.assert_array_equal(tifffile.imread(tmp_path / name).reshape(512, 512), first)


def test_another_seed_gives_other_sections(raw: Path, tmp_path: Path) -> None:
    isbi2012.write(tmp_path, cases=3, seed=1)
    for name in NAMES:
        assert (tmp_path / name).read_bytes() != (raw / name).read_bytes()
