"""What there is: ``count``, ``models``, ``datasets``, ``papers``."""

import json
from typing import Annotated, Any

import typer

from segrepro import registry
from segrepro.cli._app import app
from segrepro.errors import UserError
from segrepro.protocol import layout
from segrepro.protocol.study import DEMO, load_paper


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
    import torch
    import yaml

    from segrepro import models
    from segrepro.models import _count

    chosen: dict[str, Any] = {}
    for item in options or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--set {item!r} has no value.", "Write it as --set key=value.")
        chosen[key] = yaml.safe_load(value)
    # Without memory for the weights: some networks have hundreds of millions.
    with torch.device("meta"):
        network = models.build(model, channels=channels, classes=classes, **chosen)
    counted = _count.count(network)
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
