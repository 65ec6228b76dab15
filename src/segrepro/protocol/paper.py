"""One paper: what it did, what it claims, where it is silent or contradicts itself."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from segrepro.protocol._frozen import Frozen
from segrepro.protocol.data import DatasetProtocol
from segrepro.protocol.recipe import Recipe
from segrepro.protocol.slicing import Name


class Citation(Frozen):
    """Who wrote it and where it stands."""

    title: str
    authors: tuple[str, ...]
    year: int
    venue: str
    doi: str = ""
    url: str = ""


class CountedWith(Frozen):
    """The input for which a paper states a network's size."""

    channels: PositiveInt
    classes: PositiveInt = 1
    size: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=3)]
    """Rows and columns (or depth, rows, columns), in pixels; for the multiply-adds only."""


class ModelProtocol(Frozen):
    """A named variant of a network."""

    label: str
    network: Name
    options: dict[str, Any] = Field(default_factory=dict)
    counted_with: CountedWith
    datasets: tuple[str, ...] | None = None
    """Where the paper runs it; ``None`` means on each of its data sets."""


class Scoring(Frozen):
    """What is measured, on which grid, with which convention for empty masks."""

    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    grid: Literal["slice"] = "slice"
    """``slice``: at the size that the network sees, as the paper did."""
    when_both_empty: float = 1.0
    """The value of an overlap metric if neither mask holds a pixel."""


class Claim(Frozen):
    """One published number."""

    id: Name
    source: str
    """Where it is printed: ``"Table 4, row 4"``."""
    dataset: str | None = None
    model: str
    class_: Annotated[str | None, Field(alias="class")] = None
    measure: Literal["mean", "relative_improvement", "parameters"] = "mean"
    """``mean``: of the runs' means. ``relative_improvement``: of `model` over `baseline`."""
    metric: str
    baseline: str | None = None
    published: float
    spread: float | None = None
    """What the paper prints after the plus-minus sign, in the unit of `published`."""
    unit: Literal["fraction", "percent", "count"]
    note: str = ""

    @model_validator(mode="after")
    def _measure_is_complete(self) -> Self:
        if (self.measure == "relative_improvement") != (self.baseline is not None):
            raise ValueError(
                f"claim {self.id}: a relative improvement, and only that, has a baseline"
            )
        if self.measure != "parameters" and self.dataset is None:
            raise ValueError(f"claim {self.id}: say which dataset it is about")
        return self


class TableSpec(Frozen):
    """A table to make; `kind` is a file of ``segrepro.tables``."""

    kind: Name
    title: str
    metric: str = "jaccard"


class FigureSpec(Frozen):
    """A figure to make; `kind` is a file of ``segrepro.figures``."""

    kind: Name
    title: str
    metric: str = "jaccard"
    cases: PositiveInt = 3
    """How many images a qualitative panel shows."""


class Unstated(Frozen):
    """Something the paper does not say, and what we do."""

    what: str
    choice: str
    why: str


class Contradiction(Frozen):
    """Something the paper (or its code) says in two ways, and what we do."""

    where: str
    says: str
    but: str
    choice: str


class Demo(Frozen):
    """What the demo tier shrinks."""

    cases: dict[str, PositiveInt]
    """How many phantom cases to write, per data set; data sets not named here have no demo."""
    seed: int = 0
    folds: PositiveInt = 1
    """How many of the folds are run."""
    changes: dict[str, Any] = Field(default_factory=dict)
    """Laid over the paper's own keys and parsed by the same types."""


class Paper(Frozen):
    """A file of ``config/papers/``."""

    name: Name
    citation: Citation
    datasets: dict[str, DatasetProtocol]
    models: dict[str, ModelProtocol] = Field(default_factory=dict)
    """None: the paper's data are converted and sliced, and nothing is trained yet."""
    recipe: Recipe | None = None
    scoring: Scoring
    tables: dict[str, TableSpec] = Field(default_factory=dict)
    figures: dict[str, FigureSpec] = Field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    unstated: tuple[Unstated, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    demo: Demo

    @model_validator(mode="after")
    def _names_are_defined(self) -> Self:
        ids = [claim.id for claim in self.claims]
        if repeated := sorted({i for i in ids if ids.count(i) > 1}):
            raise ValueError(f"claim ids repeat: {', '.join(repeated)}")
        for where, kind, name in self._references():
            known = self.models if kind == "model" else self.datasets
            if name not in known:
                raise ValueError(f"{where}: no {kind} {name!r} in this paper")
        if self.models and self.recipe is None:
            raise ValueError("a paper with models needs a recipe")
        for name, model in self.models.items():
            for dataset in self.datasets if model.datasets is None else model.datasets:
                if self.datasets[dataset].split is None:
                    raise ValueError(f"model {name} is trained on {dataset}, which has no split")
        return self

    def _references(self) -> Iterator[tuple[str, str, str]]:
        """Yield (where, "model" or "dataset", name) for every name that must be defined."""
        for claim in self.claims:
            where = f"claim {claim.id}"
            yield from ((where, "model", name) for name in (claim.model, claim.baseline) if name)
            if claim.dataset is not None:
                yield where, "dataset", claim.dataset
        for name, model in self.models.items():
            yield from ((f"model {name}", "dataset", dataset) for dataset in model.datasets or ())
        yield from (("demo", "dataset", dataset) for dataset in self.demo.cases)
