"""Run benchmarks: ``python -m benchmarks [NAME] [--list] [--json]``."""

import json
import os
import platform
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from benchmarks._result import Result

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the benchmarks there are: the public files of this folder."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def measure(name: str) -> dict[str, object]:
    """Run one benchmark and say on which machine."""
    result: Result = import_module(f"benchmarks.{name}").measure()
    machine = {"processor": platform.machine(), "cores": os.cpu_count()}
    content = result.as_dict()
    content["detail"] = {**result.detail, "machine": machine}
    return content


def main(
    name: Annotated[str | None, typer.Argument(help="By default all, one after the other.")] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Name them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a benchmark.")] = False,
) -> None:
    """Measure speed as ratios. Example: `python -m benchmarks train_vs_resident_step --json`."""
    if as_list:
        typer.echo("\n".join(names()))
        return
    if name is not None and name not in names():
        typer.echo(f"error: unknown benchmark {name!r}.\nKnown: {', '.join(names())}.", err=True)
        raise typer.Exit(2)
    missed = False
    for one in [name] if name else names():
        content = measure(one)
        missed = missed or not content["ok"]
        if as_json:
            typer.echo(json.dumps(content))
        else:
            word = "meets" if content["ok"] else "misses"
            typer.echo(f"{one}: {content['ratio']} {word} its bar of {content['bar']}")
    raise typer.Exit(1 if missed else 0)


if __name__ == "__main__":
    typer.run(main)
