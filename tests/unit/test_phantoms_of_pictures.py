"""The phantoms of flat pictures: what the contract suite does not ask of all."""

from pathlib import Path

import numpy as np
import pytest
from gimpformats.gimpXcfDocument import GimpDocument
from PIL import Image

from segrepro import phantoms
from segrepro.datasets import cvc_clinicdb, fracatlas, murphy, us_nerve
from segrepro.datasets._types import Case, Remark
from segrepro.datasets._xcf import flattened

NAMES = ("cvc_clinicdb", "fracatlas", "isic2018", "jsrt", "murphy", "us_nerve")
ORIENTATION = 274


def written(name: str, folder: Path, *, cases: int = 7, seed: int = 0) -> Path:
    phantoms.load(name).write(folder, cases=cases, seed=seed)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_equal_seeds_give_equal_bytes(name: str, tmp_path: Path) -> None:
    first = contents(written(name, tmp_path / "a", cases=3))
    assert contents(written(name, tmp_path / "b", cases=3)) == first


def test_fracatlas_stores_fractures_turned_both_ways_and_one_whole_bone(tmp_path: Path) -> None:
    raw = written("fracatlas", tmp_path)
    tags = {"Fractured": set[int](), "Non_fractured": set[int]()}
    for folder, found in tags.items():
        for path in (raw / "images" / folder).glob("*.jpg"):
            found.add(Image.open(path).getexif().get(ORIENTATION, 1))
    assert tags == {"Fractured": {1, 3, 8}, "Non_fractured": {1, 6}}


def test_fracatlas_has_two_broken_images_and_an_exact_copy(tmp_path: Path) -> None:
    listing = fracatlas.list_cases(written("fracatlas", tmp_path))
    broken = [
        result.path
        for result in map(fracatlas.read_case, listing.cases)
        if isinstance(result, Remark)
    ]
    assert [Path(path).stem for path in broken] == ["IMG0004027", "IMG0004028"]
    assert "one group" in listing.remarks[0].remark


def test_fractures_are_dark_gaps_in_bright_bone(tmp_path: Path) -> None:
    cases = list(fracatlas.iter_cases(written("fracatlas", tmp_path)))
    for case in (case for case in cases if case.mask.any()):
        assert 0.001 < case.mask.mean() < 0.02
        assert case.channels[0][case.mask == 1].mean() > case.channels[0].mean() + 20


def test_another_reader_sees_the_picture_of_a_murphy_xcf(tmp_path: Path) -> None:
    path = written("murphy", tmp_path, cases=1) / murphy.OUTLINES / "gnf/dna-0.xcf"
    document = GimpDocument(str(path))
    borders, background = (layer.image for layer in document._layers)
    theirs = background.convert("RGB")
    theirs.paste(borders.convert("RGB"), mask=borders.getchannel("A"))
    np.testing.assert_array_equal(flattened(path.read_bytes(), path), np.array(theirs))


def test_frames_of_a_cvc_sequence_are_near_copies(tmp_path: Path) -> None:
    cases = list(cvc_clinicdb.iter_cases(written("cvc_clinicdb", tmp_path)))
    blurred = [case.channels.reshape(3, 36, 8, 48, 8).mean(axis=(2, 4)) for case in cases]
    within = np.abs(blurred[0] - blurred[1]).mean()
    between = np.abs(blurred[0] - blurred[3]).mean()
    assert cases[0].group_id == cases[1].group_id != cases[3].group_id
    assert within < between / 2


def test_two_nerve_frames_look_alike_and_only_one_is_marked(tmp_path: Path) -> None:
    cases = {case.case_id: case for case in us_nerve.iter_cases(written("us_nerve", tmp_path))}
    marked, unmarked = cases["2_2"], cases["2_3"]
    assert marked.mask.any()
    assert not unmarked.mask.any()
    rest = cases["1_2"]
    alike, other = (grey_distance(marked, case) for case in (unmarked, rest))
    assert alike < other / 2


def grey_distance(one: Case, two: Case) -> float:
    """Return how far two frames are apart once their speckle is averaged away."""
    means = [case.channels[0].reshape(42, 10, 58, 10).mean(axis=(1, 3)) for case in (one, two)]
    return float(np.abs(means[0] - means[1]).mean())
