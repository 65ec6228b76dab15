"""Cut one case into the items of a slice store; pure functions of arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from segrepro.errors import UserError
from segrepro.protocol.slicing import Slicing
from segrepro.slices.arrays import as_type, resize_image, resize_mask
from segrepro.slices.choose import Box, crop_box, cut, kept_slices
from segrepro.slices.intensity import Mapped, dtype_after, mapping
from segrepro.slices.place import Place
from segrepro.slices.planes import file_index, shown_spacing, to_plane


@dataclass(frozen=True, kw_only=True)
class NativeCase:
    """A case on its native grid, with the channels that the slicing wants."""

    case_id: str
    channels: Sequence[NDArray[Any]]
    """Each of the shape of `mask`."""
    mask: NDArray[np.uint8]
    """Shape (H, W) or (I, J, K)."""
    spacing_mm: tuple[float, ...]
    orientation: str
    """``LPS`` and the like; empty for a picture."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One entry of a slice store."""

    image: NDArray[Any]
    """Shape (C, h, w) or (C, d, h, w)."""
    mask: NDArray[np.uint8]
    place: Place
    spacing_mm: tuple[float, ...]
    """Between the stored pixels, one length per axis of `mask`."""


def merged(
    mask: NDArray[np.uint8], classes: Sequence[str], merge: Mapping[str, Sequence[str]]
) -> NDArray[np.uint8]:
    """Return a mask of the new classes, in the order of `merge`; the same mask if there are none.

    Raises
    ------
    UserError
        If a class is unknown.
    """
    if not merge:
        return mask
    table = np.zeros(len(classes) + 1, dtype=np.uint8)
    for new, names in enumerate(merge.values(), start=1):
        for name in names:
            if name not in classes:
                raise UserError(
                    f"merge names the class {name!r}.", f"The data set has: {', '.join(classes)}."
                )
            table[classes.index(name) + 1] = new
    return table[mask]


def cut_case(case: NativeCase, slicing: Slicing) -> Iterator[Item]:
    """Yield the items of a case, in the order in which its slices are shown.

    Parameters
    ----------
    case
        The case; its mask has the classes of the slicing.
    slicing
        All of its words but ``channels`` and ``merge``.

    Raises
    ------
    UserError
        If a picture is to become a volume, or to be stacked with its neighbours.
    """
    is_picture = case.mask.ndim == 2
    if is_picture and (len(slicing.size) == 3 or slicing.neighbours != (0,)):
        raise UserError(
            f"case {case.case_id!r} is a picture; slicing {slicing.name!r} is for volumes.",
            "Give `size` two lengths, and no `neighbours`.",
        )
    maps = [mapping(slicing.intensity, channel) for channel in case.channels]
    shown = _Shown(
        channels=[_slices(channel, case, slicing) for channel in case.channels],
        mask=_slices(case.mask, case, slicing),
        maps=maps,
        dtype=dtype_after(slicing.intensity, case.channels[0].dtype),
    )
    if len(slicing.size) == 3:
        yield _whole(case, shown, slicing)
        return
    labelled = np.count_nonzero(shown.mask, axis=(1, 2))
    for position in kept_slices(labelled, slicing, case_id=case.case_id):
        yield _slice(case, shown, slicing, position)


@dataclass(frozen=True)
class _Shown:
    """A case as slices, rows and columns."""

    channels: list[NDArray[Any]]
    mask: NDArray[np.uint8]
    maps: list[Mapped | None]
    dtype: np.dtype[Any]

    def plane(self, channel: int, position: int) -> NDArray[Any]:
        """Return a slice of a channel, mapped; 0 beyond the ends."""
        if not 0 <= position < len(self.mask):
            return np.zeros(self.mask.shape[1:], dtype=self.dtype)
        return self.mapped(channel, self.channels[channel][position])

    def mapped(self, channel: int, values: NDArray[Any]) -> NDArray[Any]:
        how = self.maps[channel]
        return values if how is None else how(values)


def _slices(array: NDArray[Any], case: NativeCase, slicing: Slicing) -> NDArray[Any]:
    if array.ndim == 2:
        return array[np.newaxis]
    return to_plane(array, case.orientation, slicing.plane)


def _slice(case: NativeCase, shown: _Shown, slicing: Slicing, position: int) -> Item:
    box = crop_box(shown.mask[position], slicing.crop)
    rows, columns = (side - 2 * slicing.pad for side in slicing.size)
    planes = [
        as_type(
            resize_image(
                cut(shown.plane(channel, position + step), box),
                (rows, columns),
                slicing.image_resize,
            ),
            shown.dtype,
        )
        for channel in range(len(shown.channels))
        for step in slicing.neighbours
    ]
    mask = resize_mask(
        np.asarray(cut(shown.mask[position], box)),
        (rows, columns),
        slicing.mask_resize,
        threshold=slicing.mask_threshold,
    )
    place = _place(case, shown, slicing, position, box)
    row_mm, column_mm = _spacing(case, slicing)[-2:]
    return Item(
        image=np.stack([np.pad(plane, slicing.pad) for plane in planes]),
        mask=np.pad(mask, slicing.pad),
        place=place,
        spacing_mm=(row_mm * box.rows / rows, column_mm * box.columns / columns),
    )


def _whole(case: NativeCase, shown: _Shown, slicing: Slicing) -> Item:
    size = slicing.size
    volumes = [
        as_type(
            resize_image(shown.mapped(channel, volume), size, slicing.image_resize), shown.dtype
        )
        for channel, volume in enumerate(shown.channels)
    ]
    mask = resize_mask(shown.mask, size, slicing.mask_resize, threshold=slicing.mask_threshold)
    steps = zip(_spacing(case, slicing), shown.mask.shape, size, strict=True)
    return Item(
        image=np.stack(volumes),
        mask=mask,
        place=_place(case, shown, slicing, None, crop_box(shown.mask[0], None)),
        spacing_mm=tuple(mm * old / new for mm, old, new in steps),
    )


def _spacing(case: NativeCase, slicing: Slicing) -> tuple[float, ...]:
    if not case.orientation:
        return case.spacing_mm
    return shown_spacing(case.spacing_mm, case.orientation, slicing.plane)


def _place(
    case: NativeCase, shown: _Shown, slicing: Slicing, position: int | None, box: Box
) -> Place:
    slices, rows, columns = shown.mask.shape
    in_file = case.orientation and position is not None
    return Place(
        index=file_index(position or 0, slices, case.orientation, slicing.plane) if in_file else 0,
        plane=slicing.plane if case.orientation else "",
        orientation=case.orientation,
        native_slices=slices,
        native_rows=rows,
        native_columns=columns,
        crop_row=box.row,
        crop_column=box.column,
        crop_rows=box.rows,
        crop_columns=box.columns,
        pad=slicing.pad,
    )
