"""How a paper prepares its data: slices, splits, intensities."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from segrepro.protocol._frozen import Frozen

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


class Slicing(Frozen):
    """How converted cases become the arrays that a network sees."""

    name: Name
    """The folder below ``data/slices/{dataset}/``; papers that share it agree on all the rest."""
    size: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)]
    """Rows and columns (or depth, rows, columns) after resizing, in pixels; never width first."""
    image_resize: Literal["area", "linear", "cubic", "nearest"] = "area"
    mask_resize: Literal["area_majority", "nearest"] = "area_majority"
    """``area_majority``: the class that covers at least half of a pixel's area, else background."""
    keep: Literal["all", "with_label"] = "all"


class Split(Frozen):
    """Which cases train and which are held out, over how many runs."""

    kind: Literal["k_fold"] = "k_fold"
    folds: Annotated[int, Field(ge=2)]
    unit: Literal["group", "case"] = "group"
    """``group``: no patient, sequence or block straddles folds. ``case`` leaks, as some do."""
    seed: int = 0


class Normalisation(Frozen):
    """How stored intensities become network inputs."""

    divide_by: Annotated[float, Field(gt=0)] = 255.0


class DatasetProtocol(Frozen):
    """What a paper does with one data set."""

    label: str
    """The paper's name for it, as its tables print it."""
    slicing: Slicing
    split: Split
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    """Foreground classes, by the names on the data set's card; each is one sigmoid channel."""
    normalisation: Normalisation = Normalisation()
    note: str = ""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes repeat: {', '.join(self.classes)}")
        return self
