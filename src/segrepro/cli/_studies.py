"""A whole study: ``claims``, ``tables``, ``figures``, ``report``."""

from typing import Annotated

import typer

from segrepro.cli._app import app
from segrepro.cli._options import (
    Folder,
    Overrides,
    StudyName,
    study_named,
)
from segrepro.protocol import layout, parts


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
        parts.claims_stage(study_named(study, overrides)),
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

    chosen = study_named(study, overrides)
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

    chosen = study_named(study, overrides)
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
        parts.report_stage(study_named(study, overrides)),
        results=folder,
        out=out or folder / "report.html",
    )
