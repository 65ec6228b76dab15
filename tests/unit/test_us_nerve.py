"""The reader of Kaggle's nerve images, on frames small enough to write by hand."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segrepro.datasets import us_nerve
from segrepro.datasets._types import Case
from segrepro.errors import UserError

WIDTH, HEIGHT = 6, 4
RUNS = "6 2 10 2"
"""Rows 1 and 2 of columns 1 and 2."""
FRAMES = {(1, 1): RUNS, (1, 2): "", (2, 1): RUNS, (10, 1): ""}


def nerve() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[1:3, 1:3] = 255
    return mask


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compression="tiff_lzw")


def write(raw: Path, *, masks: bool = True, table: bool = True) -> Path:
    for (subject, number), runs in FRAMES.items():
        grey = np.full((HEIGHT, WIDTH), 10 * subject + number, dtype=np.uint8)
        save(raw / "train" / f"{subject}_{number}.tif", grey)
        if masks:
            mask = nerve() if runs else np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
            save(raw / "train" / f"{subject}_{number}_mask.tif", mask)
    if table:
        write_table(raw, FRAMES)
    return raw


def write_table(raw: Path, frames: dict[tuple[int, int], str]) -> None:
    rows = [f"{subject},{number},{runs}" for (subject, number), runs in frames.items()]
    (raw / "train_masks.csv").write_text("\n".join(["subject,img,pixels", *rows]) + "\n")


def read(raw: Path) -> list[Case]:
    return list(us_nerve.iter_cases(raw))


def refusal(raw: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(raw)
    assert caught.value.cure
    return caught.value.fact


@pytest.mark.parametrize(("masks", "table"), [(True, True), (True, False), (False, True)])
def test_tif_masks_and_runs_give_the_same_cases(tmp_path: Path, masks: bool, table: bool) -> None:
    cases = read(write(tmp_path, masks=masks, table=table))
    np.testing.assert_array_equal(cases[0].mask, nerve() // 255)
    assert [bool(case.mask.any()) for case in cases] == [True, False, True, False]


def test_masks_are_not_images_and_numbers_are_sorted_as_numbers(tmp_path: Path) -> None:
    cases = read(write(tmp_path))
    assert [case.case_id for case in cases] == ["1_1", "1_2", "2_1", "10_1"]
    assert [case.channels[0, 0, 0] for case in cases] == [11, 12, 21, 101]


def test_frames_of_a_subject_are_a_group(tmp_path: Path) -> None:
    groups = [case.group_id for case in read(write(tmp_path))]
    assert groups == ["subject01", "subject01", "subject02", "subject10"]


def test_test_images_are_not_read(tmp_path: Path) -> None:
    raw = write(tmp_path)
    save(raw / "test" / "1.tif", nerve())
    assert len(read(raw)) == 4


def test_a_row_that_differs_from_its_mask_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    write_table(raw, FRAMES | {(2, 1): "6 2 10 1"})
    fact = refusal(raw)
    assert "train_masks.csv, line 4 differs" in fact
    assert "in 1 pixels" in fact


def test_runs_read_along_the_rows_are_noticed(tmp_path: Path) -> None:
    raw = write(tmp_path)
    write_table(raw, dict.fromkeys(FRAMES, "8 2 14 2") | {(1, 2): "", (10, 1): ""})
    assert "line 2 differs" in refusal(raw)


@pytest.mark.parametrize("runs", ["25 1", "1 2 3", "x y"])
def test_runs_that_do_not_fit_are_named_by_their_line(tmp_path: Path, runs: str) -> None:
    raw = write(tmp_path, masks=False)
    write_table(raw, FRAMES | {(1, 1): runs})
    assert "train_masks.csv, line 2:" in refusal(raw)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "subject,img,pixels\n",
        "subject,img\n1,1\n",
        "subject,img,pixels\n1,1\n",
        "subject,img,pixels\n1,one,\n",
        "subject,img,pixels\n1,1," + "1 " * 100_000,
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    raw = write(tmp_path)
    (raw / "train_masks.csv").write_text(text)
    assert "train_masks.csv" in refusal(raw)


def test_an_image_in_two_rows_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    table = raw / "train_masks.csv"
    table.write_text(table.read_text() + "1,1,\n")
    assert "1_1 comes twice" in refusal(raw)


def test_a_row_without_an_image_and_an_image_without_a_row_are_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    write_table(raw, FRAMES | {(3, 1): ""})
    assert "has no image 3_1.tif" in refusal(raw)
    write_table(raw, {key: runs for key, runs in FRAMES.items() if key != (2, 1)})
    assert "2_1.tif has no row" in refusal(raw)


def test_an_image_without_a_mask_and_a_mask_without_an_image_are_named(tmp_path: Path) -> None:
    raw = write(tmp_path, table=False)
    (raw / "train" / "1_2_mask.tif").unlink()
    assert "1_2.tif has no mask" in refusal(raw)
    (raw / "train" / "2_1.tif").unlink()
    assert "2_1_mask.tif has no image" in refusal(raw)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    save(raw / "train" / "1_1_mask.tif", nerve().T)
    assert "(6, 4)" in refusal(raw)


def test_a_blended_mask_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    save(raw / "train" / "1_1_mask.tif", nerve() // 2)
    assert "1_1_mask.tif is no mask" in refusal(raw)


def test_a_truncated_tif_is_named(tmp_path: Path) -> None:
    raw = write(tmp_path)
    path = raw / "train" / "2_1.tif"
    path.write_bytes(path.read_bytes()[:-30])
    assert str(path) in refusal(raw)


def test_another_name_is_refused(tmp_path: Path) -> None:
    raw = write(tmp_path)
    save(raw / "train" / "copy.tif", nerve())
    assert "copy.tif" in refusal(raw)


def test_a_folder_without_images_says_what_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path)
    assert "train_masks.csv" in caught.value.fact
    assert "https://" in caught.value.cure
