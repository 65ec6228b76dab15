"""The command line: one subcommand per arrow; parse, call one function, exit.

Run-level commands take an address, the run's path below ``results``: STUDY/DATASET/MODEL/RUN.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from segrepro import registry
from segrepro.errors import UserError
from segrepro.protocol import layout, parts, stages
from segrepro.protocol._frozen import Frozen
from segrepro.protocol.settings import parse_settings, validation_message
from segrepro.protocol.study import DEMO, PHANTOM, Study, load_paper

app = typer.Typer(
    name="segrepro",
    help="Reproduce medical-image-segmentation papers from the published bytes.",
    epilog="`snakemake --cores all` runs every arrow in order; these commands run one by hand.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

Dataset = Annotated[str, typer.Argument(help="A data set; `NAME-phantom` for its phantom.")]
StudyName = Annotated[str, typer.Argument(help="A paper, or `PAPER-demo`.")]
Address = Annotated[str, typer.Argument(help="STUDY/DATASET/MODEL/RUN, as below `results/`.")]
Protocol = Annotated[
    str | None, typer.Option(help="The stage's protocol as JSON; by default from config/papers.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="As `--config` of snakemake: epochs=3, folds=1, datasets=a,b ..."),
]
Folder = Annotated[Path | None, typer.Option(help="By default the place that Snakemake uses.")]
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0 means all.")]
Gpus = Annotated[int, typer.Option(min=0, help="0: the CPU. 1: a GPU, if there is one.")]

Stage = TypeVar("Stage", bound=Frozen)


def main() -> None:
    """Run the command line; a user's mistake ends in two lines and exit code 2."""
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)


def _study(name: str, overrides: list[str] | None) -> Study:
    values: dict[str, Any] = {}
    for item in overrides or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--set {item!r} has no value.", "Write it as --set epochs=3.")
        values[key] = value
    return Study.named(name, papers=layout.PAPERS, settings=parse_settings(values))


def _given(kind: type[Stage], protocol: str) -> Stage:
    try:
        return kind.model_validate_json(protocol)
    except ValidationError as error:
        raise validation_message(error, where="--protocol", model=kind) from error


def _address(address: str, form: str) -> list[str]:
    names = address.strip("/").split("/")
    if len(names) != len(form.split("/")) or not all(names):
        raise UserError(f"{address!r} is no {form}.", "Write it as the path below results/.")
    return names


@app.command()
def fetch(
    dataset: Dataset,
    source: Annotated[
        Path | None, typer.Option("--from", help="A folder of published files you already have.")
    ] = None,
    raw: Folder = None,
    manifest: Folder = None,
) -> None:
    """Get a data set's published bytes and list them.

    Example: `segrepro fetch isbi2012 --from ~/isbi`
    """
    from segrepro.cases import raw as raw_bytes

    raw_bytes.fetch(
        dataset,
        raw=raw or layout.raw(dataset),
        manifest=manifest or layout.manifest(dataset),
        source=source,
    )


@app.command()
def phantom(
    dataset: Dataset,
    protocol: Protocol = None,
    cases: Annotated[int, typer.Option(min=1, help="How many cases to write.")] = 20,
    seed: Annotated[int, typer.Option(help="Equal seeds, equal bytes.")] = 0,
    raw: Folder = None,
    manifest: Folder = None,
) -> None:
    """Write synthetic raw data in a publisher's layout.

    Example: `segrepro phantom isbi2012 --cases 5`
    """
    from segrepro.cases import raw as raw_bytes

    base = dataset.removesuffix(PHANTOM)
    stage = (
        _given(stages.PhantomStage, protocol)
        if protocol
        else stages.PhantomStage(dataset=base, cases=cases, seed=seed)
    )
    raw_bytes.phantom(
        stage,
        raw=raw or layout.raw(base + PHANTOM),
        manifest=manifest or layout.manifest(base + PHANTOM),
    )


@app.command()
def convert(
    dataset: Dataset, raw: Folder = None, manifest: Folder = None, out: Folder = None
) -> None:
    """Turn published bytes into checked cases on their native grid.

    Example: `segrepro convert isbi2012`
    """
    from segrepro.cases import convert as conversion

    conversion.convert(
        dataset,
        raw=raw or layout.raw(dataset),
        manifest=manifest or layout.manifest(dataset),
        out=out or layout.cases(dataset),
    )


@app.command(name="slice")
def slice_(
    dataset: Dataset,
    protocol: Protocol = None,
    study: Annotated[str | None, typer.Option(help="Whose slicing to use.")] = None,
    overrides: Overrides = None,
    cases: Folder = None,
    out: Folder = None,
) -> None:
    """Cut cases into arrays.

    Example: `segrepro slice isbi2012-phantom --study multiresunet-demo`
    """
    from segrepro.slices.write import write_slices

    if protocol:
        stage = _given(stages.SliceStage, protocol)
    elif study:
        stage = parts.slice_stage(_study(study, overrides), dataset)
    else:
        raise UserError(
            "slice needs to know how to slice.", "Add --study STUDY or --protocol JSON."
        )
    write_slices(
        stage,
        cases=cases or layout.cases(dataset),
        out=out or layout.slices(dataset, stage.slicing.name),
    )


