"""What the DAG must make, as the rule files ask for it: targets, inputs and params by wildcards.

Every method that takes `wildcards` is used as a Snakemake input or param function.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import prod
from pathlib import Path
from typing import Any, Protocol

from segrepro import registry
from segrepro.errors import UserError
from segrepro.protocol import layout, parts
from segrepro.protocol.settings import Settings, parse_settings
from segrepro.protocol.stages import RunRef
from segrepro.protocol.study import PHANTOM, Study, check_settings, train_threads
from segrepro.provenance import code_digest

ALL_CORES = 1024
"""More than any machine has: Snakemake gives a job at most the cores it was started with."""
PROCESS_MB = 500
"""Of a process that trains: Python, PyTorch and what else it imports."""
FACTS_BATCH = 4
"""The images at a time for which a network's file says its memory."""


class Wildcards(Protocol):
    """The names in a rule's paths; a rule has only those that its paths contain."""

    study: str
    dataset: str
    slicing: str
    model: str
    run: str
    table: str
    figure: str


OnePath = Callable[[Wildcards], str]
ManyPaths = Callable[[Wildcards], list[str]]


class Dag:
    """Every study that the settings select.

    Parameters
    ----------
    config
        The content of ``config/config.yaml`` with ``--config`` laid over it.
    papers
        The folder of paper YAMLs.
    """

    def __init__(self, config: Mapping[str, Any], *, papers: Path) -> None:
        self.settings: Settings = parse_settings(config)
        suffix = "-demo" if self.settings.tier == "demo" else ""
        known = sorted(path.stem for path in papers.glob("*.yaml"))
        for name in self.settings.papers:
            registry.check_known(name, known, kind="paper")
        self.studies: dict[str, Study] = {
            name + suffix: Study.named(name + suffix, papers=papers, settings=self.settings)
            for name in (self.settings.papers or known)
        }
        check_settings(self.settings, self.studies.values())
        if not any(study.sliced for study in self.studies.values()):
            raise UserError(
                "these settings select no data set of any paper.",
                "Widen datasets= and models=, or select another paper.",
            )

    # Targets

    def reports(self) -> list[str]:
        """Return the page of every study that has runs."""
        return [f"results/{name}/report.html" for name, study in self.studies.items() if study.runs]

    def slices(self) -> list[str]:
        """Return the slice table of every data set of every study."""
        return [
            f"data/slices/{dataset}/{protocol.slicing.name}/slices.parquet"
            for study in self.studies.values()
            for dataset, protocol in study.sliced.items()
        ]

    def weights(self) -> list[str]:
        """Return the weights of every run of every study."""
        return [
            f"{run_folder(name, run)}/model.safetensors"
            for name, study in self.studies.items()
            for run in study.runs
        ]

    # Inputs

    def slices_file(self, file: str) -> OnePath:
        """Return a function to the file of a run's slices."""
        return lambda wildcards: self._slices_file(wildcards.study, wildcards.dataset, file)

    def all_slices(self, file: str) -> ManyPaths:
        """Return a function to that file for each data set of a study."""
        return lambda wildcards: [
            self._slices_file(wildcards.study, dataset, file)
            for dataset in self._study(wildcards).datasets
        ]

    def of_runs(self, file: str) -> ManyPaths:
        """Return a function to that file for each run of a study."""
        return lambda wildcards: [
            f"{run_folder(wildcards.study, run)}/{file}" for run in self._study(wildcards).runs
        ]

    def pretrained(self, wildcards: Wildcards) -> list[str]:
        """Return the file of published weights that a run's network begins with, if any."""
        train = parts.train_stage(*self._run(wildcards))
        return [str(train.network.pretrained)] if train.network.pretrained else []

    def complexities(self, wildcards: Wildcards) -> list[str]:
        """Return the size and speed of each model of a study."""
        models = self._study(wildcards).models
        return [f"results/{wildcards.study}/complexity/{model}.json" for model in models]

    def tables(self, wildcards: Wildcards) -> list[str]:
        """Return each table of a study."""
        tables = self._study(wildcards).paper.tables
        return [f"results/{wildcards.study}/tables/{table}.csv" for table in tables]

    def figures(self, wildcards: Wildcards) -> list[str]:
        """Return each figure of a study."""
        figures = self._study(wildcards).paper.figures
        return [f"results/{wildcards.study}/figures/{figure}.svg" for figure in figures]

    def _slices_file(self, study: str, dataset: str, file: str) -> str:
        slicing = self._named(study).dataset(dataset).slicing.name
        return f"data/slices/{dataset}/{slicing}/{file}"

    # Params: the part of the protocol that a stage uses

    def phantom_protocol(self, wildcards: Wildcards) -> str:
        """Return the synthetic data that all studies agree to write."""
        dataset = wildcards.dataset + PHANTOM
        wanted = {
            parts.phantom_stage(study, dataset).canonical_json()
            for study in self.studies.values()
            if dataset in study.sliced
        }
        if len(wanted) != 1:
            raise UserError(
                f"{len(wanted)} studies in this run ask for different phantoms of {dataset}.",
                "Give them the same demo.cases and demo.seed in config/papers.",
            )
        return wanted.pop()

    def slice_protocol(self, wildcards: Wildcards) -> str:
        """Return the slicing that all studies mean by its name."""
        return self._slicing(wildcards.dataset, wildcards.slicing)

    @cache  # noqa: B019 - one Dag lives as long as the process
    def _slicing(self, dataset: str, slicing: str) -> str:
        studies = tuple(self.studies.values())
        return parts.named_slicing(studies, dataset, slicing).canonical_json()

    def split_protocol(self, wildcards: Wildcards) -> str:
        """Return how a study splits a data set."""
        return parts.split_stage(self._study(wildcards), wildcards.dataset).canonical_json()

    def train_protocol(self, wildcards: Wildcards) -> str:
        """Return how a run is trained."""
        return parts.train_stage(*self._run(wildcards)).canonical_json()

    def predict_protocol(self, wildcards: Wildcards) -> str:
        """Return how a run predicts."""
        return parts.predict_stage(*self._run(wildcards)).canonical_json()

    def score_protocol(self, wildcards: Wildcards) -> str:
        """Return how a run is scored."""
        return parts.score_stage(self._study(wildcards), wildcards.dataset).canonical_json()

    def complexity_protocol(self, wildcards: Wildcards) -> str:
        """Return what is counted of a model."""
        return parts.complexity_stage(self._study(wildcards), wildcards.model).canonical_json()

    def claims_protocol(self, wildcards: Wildcards) -> str:
        """Return what the ledger needs."""
        return parts.claims_stage(self._study(wildcards)).canonical_json()

    def table_protocol(self, wildcards: Wildcards) -> str:
        """Return what a table needs."""
        return parts.table_stage(self._study(wildcards), wildcards.table).canonical_json()

    def figure_protocol(self, wildcards: Wildcards) -> str:
        """Return what a figure needs."""
        return parts.figure_stage(self._study(wildcards), wildcards.figure).canonical_json()

    def report_protocol(self, wildcards: Wildcards) -> str:
        """Return what the page needs."""
        return parts.report_stage(self._study(wildcards)).canonical_json()

    # Params: digests of the code that a stage runs

    def phantom_code(self, wildcards: Wildcards) -> str:
        """Return the digest of a phantom's code."""
        return code_digest("segrepro.cases.raw", f"segrepro.phantoms.{wildcards.dataset}")

    def convert_code(self, wildcards: Wildcards) -> str:
        """Return the digest of a converter."""
        base = wildcards.dataset.removesuffix(PHANTOM)
        return code_digest("segrepro.cases.convert", f"segrepro.datasets.{base}")

    def train_code(self, wildcards: Wildcards) -> str:
        """Return the digest of the loop, the run's network and its loss."""
        study = self._study(wildcards)
        return code_digest(
            "segrepro.training.train",
            f"segrepro.models.{study.model(wildcards.model).network}",
            *study.recipe.loss.modules,
        )

    def model_code(self, module: str) -> Callable[[Wildcards], str]:
        """Return a function to the digest of `module` and of the network it builds."""
        return lambda wildcards: code_digest(
            module,
            f"segrepro.models.{self._study(wildcards).model(wildcards.model).network}",
        )

    def score_code(self, wildcards: Wildcards) -> str:  # noqa: ARG002 - Snakemake passes it
        """Return the digest of scoring and of every metric."""
        metrics = [f"segrepro.metrics.{name}" for name in registry.names("segrepro.metrics")]
        return code_digest("segrepro.inference.score", *metrics)

    def table_code(self, wildcards: Wildcards) -> str:
        """Return the digest of a table's kind."""
        kind = self._study(wildcards).paper.tables[wildcards.table].kind
        return code_digest("segrepro.tables", f"segrepro.tables.{kind}")

    def figure_code(self, wildcards: Wildcards) -> str:
        """Return the digest of a figure's kind."""
        kind = self._study(wildcards).paper.figures[wildcards.figure].kind
        return code_digest("segrepro.figures", f"segrepro.figures.{kind}")

    def report_code(self, wildcards: Wildcards) -> str:
        """Return the digest of the page and of the kinds it asks for their captions."""
        paper = self._study(wildcards).paper
        tables = {f"segrepro.tables.{spec.kind}" for spec in paper.tables.values()}
        figures = {f"segrepro.figures.{spec.kind}" for spec in paper.figures.values()}
        return code_digest("segrepro.report.page", *sorted(tables | figures))

    # Params: the rest

    def overrides(self, wildcards: Wildcards) -> str:  # noqa: ARG002 - Snakemake passes it
        """Return the settings that a study-level command needs to see the same study."""
        return self.settings.overrides()

    def convert_workers(self, wildcards: Wildcards) -> int:
        """Return the processes that convert a data set: phantoms are small, and many at a time."""
        return 1 if wildcards.dataset.endswith(PHANTOM) else ALL_CORES

    def convert_mb(self, wildcards: Wildcards, threads: int) -> int:
        """Return the memory of converting: the largest case of KiTS23 takes 2.4 GB a process."""
        return 500 if wildcards.dataset.endswith(PHANTOM) else 3000 * threads

    def train_mb(self, wildcards: Wildcards) -> int:
        """Return the memory of a training: what its network's file says, for its batch and size."""
        study = self._study(wildcards)
        network, recipe = study.model(wildcards.model).network, study.recipe
        # Not imported at the top: the file brings PyTorch along.
        facts = registry.load("segrepro.models", network, kind="model").FACTS
        pixels = recipe.images_at_a_time * prod(study.dataset(wildcards.dataset).slicing.size)
        share = pixels / (FACTS_BATCH * prod(facts.size))
        return int(PROCESS_MB + max(0, facts.training_mb - PROCESS_MB) * share)

    def train_threads(self, wildcards: Wildcards) -> int:
        """Return the threads of a study's trainings."""
        return train_threads(wildcards.study, cores=ALL_CORES)

    def _study(self, wildcards: Wildcards) -> Study:
        return self._named(wildcards.study)

    def _named(self, study: str) -> Study:
        registry.check_known(study, list(self.studies), kind="study in this run")
        return self.studies[study]

    def _run(self, wildcards: Wildcards) -> tuple[Study, str, str, str]:
        return self._study(wildcards), wildcards.dataset, wildcards.model, wildcards.run


def run_folder(study: str, run: RunRef) -> str:
    """Return the folder of a run."""
    return layout.run(study, run.dataset, run.model, run.run).as_posix()
