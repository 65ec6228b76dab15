"""Cut cases into the arrays of a slice store."""

from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segrepro.cases.columns import PIXELS
from segrepro.cases.read import CaseRow, load_case, read_cases
from segrepro.errors import UserError
from segrepro.files import all_or_none, atomic_write, write_bytes
from segrepro.progress import progress
from segrepro.protocol.data import Slicing
from segrepro.protocol.stages import SliceStage
from segrepro.slices.arrays import resize_image, resize_mask
from segrepro.slices.store import IMAGES, MASKS, TABLE


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
    rows = _kept(read_cases(cases / "cases.csv"), slicing)
    (out / TABLE).unlink(missing_ok=True)
    first, _ = load_case(cases, rows[0])
    with all_or_none(out / IMAGES, out / MASKS):
        records = _write_arrays(rows, slicing, first, cases=cases, out=out)
        write_bytes(out / TABLE, pd.DataFrame(records).to_parquet(index=False))


def _write_arrays(
    rows: list[CaseRow], slicing: Slicing, first: NDArray[Any], *, cases: Path, out: Path
) -> list[dict[str, object]]:
    """Write images and masks page by page; return the rows of the table."""
    size = _flat(slicing.size, f"slicing {slicing.name!r}")
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
    return records


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
