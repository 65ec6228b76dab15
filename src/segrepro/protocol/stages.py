"""The part of a study that one arrow uses: a stage sees this and nothing else.

The canonical JSON of a stage is the ``protocol`` param of its Snakemake rule, so an edit re-runs
exactly the stages whose part it touches.
"""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt

from segrepro.protocol._frozen import Frozen
from segrepro.protocol.data import Normalisation, Split
from segrepro.protocol.paper import (
    Citation,
    Claim,
    Contradiction,
    CountedWith,
    FigureSpec,
    TableSpec,
    Unstated,
)
from segrepro.protocol.recipe import Checkpoint, Recipe
from segrepro.protocol.slicing import Slicing


class PhantomStage(Frozen):
    """Synthetic raw data to write."""

    dataset: str
    cases: PositiveInt
    seed: int


class SliceStage(Frozen):
    """Slices to cut."""

    slicing: Slicing


class SplitStage(Frozen):
    """A split to draw."""

    split: Split


class Network(Frozen):
    """Which network to build."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def pretrained(self) -> Path | None:
        """The file of published weights that it begins with; ``None`` if it begins with none."""
        path = self.options.get("pretrained")
        return Path(path) if path else None

    def from_scratch(self) -> Self:
        """Return it without published weights: where those that it has learnt replace them."""
        options = {key: value for key, value in self.options.items() if key != "pretrained"}
        return self.model_copy(update={"options": options})


class TrainStage(Frozen):
    """A run to train."""

    run: str
    network: Network
    classes: tuple[str, ...]
    normalisation: Normalisation
    recipe: Recipe
    when_both_empty: float


class PredictStage(Frozen):
    """A run to predict with."""

    run: str
    network: Network
    classes: tuple[str, ...]
    normalisation: Normalisation
    checkpoint: Checkpoint
    threshold: float
    outputs: Literal["sigmoid", "softmax"] = "sigmoid"


class ScoreStage(Frozen):
    """Predictions to score."""

    classes: tuple[str, ...]
    metrics: tuple[str, ...]
    when_both_empty: float


class ComplexityStage(Frozen):
    """A network to count and time."""

    network: Network
    counted_with: CountedWith


class RunRef(Frozen):
    """A run whose results a study-level stage reads."""

    dataset: str
    """With the tier's suffix, as in the path."""
    model: str
    run: str


class StudyPart(Frozen):
    """What every study-level stage must know to say what was run on what."""

    study: str
    synthetic: bool
    shortened: tuple[str, ...]
    """How this run falls short of the paper's protocol, in words; empty if it does not."""
    datasets: dict[str, str]
    """Name in the paths to the paper's label, for the data sets in this run."""
    models: dict[str, str]
    """Variant to label, for the models in this run."""
    runs: tuple[RunRef, ...]
    checkpoint: Checkpoint


class ClaimsStage(Frozen):
    """The ledger to fill."""

    part: StudyPart
    claims: tuple[Claim, ...]
    suffix: str
    """What the tier appends to a data set's name."""
    networks: dict[str, str]
    """Variant to network, for every model of the paper."""
    absent: dict[str, str]
    """Data set or model of the paper to the reason why it is not in this run."""


class TableStage(Frozen):
    """A table to make."""

    part: StudyPart
    name: str
    spec: TableSpec


class FigureStage(Frozen):
    """A figure to make."""

    part: StudyPart
    name: str
    spec: FigureSpec
    classes: dict[str, tuple[str, ...]]
    """Data set to its classes."""


class ReportStage(Frozen):
    """The page to write."""

    part: StudyPart
    citation: Citation
    recipe: Recipe
    tables: dict[str, TableSpec]
    figures: dict[str, FigureSpec]
    unstated: tuple[Unstated, ...]
    contradictions: tuple[Contradiction, ...]
