"""The slice store: all images of a data set at one size, in two arrays and a table.

Reading only: what trains and scores depends on this file and not on the one that writes a store.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from segrepro.cases.columns import PIXELS
from segrepro.errors import UserError

IMAGES, MASKS, TABLE = "images.npy", "masks.npy", "slices.parquet"


@dataclass(frozen=True)
class SliceStore:
    """What ``segrepro slice`` wrote, opened for reading; the arrays stay on disk."""

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
