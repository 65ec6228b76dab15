"""A study: a paper at a tier, and the part of it that each arrow uses."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from segrepro import registry
from segrepro.errors import UserError
from segrepro.protocol import stages
from segrepro.protocol.data import DatasetProtocol, Split
from segrepro.protocol.paper import ModelProtocol, Paper
from segrepro.protocol.recipe import Recipe
from segrepro.protocol.settings import Settings, validation_message

DEMO = "-demo"
PHANTOM = "-phantom"


def train_threads(study: str, *, cores: int) -> int:
    """Return the threads of a study's trainings, in the pipeline and by hand.

    A demo's networks are so small that runs side by side beat threads. Equal threads matter:
    another number may change the last bits of the weights.
    """
    return 1 if study.endswith(DEMO) else cores


def load_paper(path: Path, *, demo: bool = False) -> Paper:
    """Read one paper's YAML; with `demo`, lay its ``demo.changes`` over it first.

    Raises
    ------
    UserError
        If there is no such file, it is no YAML, or a key or value is wrong.
    """
    if not path.is_file():
        known = sorted(other.stem for other in path.parent.glob("*.yaml"))
        registry.check_known(path.stem, known, kind="paper")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        paper = Paper.model_validate(content)
        if demo:
            paper = Paper.model_validate(_laid_over(content, paper.demo.changes))
    except yaml.YAMLError as error:
        raise UserError(f"{path} is no YAML: {str(error).splitlines()[0]}.", "Mend it.") from error
    except ValidationError as error:
        raise validation_message(error, where=str(path), model=Paper) from error
    if paper.name != path.stem:
        raise UserError(f"{path} calls itself {paper.name!r}.", "Give file and name the same name.")
    return paper


def _laid_over(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _laid_over(below, value) if both else value  # type: ignore[arg-type]
    return merged


def check_settings(settings: Settings, studies: Collection["Study"]) -> None:
    """Refuse names of data sets and models that none of the studies, or this version, knows."""
    papers = [study.paper for study in studies]
    datasets = {name for paper in papers for name in paper.datasets}
    for name in settings.datasets:
        registry.check_known(name, sorted(datasets), kind="data set")
        registry.check_known(name, registry.names("segrepro.datasets"), kind="data set")
    models = {name: model.network for paper in papers for name, model in paper.models.items()}
    for name in settings.models:
        registry.check_known(name, sorted(models), kind="model")
        registry.check_known(models[name], registry.names("segrepro.models"), kind="model")


@dataclass(frozen=True, eq=False)
class Study:
    """A paper at a tier, narrowed and shortened by settings.

    Names of data sets in the public methods are those of the paths: with ``-phantom`` in the demo.
    """

    paper: Paper
    settings: Settings

    @classmethod
    def named(cls, name: str, *, papers: Path, settings: Settings) -> "Study":
        """Return the study that ``results/{name}`` holds."""
        tier = "demo" if name.endswith(DEMO) else "paper"
        settings = settings.model_copy(update={"tier": tier})
        paper = load_paper(papers / f"{name.removesuffix(DEMO)}.yaml", demo=tier == "demo")
        if paper.recipe is not None:
            losses = registry.names("segrepro.losses")
            registry.check_known(paper.recipe.loss.name, losses, kind="loss")
        return cls(paper=paper, settings=settings)

    @property
    def is_demo(self) -> bool:
        """Whether phantoms take the place of the real data."""
        return self.settings.tier == "demo"

    @property
    def suffix(self) -> str:
        """What the tier appends to a data set's name."""
        return PHANTOM if self.is_demo else ""

    @property
    def name(self) -> str:
        """The folder below ``results``."""
        return self.paper.name + (DEMO if self.is_demo else "")

    @property
    def recipe(self) -> Recipe:
        """How the paper trains; a paper whose models are trained says so."""
        if self.paper.recipe is None:
            raise UserError(
                f"{self.name} trains nothing: its YAML has no recipe.",
                "Run `snakemake slices` for its data, or choose another paper.",
            )
        return self.paper.recipe

    @cached_property
    def absent(self) -> dict[str, str]:
        """Return each data set and model of the paper that is not run, with the reason."""
        unsliced = {name: self._why_not_sliced(name) for name in self.paper.datasets}
        run = {name for name, reason in unsliced.items() if not reason}
        models = {name: self._why_no_model(name, datasets=run) for name in self.paper.models}
        trained = [model for name, model in self.paper.models.items() if not models[name]]
        datasets = {
            name: reason or self._why_not_trained(name, trained)
            for name, reason in unsliced.items()
        }
        return {name: reason for name, reason in (datasets | models).items() if reason}

    def _why_not_trained(self, dataset: str, models: Sequence[ModelProtocol]) -> str:
        if any(model.datasets is None or dataset in model.datasets for model in models):
            return ""
        return f"no model of this run is trained on {dataset}"

    def _why_not_sliced(self, name: str) -> str:
        if name not in registry.names("segrepro.datasets"):
            return f"this version has no converter for {name}"
        if self.settings.datasets and name not in self.settings.datasets:
            return f"{name} was not selected for this run"
        if self.is_demo and name not in self.paper.demo.cases:
            return f"{name} is not part of the demo"
        return ""

    def _why_no_model(self, name: str, *, datasets: set[str]) -> str:
        model = self.paper.models[name]
        if model.network not in registry.names("segrepro.models"):
            return f"this version has no network {model.network}"
        if self.settings.models and name not in self.settings.models:
            return f"{name} was not selected for this run"
        # The paper tier counts its parameters all the same; a demo tests no count.
        if self.is_demo and model.datasets is not None and not datasets & set(model.datasets):
            return f"none of the data sets of {name} is part of the demo"
        return ""

    @cached_property
    def datasets(self) -> dict[str, DatasetProtocol]:
        """Return the data sets that models of this run are trained on, by names in the paths."""
        absent = self.absent
        return {
            name: protocol
            for name, protocol in self.sliced.items()
            if name.removesuffix(PHANTOM) not in absent
        }

    @cached_property
    def sliced(self) -> dict[str, DatasetProtocol]:
        """Return the data sets that are converted and sliced, trained on or not."""
        return {
            name + self.suffix: protocol
            for name, protocol in self.paper.datasets.items()
            if not self._why_not_sliced(name)
        }

    @cached_property
    def models(self) -> dict[str, ModelProtocol]:
        """Return the named variants in this run."""
        absent = self.absent
        return {name: model for name, model in self.paper.models.items() if name not in absent}

    def run_names(self, dataset: str) -> tuple[str, ...]:
        """Return ``fold0``, ``fold1``, ... as far as this run goes."""
        return tuple(f"fold{fold}" for fold in range(self._folds(self.split(dataset))))

    def _folds(self, split: Split) -> int:
        wanted = [split.folds, self.settings.folds or split.folds]
        if self.is_demo:
            wanted.append(self.paper.demo.folds)
        return min(wanted)

    @cached_property
    def runs(self) -> tuple[stages.RunRef, ...]:
        """Return every run: data set by data set, model by model."""
        return tuple(
            stages.RunRef(dataset=dataset, model=name, run=run)
            for dataset in self.datasets
            for name, model in self.models.items()
            if model.datasets is None or dataset.removesuffix(PHANTOM) in model.datasets
            for run in self.run_names(dataset)
        )

    def dataset(self, dataset: str) -> DatasetProtocol:
        """Return one data set's protocol."""
        registry.check_known(dataset, list(self.sliced), kind=f"data set of {self.name}")
        return self.sliced[dataset]

    def split(self, dataset: str) -> Split:
        """Return how a data set is split; one that a model is trained on always is."""
        split = self.dataset(dataset).split
        if split is None:
            raise UserError(
                f"{self.name} does not say how to split {dataset}: no model is trained on it.",
                f"Give it a `split` in config/papers/{self.paper.name}.yaml.",
            )
        return split

    def model(self, model: str) -> ModelProtocol:
        """Return one variant's protocol."""
        registry.check_known(model, list(self.models), kind=f"model of {self.name}")
        return self.models[model]

    def shortened(self) -> tuple[str, ...]:
        """Return, in words, how this run falls short of the paper's own protocol."""
        words = []
        epochs, published = self.recipe_epochs(), self.recipe.epochs
        if epochs != published:
            words.append(f"{epochs} of {published} epochs")
        precision = self.settings.precision or self.recipe.precision
        if precision != self.recipe.precision:
            words.append(f"{precision} instead of {self.recipe.precision}")
        splits = [self.split(dataset) for dataset in self.datasets]
        cut = {(self._folds(split), split.folds) for split in splits}
        words += [f"{run} of {full} folds" for run, full in sorted(cut) if run < full]
        return tuple(words)

    def recipe_epochs(self) -> int:
        """Return the number of epochs of this run."""
        return self.settings.epochs or self.recipe.epochs
