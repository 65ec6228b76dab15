"""The slice store: all images of a data set at one size, in two arrays and a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segrepro.cases.read import PIXELS, CaseRow, load_case, read_cases
from segrepro.errors import UserError
from segrepro.files import atomic_write, write_bytes
from segrepro.progress import progress
from segrepro.protocol.data import Slicing
from segrepro.protocol.stages import SliceStage
from segrepro.slices.arrays import resize_image, resize_mask

IMAGES, MASKS, TABLE = "images.npy", "masks.npy", "slices.parquet"


def write_slices(stage: SliceStage, *, cases: Path, out: Path) -> None:
    """Resize every case and write ``images.npy``, ``masks.npy`` and, last, ``slices.parquet``.

    Parameters
    ----------
    stage
        The slicing. ``keep: with_label`` leaves out cases whose native mask is empty.
    cases
        Folder of converted cases (it holds ``cases.csv``).
    out
        Folder to write. Only one case at a time is held in memory.

    Raises
    ------
    UserError
        If cases are missing, changed, volumes, or not alike in channels and type.
    """
    slicing = stage.slicing
    size = _flat(slicing.size, f"slicing {slicing.name!r}")
    rows = _kept(read_cases(cases / "cases.csv"), slicing)
    (out / TABLE).unlink(missing_ok=True)
    first, _ = load_case(cases, rows[0])
    shape = (len(rows), len(first), *size)
    records = []
    with atomic_write(out / IMAGES) as images, atomic_write(out / MASKS) as masks:
        _write_header(images, shape, first.dtype)
        _write_header(masks, (len(rows), *size), np.dtype(np.uint8))
        for row in progress(rows, total=len(rows), what=f"slice {slicing.name}"):
            channels, mask = load_case(cases, row)
            if (len(channels), channels.dtype) != (len(first), first.dtype):
                raise UserError(
                    f"case {row.case_id!r} has {len(channels)} {channels.dtype} channel(s), but "
                    f"{rows[0].case_id!r} has {len(first)} {first.dtype}.",
                    "All cases of a data set need the same channels; mend it and convert again.",
                )
            for channel in channels:
                images.write(resize_image(channel, size, slicing.image_resize).tobytes())
            small = resize_mask(mask, size, slicing.mask_resize)
            masks.write(small.tobytes())
            records.append(_record(row, small))
    write_bytes(out / TABLE, pd.DataFrame(records).to_parquet(index=False))


def _flat(lengths: tuple[int, ...], whose: str) -> tuple[int, int]:
    if len(lengths) != 2:
        raise UserError(
            f"{whose} has {len(lengths)} axes: {lengths}.", "Only flat images are sliced so far."
        )
    return lengths[0], lengths[1]


def _kept(rows: list[CaseRow], slicing: Slicing) -> list[CaseRow]:
    if slicing.keep == "all":
        return rows
    kept = [row for row in rows if sum(row.pixels.values()) > 0]
    if not kept:
        raise UserError("no case has a labelled pixel.", "Slice with `keep: all`, or mend cases.")
    return kept


def _write_header(handle: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    descr = np.lib.format.dtype_to_descr(dtype)
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(handle, header)


def _record(row: CaseRow, mask: NDArray[np.uint8]) -> dict[str, object]:
    native_rows, native_columns = _flat(row.shape, f"case {row.case_id!r}")
    counts = np.bincount(mask.ravel(), minlength=len(row.pixels) + 1)[1:]
    return {
        "slice_id": row.case_id,
        "case_id": row.case_id,
        "group_id": row.group_id,
        "index": 0,
        "native_rows": native_rows,
        "native_columns": native_columns,
        # Of the resized pixels: a distance measured on these arrays needs it.
        "row_spacing_mm": row.spacing_mm[0] * native_rows / mask.shape[0],
        "column_spacing_mm": row.spacing_mm[1] * native_columns / mask.shape[1],
    } | {f"{PIXELS}{name}": int(count) for name, count in zip(row.pixels, counts, strict=True)}


@dataclass(frozen=True)
class SliceStore:
    """What `write_slices` wrote, opened for reading; the arrays stay on disk."""

    images: NDArray[Any]
    """Shape (N, C, H, W), in the stored type; memory-mapped."""
    masks: NDArray[np.uint8]
    """Shape (N, H, W), labels 0 to K; memory-mapped."""
    table: pd.DataFrame
    """One row per slice, in the order of the arrays."""
    classes: tuple[str, ...]
    """Foreground classes, in label order."""

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open the store in a folder.

        Raises
        ------
        UserError
            If a file is missing, broken or does not fit the others.
        """
        table = read_table(folder / TABLE)
        images, masks = _memory_map(folder / IMAGES), _memory_map(folder / MASKS)
        if not len(images) == len(masks) == len(table):
            raise UserError(
                f"{folder} holds {len(images)} images, {len(masks)} masks and {len(table)} rows.",
                "Run `segrepro slice` again.",
            )
        return cls(images, masks, table, _classes(table))

    def label_of(self, class_name: str) -> int:
        """Return the label of a class in the masks."""
        if class_name not in self.classes:
            raise UserError(
                f"the slices have no class {class_name!r}.",
                f"They have: {', '.join(self.classes)}.",
            )
        return self.classes.index(class_name) + 1

    def indices_of(self, case_ids: Iterable[str]) -> list[int]:
        """Return the positions of all slices of these cases, case by case in the given order."""
        positions: dict[str, list[int]] = {}
        for position, case_id in enumerate(self.table["case_id"]):
            positions.setdefault(case_id, []).append(position)
        return _joined(positions, case_ids, "case")

    def indices_of_slices(self, slice_ids: Iterable[str]) -> list[int]:
        """Return the positions of these slices, in the given order."""
        positions = {name: [place] for place, name in enumerate(self.table["slice_id"])}
        return _joined(positions, slice_ids, "slice")


def _joined(positions: dict[str, list[int]], names: Iterable[str], kind: str) -> list[int]:
    wanted = list(names)
    if absent := [name for name in wanted if name not in positions]:
        raise UserError(
            f"{len(absent)} {kind}(s) are not among the slices, such as {absent[0]!r}.",
            "The split or the predictions are of other data: make them again.",
        )
    return [place for name in wanted for place in positions[name]]


def read_table(path: Path) -> pd.DataFrame:
    """Return the rows of a ``slices.parquet``."""
    try:
        return pd.read_parquet(path)
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}.", "Run `segrepro slice` first.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is broken: {error}.", "Run `segrepro slice` again.") from error


def _classes(table: pd.DataFrame) -> tuple[str, ...]:
    named = (str(column) for column in table.columns)
    return tuple(name.removeprefix(PIXELS) for name in named if name.startswith(PIXELS))


def _memory_map(path: Path) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}.", "Run `segrepro slice` first.") from error
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is broken: {error}.", "Run `segrepro slice` again.") from error
    return array
