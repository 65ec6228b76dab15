"""Cut cases into the arrays of a slice store."""

import json
from collections.abc import Iterator, Mapping, Sequence
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
from segrepro.protocol.slicing import Slicing
from segrepro.protocol.stages import SliceStage
from segrepro.slices.cut import Item, NativeCase, cut_case, merged
from segrepro.slices.store import IMAGES, MASKS, TABLE


def write_slices(stage: SliceStage, *, cases: Path, out: Path) -> None:
    """Cut every case and write ``images.npy``, ``masks.npy`` and, last, ``slices.parquet``.

    Parameters
    ----------
    stage
        The slicing.
    cases
        Folder of converted cases (it holds ``cases.csv`` and ``dataset.json``).
    out
        Folder to write. Only one case at a time is held in memory.

    Raises
    ------
    UserError
        If cases are missing, changed, not alike in channels and type, or none of their slices is
        to be kept.
    """
    slicing = stage.slicing
    rows = read_cases(cases / "cases.csv")
    channels = _chosen_channels(cases / "dataset.json", slicing)
    (out / TABLE).unlink(missing_ok=True)
    with all_or_none(out / IMAGES, out / MASKS):
        records = []
        with (
            atomic_write(out / IMAGES) as image_file,
            atomic_write(out / MASKS) as mask_file,
        ):
            images, masks = _GrowingArray(image_file), _GrowingArray(mask_file)
            for row in progress(rows, total=len(rows), what=f"slice {slicing.name}"):
                for item in _items(cases, row, slicing, channels):
                    images.append(item.image, row.case_id)
                    masks.append(item.mask, row.case_id)
                    records.append(_record(row, item, _classes(row, slicing)))
            if not records:
                raise UserError(
                    "no case has a labelled pixel.", "Slice with `keep: all`, or mend the cases."
                )
            images.finish()
            masks.finish()
        write_bytes(out / TABLE, pd.DataFrame(records).to_parquet(index=False))


def _chosen_channels(description: Path, slicing: Slicing) -> list[int] | None:
    """Return the positions of the wanted channels; ``None`` means all."""
    if not slicing.channels:
        return None
    try:
        names = list(json.loads(description.read_bytes())["channel_names"].values())
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UserError(
            f"cannot read the channels of {description}.", "Run `segrepro convert` again."
        ) from error
    if unknown := [name for name in slicing.channels if name not in names]:
        raise UserError(
            f"slicing {slicing.name!r} wants the channel {unknown[0]!r}.",
            f"The data set has: {', '.join(names)}.",
        )
    return [names.index(name) for name in slicing.channels]


def _items(
    cases: Path, row: CaseRow, slicing: Slicing, channels: list[int] | None
) -> Iterator[Item]:
    if slicing.keep == "with_label" and not _has_label(row, slicing):
        return  # its files need not even be read
    loaded = load_case(cases, row)
    chosen = range(len(loaded.channels)) if channels is None else channels
    native = NativeCase(
        case_id=row.case_id,
        channels=[loaded.channels[channel] for channel in chosen],
        mask=merged(loaded.mask, list(row.pixels), slicing.merge),
        spacing_mm=row.spacing_mm,
        orientation=row.orientation,
    )
    yield from cut_case(native, slicing)


def _has_label(row: CaseRow, slicing: Slicing) -> bool:
    wanted = [name for names in slicing.merge.values() for name in names] or list(row.pixels)
    return any(row.pixels.get(name, 1) for name in wanted)


def _classes(row: CaseRow, slicing: Slicing) -> Sequence[str]:
    return list(slicing.merge or row.pixels)


class _GrowingArray:
    """An ``.npy`` file whose first axis grows; every entry is alike."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._count = 0
        self._first: tuple[tuple[int, ...], np.dtype[Any], str] | None = None

    def append(self, entry: NDArray[Any], case_id: str) -> None:
        if self._first is None:
            self._first = (entry.shape, entry.dtype, case_id)
            self._write_header()
        shape, dtype, first_id = self._first
        if (entry.shape, entry.dtype) != (shape, dtype):
            raise UserError(
                f"case {case_id!r} gives {entry.dtype} {entry.shape}, but {first_id!r} gives "
                f"{dtype} {shape}.",
                "All cases of a data set need the same channels; mend it and convert again.",
            )
        self._handle.write(np.ascontiguousarray(entry).tobytes())
        self._count += 1

    def finish(self) -> None:
        """Write how many entries there are."""
        self._handle.seek(0)
        self._write_header()

    def _write_header(self) -> None:
        if self._first is None:
            raise ValueError("there is no entry")
        shape, dtype, _ = self._first
        # numpy leaves room in the header for any length of the first axis.
        np.lib.format.write_array_header_1_0(
            self._handle,
            {
                "descr": np.lib.format.dtype_to_descr(dtype),
                "fortran_order": False,
                "shape": (self._count, *shape),
            },
        )


def _record(row: CaseRow, item: Item, classes: Sequence[str]) -> Mapping[str, object]:
    place = item.place
    counts = np.bincount(item.mask.ravel(), minlength=len(classes) + 1)[1:]
    is_slice = place.plane and item.mask.ndim == 2
    return (
        {
            "slice_id": f"{row.case_id}_{place.index:04d}" if is_slice else row.case_id,
            "case_id": row.case_id,
            "group_id": row.group_id,
        }
        | place.record()
        | {
            # Of the stored pixels: a distance measured on these arrays needs it.
            "row_spacing_mm": item.spacing_mm[-2],
            "column_spacing_mm": item.spacing_mm[-1],
            "slice_spacing_mm": item.spacing_mm[0] if item.mask.ndim == 3 else float("nan"),
        }
        | {f"{PIXELS}{name}": int(count) for name, count in zip(classes, counts, strict=True)}
    )
