"""What a data-set file offers: a card, its sources, its layouts and its cases."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a reader must know of a data set before using it."""

    title: str
    licence: str
    terms: str
    """What the publisher allows and asks for, in a sentence."""
    citation: str
    url: str
    modality: str
    channels: tuple[str, ...]
    classes: tuple[str, ...]
    """Foreground classes; class k has label k + 1 in a mask, 0 is background."""
    background: str
    group_unit: str
    """What must never straddle a split."""
    expected_cases: int
    expected_groups: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """One thing to get from the publisher."""

    path: str
    """Where it belongs, relative to ``data/raw/{dataset}/``."""
    url: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    how: str = ""
    """How to ask for it where it cannot be downloaded without an account."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way in which the raw files of a data set lie in their folder."""

    name: str
    """In words, for messages: ``"tif stacks"``."""
    required: tuple[str, ...]
    """Glob patterns relative to the raw folder; each must match a file."""
    optional: tuple[str, ...] = ()
    """Patterns of files that belong to the data set, but without which cases can be made."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image with its mask, on the grid the publisher ships."""

    case_id: str
    group_id: str
    channels: NDArray[Any]
    """Shape (C, H, W) or (C, D, H, W), in the stored data type."""
    mask: NDArray[np.uint8]
    """Shape (H, W) or (D, H, W); 0 background, k + 1 for class k of the card."""
    spacing_mm: tuple[float, ...]
    """One positive length per array axis of `mask`."""
    affine: NDArray[np.float64] | None = None
    """Shape (4, 4), voxel to millimetres (RAS+), or ``None`` where the publisher gives none."""
    site: str = ""
    extra: Mapping[str, str] | None = None
