"""How converted cases become the arrays that a network sees."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from segrepro.protocol._frozen import Frozen

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]
Plane = Literal["axial", "coronal", "sagittal"]
Share = Annotated[float, Field(gt=0, le=1)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Stored(Frozen):
    """Intensities as the publisher stores them."""

    kind: Literal["stored"] = "stored"


class Window(Frozen):
    """`low` and below become 0, `high` and above 255, linear between: for CT, in HU."""

    kind: Literal["window"] = "window"
    low: float
    high: float

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"window from {self.low} to {self.high}: low must be below high")
        return self


class Percentiles(Frozen):
    """A window whose ends are percentiles of a channel's intensities over the whole case."""

    kind: Literal["percentiles"] = "percentiles"
    low: Percent = 0.5
    high: Percent = 99.5
    of: Literal["case", "foreground"] = "case"
    """``foreground``: of the voxels that are not 0, as in skull-stripped volumes."""

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"percentiles {self.low} to {self.high}: low must be below high")
        return self


class ZScore(Frozen):
    """Minus the mean, over the standard deviation, of a channel over the whole case; float16."""

    kind: Literal["z_score"] = "z_score"
    of: Literal["case", "foreground"] = "case"
    """``foreground``: of the voxels that are not 0; the others become 0."""


Intensity = Annotated[Stored | Window | Percentiles | ZScore, Field(discriminator="kind")]


class LesionCrop(Frozen):
    """Cut around what is labelled in a slice. It needs the reference mask, also of test cases."""

    kind: Literal["lesion"] = "lesion"
    margin: NonNegativeInt = 0
    """Pixels beyond the bounding box on each side."""
    size: tuple[PositiveInt, PositiveInt] | None = None
    """Rows and columns about the box's centre, whatever the lesion's size; no margin then."""


class BoxCrop(Frozen):
    """The same part of every slice."""

    kind: Literal["box"] = "box"
    rows: tuple[NonNegativeInt, PositiveInt]
    """First row, and the row after the last, of the slice as it is shown."""
    columns: tuple[NonNegativeInt, PositiveInt]

    @model_validator(mode="after")
    def _first_is_before_last(self) -> Self:
        if self.rows[0] >= self.rows[1] or self.columns[0] >= self.columns[1]:
            raise ValueError(f"crop of rows {self.rows} and columns {self.columns} is empty")
        return self


Crop = Annotated[LesionCrop | BoxCrop, Field(discriminator="kind")]


class Slicing(Frozen):
    """How converted cases become the arrays that a network sees.

    Slices of a volume are shown as radiologists look at them: axial ones with the front on top
    and the patient's right on the left, from the feet upwards.
    """

    name: Name
    """The folder below ``data/slices/{dataset}/``; papers that share it agree on all the rest."""
    size: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)]
    """Rows and columns in pixels, never width first; or a volume's slices, rows and columns."""
    plane: Plane = "axial"
    """How volumes are cut, or how their axes are named if `size` has three lengths."""
    channels: tuple[str, ...] = ()
    """Which, by the names on the data set's card, in this order; all if none are named."""
    neighbours: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """Slices stacked as channels, as steps from the labelled one; beyond the ends there is 0."""
    merge: dict[Name, tuple[str, ...]] = Field(default_factory=dict)
    """New classes made of the card's; a class that is in none of them becomes background."""
    keep: Literal["all", "with_label"] = "all"
    every: PositiveInt = 1
    """Of the slices that `keep` leaves of a case: the first, and each n-th after it."""
    per_case: PositiveInt | None = None
    """Of those, at most so many of a case, as `pick` says."""
    pick: Literal["largest", "random"] = "largest"
    """``largest``: those with the most labelled pixels."""
    seed: int = 0
    """Of the random ones."""
    intensity: Intensity = Stored()
    crop: Crop | None = None
    pad: NonNegativeInt = 0
    """Pixels of 0 on each side within `size`, after resizing."""
    image_resize: Literal["area", "linear", "cubic", "nearest"] = "area"
    mask_resize: Literal["area", "nearest"] = "area"
    mask_threshold: Share = 0.5
    """The share of a new pixel's area that a class must cover, for ``mask_resize: area``."""

    @model_validator(mode="after")
    def _words_fit_together(self) -> Self:
        if 2 * self.pad >= min(self.size):
            raise ValueError(f"pad {self.pad} leaves nothing of size {self.size}")
        if isinstance(self.crop, LesionCrop) and self.keep != "with_label":
            raise ValueError("crop: lesion needs keep: with_label")
        if len(set(self.neighbours)) != len(self.neighbours):
            raise ValueError(f"neighbours repeat: {self.neighbours}")
        if len(self.size) == 3:
            self._check_volume()
        merged = [name for names in self.merge.values() for name in names]
        if len(set(merged)) != len(merged):
            raise ValueError("merge: a class goes into one new class only")
        return self

    def _check_volume(self) -> None:
        for_slices = {
            "neighbours": self.neighbours != (0,),
            "every": self.every != 1,
            "per_case": self.per_case is not None,
            "crop": self.crop is not None,
            "pad": self.pad != 0,
        }
        if wrong := [name for name, is_set in for_slices.items() if is_set]:
            raise ValueError(f"size {self.size} is of volumes; {', '.join(wrong)} is for slices")
