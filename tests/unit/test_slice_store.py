"""The slice store."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from segrepro.cases.convert import COLUMNS, HASH_COLUMNS
from segrepro.cases.write import write_case
from segrepro.datasets._types import Case
from segrepro.errors import UserError
from segrepro.protocol.slicing import Slicing
from segrepro.protocol.stages import SliceStage
from segrepro.slices.store import SliceStore
from segrepro.slices.write import write_slices

HALF = SliceStage(slicing=Slicing(name="half", size=(2, 3)))


def write_cases(folder: Path, masks: dict[str, NDArray[np.uint8]]) -> Path:
    """Write 4 x 6 cases whose image is 10 times the mask."""
    lines = [",".join([*COLUMNS, "pixels_cell", "pixels_rim", *HASH_COLUMNS])]
    for case_id, mask in masks.items():
        case = Case(
            case_id=case_id,
            group_id=f"group-{case_id}",
            channels=10 * mask[np.newaxis],
            mask=mask,
            spacing_mm=(0.5, 0.5),
        )
        written = write_case(case, folder)
        counts = [str((mask == label).sum()) for label in (1, 2)]
        shape = "x".join(map(str, mask.shape))
        facts = [case_id, case.group_id, "", shape, "0.5x0.5", "", *counts]
        lines.append(",".join([*facts, *written.image_sha256, written.mask_sha256]))
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def cases(tmp_path: Path) -> Path:
    left = np.zeros((4, 6), np.uint8)
    left[:, :2] = 1
    right = np.zeros((4, 6), np.uint8)
    right[:, 4:] = 2
    return write_cases(tmp_path / "cases", {"b": left, "a": right, "c": 0 * left})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "slices"


def test_slices_stand_in_the_order_of_the_cases(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    store = SliceStore.open(out)
    assert store.table["slice_id"].tolist() == ["b", "a", "c"]
    assert store.images.shape == (3, 1, 2, 3)
    assert store.images.dtype == np.uint8
    np.testing.assert_array_equal(store.masks[0], [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(store.images[1, 0], [[0, 0, 20], [0, 0, 20]])


def test_the_arrays_are_memory_mapped(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    store = SliceStore.open(out)
    assert isinstance(store.images, np.memmap)
    assert isinstance(store.masks, np.memmap)


def test_the_table_tells_the_native_size_and_the_new_spacing(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    row = SliceStore.open(out).table.iloc[0]
    assert (row["native_rows"], row["native_columns"], row["index"]) == (4, 6, 0)
    # Half as many pixels on the same ground: each is twice as long.
    assert (row["row_spacing_mm"], row["column_spacing_mm"]) == (1.0, 1.0)


def test_the_classes_are_read_back_in_label_order(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    store = SliceStore.open(out)
    assert store.classes == ("cell", "rim")
    assert (store.label_of("cell"), store.label_of("rim")) == (1, 2)
    assert store.table["pixels_cell"].tolist() == [2, 0, 0]
    assert store.table["pixels_rim"].tolist() == [0, 2, 0]


def test_an_unknown_class_gets_the_list(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    with pytest.raises(UserError, match="membrane") as caught:
        SliceStore.open(out).label_of("membrane")
    assert "cell, rim" in caught.value.cure


def test_cases_are_found_in_the_order_asked_for(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    assert SliceStore.open(out).indices_of(["c", "b"]) == [2, 0]
    assert SliceStore.open(out).indices_of_slices(["a"]) == [1]


def test_a_case_of_other_data_is_named(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    with pytest.raises(UserError, match="'stranger'"):
        SliceStore.open(out).indices_of(["a", "stranger"])


def test_with_label_leaves_empty_cases_out(cases: Path, out: Path) -> None:
    slicing = Slicing(name="labelled", size=(2, 3), keep="with_label")
    write_slices(SliceStage(slicing=slicing), cases=cases, out=out)
    store = SliceStore.open(out)
    assert store.table["case_id"].tolist() == ["b", "a"]
    assert len(store.images) == len(store.masks) == 2


def test_slicing_twice_gives_the_same_bytes(cases: Path, out: Path) -> None:
    for folder in (out, out / "again"):
        write_slices(HALF, cases=cases, out=folder)
    for name in ("images.npy", "masks.npy", "slices.parquet"):
        assert (out / name).read_bytes() == (out / "again" / name).read_bytes()


def test_a_failure_leaves_no_table(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    (cases / "labelsTr" / "c.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"c\.png"):
        write_slices(HALF, cases=cases, out=out)
    assert not (out / "slices.parquet").exists()
    assert not list(out.glob(".*.tmp"))


def test_only_one_case_is_held_in_memory(tmp_path: Path, out: Path) -> None:
    side = 256
    masks = {f"c{n:02d}": np.zeros((side, side), np.uint8) for n in range(40)}
    cases = write_cases(tmp_path / "many", masks)
    same_size = SliceStage(slicing=Slicing(name="same", size=(side, side)))
    write_slices(same_size, cases=cases, out=out)  # imports and caches do not count
    tracemalloc.start()
    write_slices(same_size, cases=cases, out=out)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < len(masks) * side * side / 2


def test_a_picture_does_not_become_a_volume(cases: Path, out: Path) -> None:
    volume = SliceStage(slicing=Slicing(name="volume", size=(2, 2, 2)))
    with pytest.raises(UserError, match="is a picture"):
        write_slices(volume, cases=cases, out=out)


@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "slices.parquet"])
def test_a_missing_or_broken_file_is_named(cases: Path, out: Path, name: str) -> None:
    write_slices(HALF, cases=cases, out=out)
    (out / name).write_bytes(b"no array")
    with pytest.raises(UserError, match=rf"{name} is broken"):
        SliceStore.open(out)
    (out / name).unlink()
    with pytest.raises(UserError, match=rf"there is no .*{name}"):
        SliceStore.open(out)


def test_arrays_that_do_not_fit_the_table_are_refused(cases: Path, out: Path) -> None:
    write_slices(HALF, cases=cases, out=out)
    np.save(out / "masks.npy", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(UserError, match="3 images, 2 masks and 3 rows"):
        SliceStore.open(out)
