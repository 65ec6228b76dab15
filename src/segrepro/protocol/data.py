"""How a paper prepares its data: splits and intensities; slices are in `slicing`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from segrepro.protocol._frozen import Frozen
from segrepro.protocol.slicing import Slicing


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
    split: Split | None = None
    """``None`` while no model of the paper is trained on it: it is converted and sliced only."""
    classes: Annotated[tuple[str, ...], Field(min_length=1)]
    """Foreground classes, by the names on the data set's card; each is one sigmoid channel."""
    normalisation: Normalisation = Normalisation()
    note: str = ""

    @model_validator(mode="after")
    def _classes_differ(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            raise ValueError(f"classes repeat: {', '.join(self.classes)}")
        return self
