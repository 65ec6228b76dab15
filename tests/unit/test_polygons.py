"""COCO's and VGG's polygons, and what they fill."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segrepro.datasets._polygons import filled, read_coco, read_vgg
from segrepro.errors import UserError

PICTURE = Path("a.jpg")
SQUARE = (2.0, 1.0, 5.0, 1.0, 5.0, 3.0, 2.0, 3.0)


def coco(**changes: object) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "width": 8, "height": 6, "file_name": "a.jpg"}],
        "annotations": [
            {"id": 0, "iscrowd": 0, "image_id": 7, "category_id": 0, "segmentation": [[*SQUARE]]}
        ],
        "categories": [{"id": 0, "name": "fractured"}],
    } | changes


def written(tmp_path: Path, content: object) -> Path:
    path = tmp_path / "outlines.json"
    path.write_text(json.dumps(content))
    return path


def test_a_square_fills_the_pixels_inside_it() -> None:
    mask = filled([SQUARE], height=6, width=8, path=PICTURE)
    expected = np.zeros((6, 8))
    expected[1:3, 2:5] = 1
    np.testing.assert_array_equal(mask, expected)
    assert mask.dtype == np.uint8


def test_two_polygons_are_united_and_none_fills_nothing() -> None:
    other = tuple(value + 2 for value in SQUARE)
    both = filled([SQUARE, other], height=6, width=8, path=PICTURE)
    one, two = (filled([p], height=6, width=8, path=PICTURE) for p in (SQUARE, other))
    np.testing.assert_array_equal(both, one | two)
    assert not filled([], height=6, width=8, path=PICTURE).any()


def test_what_lies_outside_is_cut_off() -> None:
    mask = filled([(-3.0, 1.0, 2.0, 1.0, 2.0, 3.0, -3.0, 3.0)], height=6, width=8, path=PICTURE)
    assert np.argwhere(mask).tolist() == [[1, 0], [1, 1], [2, 0], [2, 1]]


def test_a_polygon_far_outside_is_refused() -> None:
    with pytest.raises(UserError, match=r"a\.jpg"):
        filled([(0.0, 0.0, 1e9, 0.0, 1e9, 1e9)], height=6, width=8, path=PICTURE)


def test_ids_of_0_are_ids(tmp_path: Path) -> None:
    outlined = read_coco(written(tmp_path, coco()), category="fractured")["a.jpg"]
    assert outlined.polygons == (SQUARE,)
    assert outlined.size == (8, 6)


def test_another_category_is_refused_by_name(tmp_path: Path) -> None:
    path = written(tmp_path, coco(categories=[{"id": 0, "name": "implant"}]))
    with pytest.raises(UserError, match="annotation 0 is 'implant'"):
        read_coco(path, category="fractured")


def test_an_annotation_of_no_image_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, coco(images=[]))
    with pytest.raises(UserError, match="annotation 0 belongs to no image"):
        read_coco(path, category="fractured")


def test_an_image_listed_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, coco(images=coco()["images"] * 2))
    with pytest.raises(UserError, match="twice"):
        read_coco(path, category="fractured")


@pytest.mark.parametrize("points", [[1, 2, 3, 4], [1, 2, 3, 4, 5, 6, 7]])
def test_too_few_or_unpaired_numbers_are_no_polygon(tmp_path: Path, points: list[int]) -> None:
    annotation = coco()["annotations"][0] | {"segmentation": [points]}
    with pytest.raises(UserError, match=f"{len(points)} numbers"):
        read_coco(written(tmp_path, coco(annotations=[annotation])), category="fractured")


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", '{"images": 3}', "[" * 100_000, '{"images": [', "\x00"]
)
def test_what_is_no_coco_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "outlines.json"
    path.write_text(text)
    for read in (read_coco, read_vgg):
        with pytest.raises(UserError, match=r"outlines\.json") as caught:
            read(path, category="fractured")
        assert len(caught.value.fact.splitlines()) == 1


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    annotation = coco()["annotations"][0] | {"segmentation": [[float("nan"), *SQUARE[1:]]]}
    with pytest.raises(UserError, match="finite"):
        read_coco(written(tmp_path, coco(annotations=[annotation])), category="fractured")


def vgg(**changes: object) -> dict[str, Any]:
    shape = {
        "name": "polygon",
        "all_points_x": [2, 5, 5, 2, 2],  # the first point is repeated at the end
        "all_points_y": [1, 1, 3, 3, 1],
    }
    region = {"shape_attributes": shape | changes, "region_attributes": {"label": "fractured"}}
    return {"a.jpg": {"filename": "a.jpg", "size": 1, "regions": {"0": region}}}


def test_vgg_and_coco_fill_the_same_pixels(tmp_path: Path) -> None:
    outlined = read_vgg(written(tmp_path, vgg()), category="fractured")["a.jpg"]
    np.testing.assert_array_equal(
        filled(outlined.polygons, height=6, width=8, path=PICTURE),
        filled([SQUARE], height=6, width=8, path=PICTURE),
    )


def test_a_vgg_region_that_is_no_polygon_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rect"):
        read_vgg(written(tmp_path, vgg(name="rect")), category="fractured")


def test_a_vgg_region_with_unpaired_points_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="as many x as y"):
        read_vgg(written(tmp_path, vgg(all_points_x=[1, 2])), category="fractured")
