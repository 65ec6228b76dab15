"""The FracAtlas reader, on radiographs small enough to write by hand."""

import io
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets import fracatlas
from segrepro.datasets._types import Case, Remark
from segrepro.errors import UserError

WIDTH, HEIGHT = 48, 32
BOX = [32, 8, 40, 8, 40, 16, 32, 16]
"""x, y, ... of the bright square."""


def radiograph(
    *, orientation: int = 1, mode: str = "L", size: tuple[int, int] = (WIDTH, HEIGHT)
) -> bytes:
    """Return a JPEG whose picture, once upright, has a bright square at `BOX`."""
    grey = np.full(size[::-1], 30, dtype=np.uint8)
    grey[8:16, 32:40] = 240
    turns = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(np.rot90(grey, turns))).convert(mode)
    picture.save(buffer, "JPEG", quality=95, exif=exif)
    return buffer.getvalue()


def write(
    raw: Path,
    fractured: dict[str, bytes],
    others: dict[str, bytes] | None = None,
    **changes: object,
) -> Path:
    for folder, images in (("Fractured", fractured), ("Non_fractured", others or {})):
        (raw / "images" / folder).mkdir(parents=True, exist_ok=True)
        for name, content in images.items():
            (raw / "images" / folder / f"{name}.jpg").write_bytes(content)
    names = list(fractured)
    coco = {
        "images": [
            {"id": number, "width": WIDTH, "height": HEIGHT, "file_name": f"{name}.jpg"}
            for number, name in enumerate(names)
        ],
        "annotations": [
            {"id": number, "image_id": number, "category_id": 0, "segmentation": [BOX]}
            for number in range(len(names))
        ],
        "categories": [{"id": 0, "name": "fractured"}],
    } | changes
    path = raw / fracatlas.COCO
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(coco))
    return raw


def read(raw: Path) -> list[Case]:
    return list(fracatlas.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def remarks(raw: Path) -> list[Remark]:
    listing = fracatlas.list_cases(raw)
    results = [fracatlas.read_case(found) for found in listing.cases]
    return [*listing.remarks, *(result for result in results if isinstance(result, Remark))]


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_the_mask_lies_on_the_fracture_however_the_picture_is_stored(
    tmp_path: Path, orientation: int
) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph(orientation=orientation)})
    (case,) = read(raw)
    assert case.channels.shape == (1, HEIGHT, WIDTH)
    np.testing.assert_array_equal(case.mask == 1, case.channels[0] > 135)


def test_annotation_0_of_category_0_is_a_fracture(tmp_path: Path) -> None:
    (case,) = read(write(tmp_path, {"IMG0000001": radiograph()}))
    assert case.mask.sum() == 8 * 8


def test_an_image_without_a_fracture_has_an_empty_mask(tmp_path: Path) -> None:
    raw = write(tmp_path, {"IMG0000002": radiograph()}, {"IMG0000001": radiograph(mode="RGB")})
    assert [case.mask.any() for case in read(raw)] == [False, True]


def test_exact_copies_are_one_group_named_by_the_first_and_are_remarked(tmp_path: Path) -> None:
    same, other = radiograph(), radiograph(mode="RGB")
    raw = write(tmp_path, {"IMG0000002": same, "IMG0000009": same, "IMG0000005": other})
    groups = {case.case_id: case.group_id for case in read(raw)}
    assert groups["IMG0000009"] == groups["IMG0000002"] == "IMG0000002"
    assert groups["IMG0000005"] == "IMG0000005"
    assert [remark.path for remark in remarks(raw)] == ["images/Fractured/IMG0000002.jpg"]
    assert "IMG0000009" in remarks(raw)[0].remark


@pytest.mark.parametrize("content", [radiograph()[:-200], radiograph() + bytes(600)])
def test_a_broken_image_without_a_fracture_is_left_out_with_a_remark(
    tmp_path: Path, content: bytes
) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph()}, {"IMG0004027": content})
    assert [case.case_id for case in read(raw)] == ["IMG0000001"]
    (remark,) = remarks(raw)
    assert remark.path == "images/Non_fractured/IMG0004027.jpg"
    assert "left out because" in remark.remark
    assert str(tmp_path) not in remark.remark


def test_a_broken_image_with_a_fracture_is_refused(tmp_path: Path) -> None:
    assert "IMG0000001.jpg" in refusal(write(tmp_path, {"IMG0000001": radiograph()[:-200]}))


