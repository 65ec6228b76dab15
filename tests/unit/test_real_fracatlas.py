"""Published FracAtlas images, where a reader has them: 619 fractured ones and 26 others."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageOps

from segrepro.datasets import fracatlas
from segrepro.datasets._types import Case, Remark

ROOT = Path(__file__).parents[2]
RAW = Path(os.environ.get("SEGREPRO_REAL_DATA", ROOT / ".." / "shared" / "data")) / "fracatlas"
BROKEN = [4027, 4028, 4029, 4036, 4062, 4070]

pytestmark = [
    pytest.mark.real_images,
    pytest.mark.skipif(
        not RAW.is_dir(), reason="no fracatlas/ in SEGREPRO_REAL_DATA: the real images are absent"
    ),
]


@pytest.fixture(scope="module")
def results() -> list[Case | Remark]:
    return [fracatlas.read_case(found) for found in fracatlas.list_cases(RAW).cases]


def drawn(size: tuple[int, int], polygons: list[list[float]]) -> np.ndarray:
    """Return the pixels of which half or more lie inside, by Pillow on a grid four times finer."""
    fine = Image.new("1", (4 * size[0], 4 * size[1]))
    for flat in polygons:
        points = [(4 * x, 4 * y) for x, y in zip(flat[::2], flat[1::2], strict=True)]
        ImageDraw.Draw(fine).polygon(points, fill=1)
    shares = np.array(fine).reshape(size[1], 4, size[0], 4).mean(axis=(1, 3))
    return np.asarray(shares >= 0.5)


def test_every_fractured_image_agrees_with_its_polygons(results: list[Case | Remark]) -> None:
    coco = json.loads((RAW / fracatlas.COCO).read_text())
    polygons: dict[int, list[list[float]]] = {}
    for annotation in coco["annotations"]:
        polygons.setdefault(annotation["image_id"], []).extend(annotation["segmentation"])
    wanted = {image["file_name"][:-4]: (image, polygons[image["id"]]) for image in coco["images"]}
    overlaps = []
    for case in results:
        if isinstance(case, Case) and case.mask.any():
            image, outlines = wanted[case.case_id]
            assert case.mask.shape == (image["height"], image["width"])
            pillow = drawn((image["width"], image["height"]), outlines)
            overlaps.append((pillow & case.mask).sum() / (pillow | case.mask).sum())
    assert len(overlaps) == 619
    assert min(overlaps) > 0.8
    assert np.mean(overlaps) > 0.95


def test_six_of_the_images_are_broken(results: list[Case | Remark]) -> None:
    broken = [result.path for result in results if isinstance(result, Remark)]
    assert broken == [f"images/Non_fractured/IMG{number:07d}.jpg" for number in BROKEN]


def test_one_image_is_there_twice() -> None:
    groups = {found.path.stem: found.group_id for found in fracatlas.list_cases(RAW).cases}
    assert groups["IMG0002615"] == groups["IMG0001763"] == "IMG0001763"
    assert len(groups) == len(set(groups.values())) + 1


@pytest.mark.parametrize("name", ["IMG0002588", "IMG0002628"])
def test_the_rotated_images_are_read_upright(results: list[Case | Remark], name: str) -> None:
    case = next(case for case in results if isinstance(case, Case) and case.case_id == name)
    with Image.open(RAW / "images/Fractured" / f"{name}.jpg") as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("L"))
        assert not np.array_equal(np.asarray(image.convert("L")), upright)
    np.testing.assert_array_equal(case.channels[0], upright)


def test_the_official_split_has_574_82_and_61_images() -> None:
    subsets = list(fracatlas.official_split(RAW).values())
    assert [subsets.count(name) for name in ("train", "valid", "test")] == [574, 82, 61]