@app.command()
def split(
    address: Annotated[str, typer.Argument(help="STUDY/DATASET")],
    protocol: Protocol = None,
    overrides: Overrides = None,
    slices: Folder = None,
    out: Folder = None,
) -> None:
    """Deal cases to folds.

    Example: `segrepro split multiresunet-demo/isbi2012-phantom`
    """
    from segrepro.splits import make

    study, dataset = _address(address, "STUDY/DATASET")
    stage = (
        _given(stages.SplitStage, protocol)
        if protocol
        else parts.split_stage(_study(study, overrides), dataset)
    )
    make.make_split(
        stage,
        slices=slices or _slices(study, dataset, overrides),
        out=out or layout.split(study, dataset),
    )


@app.command()
def train(
    address: Address,
    protocol: Protocol = None,
    overrides: Overrides = None,
    slices: Folder = None,
    split: Folder = None,
    out: Folder = None,
    threads: Threads = 0,
    gpus: Gpus = 1,
) -> None:
    """Train one run; a killed run goes on.

    Example: `segrepro train multiresunet-demo/isbi2012-phantom/unet/fold0`
    """
    from segrepro.training import train as training

    study, dataset, model, run = _address(address, "STUDY/DATASET/MODEL/RUN")
    stage = (
        _given(stages.TrainStage, protocol)
        if protocol
        else parts.train_stage(_study(study, overrides), dataset, model, run)
    )
    folder = out or layout.run(study, dataset, model, run)
    training.train(
        stage,
        slices=slices or _slices(study, dataset, overrides),
        split=split or layout.split(study, dataset),
        out=folder,
        state=folder / "state",
        device=_device(gpus),
        threads=_threads(threads),
    )


@app.command()
def predict(
    address: Address,
    protocol: Protocol = None,
    overrides: Overrides = None,
    slices: Folder = None,
    split: Folder = None,
    weights: Folder = None,
    last: Folder = None,
    out: Folder = None,
    threads: Threads = 0,
    gpus: Gpus = 1,
) -> None:
    """Predict a run's held-out cases.

    Example: `segrepro predict multiresunet-demo/isbi2012-phantom/unet/fold0`
    """
    from segrepro.inference import predict as prediction

    study, dataset, model, run = _address(address, "STUDY/DATASET/MODEL/RUN")
    stage = (
        _given(stages.PredictStage, protocol)
        if protocol
        else parts.predict_stage(_study(study, overrides), dataset, model, run)
    )
    folder = layout.run(study, dataset, model, run)
    prediction.predict(
        stage,
        slices=slices or _slices(study, dataset, overrides),
        split=split or layout.split(study, dataset),
        weights=weights or folder / "model.safetensors",
        last=last or folder / "last.safetensors",
        out=out or folder / "predictions.npz",
        device=_device(gpus),
        threads=_threads(threads),
    )


@app.command()
def score(
    address: Address,
    protocol: Protocol = None,
    overrides: Overrides = None,
    predictions: Folder = None,
    slices: Folder = None,
    out: Folder = None,
) -> None:
    """Score a run's predictions.

    Example: `segrepro score multiresunet-demo/isbi2012-phantom/unet/fold0`
    """
    from segrepro.inference import score as scoring

    study, dataset, model, run = _address(address, "STUDY/DATASET/MODEL/RUN")
    stage = (
        _given(stages.ScoreStage, protocol)
        if protocol
        else parts.score_stage(_study(study, overrides), dataset)
    )
    folder = layout.run(study, dataset, model, run)
    scoring.score(
        stage,
        predictions=predictions or folder / "predictions.npz",
        slices=slices or _slices(study, dataset, overrides),
        out=out or folder / "scores.parquet",
    )


@app.command()
def complexity(
    address: Annotated[str, typer.Argument(help="STUDY/MODEL")],
    protocol: Protocol = None,
    overrides: Overrides = None,
    out: Folder = None,
    threads: Threads = 0,
) -> None:
    """Count and time a network.

    Example: `segrepro complexity multiresunet/unet`
    """
    from segrepro.inference import complexity as measurement

    study, model = _address(address, "STUDY/MODEL")
    stage = (
        _given(stages.ComplexityStage, protocol)
        if protocol
        else parts.complexity_stage(_study(study, overrides), model)
    )
    measurement.complexity(
        stage,
        out=out or layout.results(study) / "complexity" / f"{model}.json",
        threads=_threads(threads),
    )


@app.command()
def claims(
    study: StudyName,
    overrides: Overrides = None,
    results: Folder = None,
    out: Folder = None,
    metrics: Folder = None,
) -> None:
    """Fill the ledger of published numbers and ours.

    Example: `segrepro claims multiresunet-demo`
    """
    from segrepro.claims import ledger

    folder = results or layout.results(study)
    ledger.fill(
        parts.claims_stage(_study(study, overrides)),
        results=folder,
        out=out or folder / "claims.csv",
        metrics=metrics or folder / "metrics.json",
    )


