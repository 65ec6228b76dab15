"""The Murphy-lab reader, on images small enough to write by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets import murphy
from segrepro.datasets._types import Case
from segrepro.errors import UserError
from segrepro.phantoms._xcf import encode_xcf

SHAPE = (20, 40)


def drawn() -> np.ndarray:
    """Return a grey picture with two red squares that share a side: 8 x 8 pixels inside each."""
    picture = np.full((*SHAPE, 3), 60, dtype=np.uint8)
    red = (255, 0, 0)
    picture[[5, 14], 5:24] = red
    for column in (5, 14, 23):
        picture[5:15, column] = red
    return picture


def label_image() -> np.ndarray:
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[6:14, 6:14] = 1
    labels[6:14, 15:23] = 2
    return labels


def write(
    raw: Path,
    name: str = "gnf/dna-0",
    *,
    label: np.ndarray | None = None,
    xcf: np.ndarray | None = None,
) -> Path:
    image = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    for folder in (murphy.IMAGES, murphy.LABELS, murphy.OUTLINES):
        (raw / folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).convert("RGB").save(raw / murphy.IMAGES / f"{name}.png")
    if label is not None:
        Image.fromarray(label).save(raw / murphy.LABELS / f"{name}.png")
    if xcf is not None:
        content = encode_xcf([("Background", xcf)])
        (raw / murphy.OUTLINES / f"{name}.xcf").write_bytes(content)
    return raw


def read(raw: Path) -> list[Case]:
    return list(murphy.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


def test_inside_two_outlines_that_touch_are_two_nuclei() -> None:
    np.testing.assert_array_equal(murphy.nuclei(drawn()), label_image())


def test_the_largest_piece_is_background_wherever_it_lies() -> None:
    outside_is_small = np.full((20, 20, 3), 60, dtype=np.uint8)
    outside_is_small[:, 3] = (255, 0, 0)
    labels = murphy.nuclei(outside_is_small)
    assert (labels[:, :3] == 1).all()
    assert not labels[:, 3:].any()


@pytest.mark.parametrize(("rows", "nuclei"), [(7, 0), (8, 1)])
def test_fewer_than_32_pixels_are_no_nucleus(rows: int, nuclei: int) -> None:
    picture = np.zeros((40, 40, 3), dtype=np.uint8)
    picture[4 : 6 + rows, 4:10] = (255, 0, 0)
    picture[5 : 5 + rows, 5:9] = 0  # 28 or 32 pixels
    assert murphy.nuclei(picture).max() == nuclei


def test_pieces_that_touch_at_a_corner_are_two() -> None:
    picture = np.zeros((40, 40, 3), dtype=np.uint8)
    picture[4:22, 4:22] = (255, 0, 0)
    picture[5:12, 5:12] = picture[12:19, 12:19] = 0
    assert murphy.nuclei(picture).max() == 2


def test_every_label_above_0_is_nucleus(tmp_path: Path) -> None:
    (case,) = read(write(tmp_path, label=label_image()))
    np.testing.assert_array_equal(case.mask, label_image() > 0)


def test_label_image_and_xcf_alone_give_the_same_mask(tmp_path: Path) -> None:
    (from_label,) = read(write(tmp_path / "a", label=label_image()))
    (from_xcf,) = read(write(tmp_path / "b", xcf=drawn()))
    np.testing.assert_array_equal(from_label.mask, from_xcf.mask)


def test_an_xcf_that_gives_another_mask_than_the_label_image_is_refused(tmp_path: Path) -> None:
    label = label_image()
    label[6, 6] = 0
    fact = refusal(write(tmp_path, label=label, xcf=drawn()))
    assert "dna-0.xcf" in fact
    assert "in 1 pixels" in fact


def test_how_many_masks_are_compared_is_remarked(tmp_path: Path) -> None:
    raw = write(tmp_path, label=label_image(), xcf=drawn())
    (remark,) = murphy.list_cases(raw).remarks
    assert remark.remark.startswith("1 xcf files are compared")


def test_images_that_the_publisher_has_no_mask_for_are_left_out_with_a_remark(
    tmp_path: Path,
) -> None:
    raw = write(write(tmp_path, label=label_image()), "gnf/dna-31")
    assert [case.case_id for case in read(raw)] == ["gnf-dna-0"]
    (remark,) = murphy.list_cases(raw).remarks
    assert remark.path == f"{murphy.IMAGES}/gnf/dna-31.png"
    assert "left out because" in remark.remark


def test_any_other_image_without_a_mask_is_refused(tmp_path: Path) -> None:
    raw = write(write(tmp_path, label=label_image()), "gnf/dna-7")
    assert "dna-7.png has no label image and no xcf" in refusal(raw)


def test_a_mask_without_an_image_is_refused(tmp_path: Path) -> None:
    raw = write(write(tmp_path, label=label_image()), "ic100/dna-1", label=label_image())
    (raw / murphy.IMAGES / "ic100/dna-1.png").unlink()
    assert "ic100/dna-1.png has no image" in refusal(raw)


def test_numbers_are_sorted_as_numbers_and_the_site_is_the_cell_line(tmp_path: Path) -> None:
    for name in ("ic100/dna-2", "gnf/dna-10", "gnf/dna-9"):
        write(tmp_path, name, label=label_image())
    cases = read(tmp_path)
    assert [case.case_id for case in cases] == ["gnf-dna-9", "gnf-dna-10", "ic100-dna-2"]
    assert [case.site for case in cases] == ["gnf", "gnf", "ic100"]


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    assert "(20, 39)" in refusal(write(tmp_path, label=label_image()[:, :-1]))


def test_a_colour_image_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path, label=label_image())
    Image.new("RGB", SHAPE[::-1], (9, 0, 0)).save(raw / murphy.IMAGES / "gnf/dna-0.png")
    assert "colour" in refusal(raw)


def test_a_third_cell_line_is_not_read(tmp_path: Path) -> None:
    raw = write(write(tmp_path, label=label_image()), "ksr/dna-0")
    assert len(read(raw)) == 1


def test_a_name_without_a_number_is_refused(tmp_path: Path) -> None:
    assert "dna-a.png" in refusal(write(tmp_path, "gnf/dna-a", label=label_image()))


def test_githubs_archive_is_read_as_well(tmp_path: Path) -> None:
    write(tmp_path / murphy.ARCHIVE, label=label_image())
    assert len(read(tmp_path)) == 1


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert murphy.IMAGES in caught.value.fact
    assert "https://" in caught.value.cure
