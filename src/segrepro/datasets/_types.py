"""What a data-set file offers: a card, its sources, its layouts and its cases."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class PaperUse:
    """What a paper says it took from a data set, beside what the data set holds."""

    paper: str
    """File stem in ``config/papers/``."""
    says: str
    holds: str
    choice: str
    """What we do where the two differ or the paper is silent."""


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
    spacing_known: bool = True
    """``False``: the publisher gives none, 1 mm stands in, and no distance in mm has a meaning."""
    uses: tuple[PaperUse, ...] = ()
    pitfalls: tuple[str, ...] = ()
    """What people fall into, a sentence each; the converter takes care of it."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One thing to get from the publisher."""

    path: str
    """Where it belongs, relative to ``data/raw/{dataset}/``."""
    url: str | None = None
    mirrors: tuple[str, ...] = ()
    """Other places of the same bytes, tried in this order."""
    sha256: str | None = None
    bytes: int | None = None
    client: Literal["http", "kaggle", "tcia", "synapse"] = "http"
    """The publisher's own client, an optional extra of the same name."""
    reference: str = ""
    """What that client is asked for: a competition, a collection, an entity's id."""
    unpack_to: str | None = None
    """An archive: its members go below this folder (``""``: the raw folder), then it is removed."""
    password_variable: str = ""
    """The environment variable that holds the password of an encrypted archive."""
    unpinned: str = ""
    """Why no SHA-256 is known, for what is downloaded without one."""
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
    expected_files: Mapping[str, int] = field(default_factory=dict)
    """How many files of the published data set match a pattern, for ``segrepro fetch --check``."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One image with its mask, on the grid the publisher ships."""

    case_id: str
    group_id: str
    channels: NDArray[Any]
    """Shape (C, H, W), or (C, I, J, K) with a volume's axes in file order, in the stored type."""
    mask: NDArray[np.uint8]
    """Shape (H, W) or (I, J, K); 0 background, k + 1 for class k of the card."""
    spacing_mm: tuple[float, ...]
    """One positive length per array axis of `mask`."""
    affine: NDArray[np.float64] | None = None
    """Shape (4, 4): indices along the axes of a volume to millimetres in RAS+, as in NIfTI.

    A volume has one; a picture has ``None``.
    """
    site: str = ""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A file that a reader should know about, such as one that was left out."""

    path: str
    """Relative to the raw folder."""
    remark: str
    """In a sentence."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a data set's folder holds, its pixels unread."""

    cases: tuple[Any, ...]
    """What ``read_case`` takes, one per case, in a stable order: small, and it can be pickled."""
    remarks: tuple[Remark, ...] = ()


def read_all(listing: Listing, read_case: Callable[[Any], Case | Remark]) -> Iterator[Case]:
    """Yield the cases of a listing, one by one, without those that were left out."""
    results: Iterable[Case | Remark] = map(read_case, listing.cases)
    return (case for case in results if isinstance(case, Case))