@app.command()
def tables(
    study: StudyName,
    name: Annotated[str | None, typer.Argument(help="By default every table.")] = None,
    overrides: Overrides = None,
    results: Folder = None,
    claims: Folder = None,
    out: Folder = None,
) -> None:
    """Make a paper's tables.

    Example: `segrepro tables multiresunet-demo table4`
    """
    from segrepro import tables as kinds

    chosen = _study(study, overrides)
    folder = results or layout.results(study)
    for table in [name] if name else chosen.paper.tables:
        kinds.make(
            parts.table_stage(chosen, table),
            results=folder,
            claims=claims or folder / "claims.csv",
            out=out or folder / "tables",
        )


@app.command()
def figures(
    study: StudyName,
    name: Annotated[str | None, typer.Argument(help="By default every figure.")] = None,
    overrides: Overrides = None,
    results: Folder = None,
    claims: Folder = None,
    out: Folder = None,
) -> None:
    """Draw a paper's figures.

    Example: `segrepro figures multiresunet-demo figure6`
    """
    from segrepro import figures as kinds

    chosen = _study(study, overrides)
    folder = results or layout.results(study)
    for figure in [name] if name else chosen.paper.figures:
        kinds.make(
            parts.figure_stage(chosen, figure),
            results=folder,
            claims=claims or folder / "claims.csv",
            slices={
                dataset: layout.slices(dataset, protocol.slicing.name)
                for dataset, protocol in chosen.datasets.items()
            },
            out=out or folder / "figures",
        )


@app.command()
def report(
    study: StudyName, overrides: Overrides = None, results: Folder = None, out: Folder = None
) -> None:
    """Write the page that people read.

    Example: `segrepro report multiresunet-demo`
    """
    from segrepro.report import page

    folder = results or layout.results(study)
    page.write_report(
        parts.report_stage(_study(study, overrides)),
        results=folder,
        out=out or folder / "report.html",
    )


@app.command()
def count(
    model: Annotated[str, typer.Argument(help="A network; `segrepro models` lists them.")],
    channels: Annotated[int, typer.Option(min=1, help="Input channels.")],
    classes: Annotated[int, typer.Option(min=1, help="Output channels.")] = 1,
    options: Annotated[
        list[str] | None, typer.Option("--set", help="An option: key=value.")
    ] = None,
) -> None:
    """Count a network's parameters, as Keras does.

    Example: `segrepro count unet --channels 1 --classes 1`
    """
    import yaml

    from segrepro import models
    from segrepro.models import _count

    chosen: dict[str, Any] = {}
    for item in options or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--set {item!r} has no value.", "Write it as --set key=value.")
        chosen[key] = yaml.safe_load(value)
    counted = _count.count(models.build(model, channels=channels, classes=classes, **chosen))
    typer.echo(f"total {counted.total}\ntrainable {counted.trainable}")


Json = Annotated[bool, typer.Option("--json", help="As JSON, for programs.")]


@app.command(name="models")
def models_(as_json: Json = False) -> None:
    """List the networks and their options.

    Example: `segrepro models --json`
    """
    entries = {}
    for name in registry.names("segrepro.models"):
        module = registry.load("segrepro.models", name, kind="model")
        entries[name] = {
            "about": _first_line(module.__doc__),
            "options": json.loads(module.Config().model_dump_json()),
        }
    _listed(entries, as_json=as_json)


@app.command()
def datasets(as_json: Json = False) -> None:
    """List the data sets.

    Example: `segrepro datasets --json`
    """
    from segrepro.datasets import load

    entries = {}
    for name in registry.names("segrepro.datasets"):
        card = load(name).CARD
        entries[name] = {
            "about": card.title,
            "modality": card.modality,
            "classes": list(card.classes),
            "cases": card.expected_cases,
            "group_unit": card.group_unit,
            "licence": card.licence,
            "url": card.url,
        }
    _listed(entries, as_json=as_json)


@app.command()
def papers(as_json: Json = False) -> None:
    """List the papers and what they compare.

    Example: `segrepro papers --json`
    """
    entries = {}
    for path in sorted(layout.PAPERS.glob("*.yaml")):
        paper = load_paper(path)
        entries[paper.name] = {
            "about": paper.citation.title,
            "year": paper.citation.year,
            "datasets": list(paper.datasets),
            "models": list(paper.models),
            "claims": len(paper.claims),
            "studies": [paper.name, paper.name + DEMO],
        }
    _listed(entries, as_json=as_json)


def _listed(entries: dict[str, dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(entries, indent=2))
    else:
        for name, facts in entries.items():
            typer.echo(f"{name:16} {facts['about']}")


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def _slices(study: str, dataset: str, overrides: list[str] | None) -> Path:
    return layout.slices(dataset, _study(study, overrides).dataset(dataset).slicing.name)


def _device(gpus: int) -> str:
    import torch

    return "cuda" if gpus and torch.cuda.is_available() else "cpu"


def _threads(threads: int) -> int:
    import os

    return threads or os.cpu_count() or 1