def test_an_image_in_both_folders_is_fractured(tmp_path: Path) -> None:
    same = radiograph()
    raw = write(tmp_path, {"IMG0003375": same}, {"IMG0003375": same})
    (case,) = read(raw)
    assert case.mask.any()
    assert [remark.path for remark in remarks(raw)] == ["images/Non_fractured/IMG0003375.jpg"]


def test_outlines_of_absent_images_are_counted_in_a_remark(tmp_path: Path) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph(), "IMG0000002": radiograph(mode="RGB")})
    (raw / "images/Fractured/IMG0000002.jpg").unlink()
    (remark,) = remarks(raw)
    assert remark.remark == "1 of the 2 outlined images are absent, such as IMG0000002"


def test_coco_is_read_where_vgg_says_otherwise_and_vgg_where_coco_is_absent(
    tmp_path: Path,
) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph()})
    shape = {"name": "polygon", "all_points_x": [0, 4, 4, 0], "all_points_y": [0, 0, 4, 4]}
    region = {"shape_attributes": shape, "region_attributes": {"label": "fractured"}}
    (raw / fracatlas.VGG).parent.mkdir(parents=True)
    (raw / fracatlas.VGG).write_text(
        json.dumps({"IMG0000001.jpg": {"filename": "IMG0000001.jpg", "regions": {"0": region}}})
    )
    assert read(raw)[0].mask.sum() == 64
    (raw / fracatlas.COCO).unlink()
    assert read(raw)[0].mask.sum() == 16


def test_the_folder_of_the_archive_is_read_as_well(tmp_path: Path) -> None:
    write(tmp_path / "FracAtlas", {"IMG0000001": radiograph()})
    assert (
        fracatlas.list_cases(tmp_path).cases[0].name == "FracAtlas/images/Fractured/IMG0000001.jpg"
    )


def test_an_image_of_another_size_than_its_outline_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph(size=(64, 32))})
    assert "(64, 32)" in refusal(raw)


def test_a_colour_photograph_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (200, 20, 20)).save(buffer, "JPEG")
    assert "colour" in refusal(write(tmp_path, {"IMG0000001": buffer.getvalue()}))


def test_a_fractured_image_without_an_outline_is_refused(tmp_path: Path) -> None:
    fact = refusal(write(tmp_path, {"IMG0000001": radiograph()}, images=[], annotations=[]))
    assert "IMG0000001.jpg has no outline" in fact


def test_outlines_of_an_image_that_is_not_fractured_are_refused(tmp_path: Path) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph(), "IMG0000002": radiograph()})
    stray = raw / "images/Fractured/IMG0000002.jpg"
    stray.rename(raw / "images/Non_fractured/IMG0000002.jpg")
    assert "not fractured" in refusal(raw)


def test_a_name_that_is_no_image_number_is_refused(tmp_path: Path) -> None:
    assert "copy of.jpg" in refusal(write(tmp_path, {"copy of": radiograph()}))


def test_hidden_files_are_not_images(tmp_path: Path) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph()})
    (raw / "images/Fractured/._IMG0000001.jpg").write_bytes(b"macOS")
    assert len(read(raw)) == 1


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert fracatlas.COCO in caught.value.fact
    assert "https://" in caught.value.cure


def test_what_was_found_can_be_sent_to_another_process(tmp_path: Path) -> None:
    raw = write(tmp_path, {"IMG0000001": radiograph()})
    (found,) = fracatlas.list_cases(raw).cases
    assert pickle.loads(pickle.dumps(found)) == found  # noqa: S301 - our own bytes


def write_split(raw: Path, **subsets: str) -> Path:
    folder = raw / "Utilities/Fracture Split"
    folder.mkdir(parents=True)
    for subset in ("train", "valid", "test"):
        (folder / f"{subset}.csv").write_text(f"image_id\n{subsets.get(subset, '')}")
    return raw


def test_the_official_split_says_where_a_case_belongs(tmp_path: Path) -> None:
    raw = write_split(tmp_path, train="IMG0000019.jpg\nIMG0000025.jpg\n", test="IMG0003297.jpg\n")
    assert fracatlas.official_split(raw) == {
        "IMG0000019": "train",
        "IMG0000025": "train",
        "IMG0003297": "test",
    }


def test_a_case_in_two_parts_of_the_official_split_is_refused(tmp_path: Path) -> None:
    raw = write_split(tmp_path, train="IMG0000019.jpg\n", valid="IMG0000019.jpg\n")
    with pytest.raises(UserError, match="IMG0000019 is also in train"):
        fracatlas.official_split(raw)


def test_an_absent_official_split_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"train\.csv"):
        fracatlas.official_split(tmp_path)
