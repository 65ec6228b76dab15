"""From the publisher to splits: ``fetch``, ``phantom``, ``convert``, ``slice``, ``split``."""

from pathlib import Path
from typing import Annotated

import typer

from segrepro.cli._app import app
from segrepro.cli._options import (
    Dataset,
    Folder,
    Overrides,
    Protocol,
    Workers,
    given,
    parts_of,
    slices_of,
    study_named,
)
from segrepro.errors import UserError
from segrepro.protocol import layout, parts, stages
from segrepro.protocol.study import PHANTOM


@app.command()
def fetch(
    dataset: Dataset,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="A folder or an archive of published files you already have."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare a copy with the published files.")
    ] = False,
    workers: Workers = 1,
    raw: Folder = None,
    manifest: Folder = None,
) -> None:
    """Get a data set's published bytes and list them.

    Example: `segrepro fetch isbi2012 --from ~/isbi`; `segrepro fetch isbi2012 --check`
    """
    from segrepro.cases import raw as raw_bytes
    from segrepro.cases.compare import check_copy

    if check:
        for line in check_copy(dataset, source or raw or layout.raw(dataset)):
            typer.echo(line)
        return

    raw_bytes.fetch(
        dataset,
        raw=raw or layout.raw(dataset),
        manifest=manifest or layout.manifest(dataset),
        source=source,
        workers=workers,
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
        given(stages.PhantomStage, protocol)
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
    dataset: Dataset,
    workers: Workers = 1,
    raw: Folder = None,
    manifest: Folder = None,
    out: Folder = None,
) -> None:
    """Turn published bytes into checked cases on their native grid.

    Example: `segrepro convert isbi2012 --workers 4`
    """
    from segrepro.cases import convert as conversion

    conversion.convert(
        dataset,
        raw=raw or layout.raw(dataset),
        manifest=manifest or layout.manifest(dataset),
        out=out or layout.cases(dataset),
        workers=workers,
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
        stage = given(stages.SliceStage, protocol)
    elif study:
        stage = parts.slice_stage(study_named(study, overrides), dataset)
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

    study, dataset = parts_of(address, "STUDY/DATASET")
    stage = (
        given(stages.SplitStage, protocol)
        if protocol
        else parts.split_stage(study_named(study, overrides), dataset)
    )
    make.make_split(
        stage,
        slices=slices or slices_of(study, dataset, overrides),
        out=out or layout.split(study, dataset),
    )
