"""Run benchmarks: ``python -m benchmarks [NAME] [--list] [--json] [--device D] [--keep F]``."""

import json
import os
import platform
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Annotated

import typer

from benchmarks._result import Result
from segrepro.files import write_json

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the benchmarks there are: the public files of this folder."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def measure(name: str, device: str) -> dict[str, object]:
    """Run one benchmark and say on which machine."""
    run = import_module(f"benchmarks.{name}").measure
    chosen = {"device": device} if "device" in signature(run).parameters else {}
    result: Result = run(**chosen)
    machine = {"processor": platform.machine(), "cores": os.cpu_count(), "name": _processor()}
    content = result.as_dict()
    content["detail"] = {**result.detail, "machine": machine}
    return content


def keep(content: dict[str, object], path: Path) -> None:
    """Put a result into a file of them, in place of an older one of the same name."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    by_name = {**{one["name"]: one for one in kept}, str(content["name"]): content}
    write_json(path, [by_name[name] for name in sorted(by_name)])


def _processor() -> str:
    """Return what the processor calls itself, empty where the system does not say."""
    table = Path("/proc/cpuinfo")
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""


def main(
    name: Annotated[str | None, typer.Argument(help="By default all, one after the other.")] = None,
    as_list: Annotated[bool, typer.Option("--list", help="Name them.")] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda, for those that can choose.")] = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a benchmark.")] = False,
    kept_in: Annotated[
        Path | None, typer.Option("--keep", help="Also keep results in this file of JSON.")
    ] = None,
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
        content = measure(one, device)
        missed = missed or not content["ok"]
        if kept_in:
            keep(content, kept_in)
        if as_json:
            typer.echo(json.dumps(content))
        else:
            word = "meets" if content["ok"] else "misses"
            typer.echo(f"{one}: {content['ratio']} {word} its bar of {content['bar']}")
    raise typer.Exit(1 if missed else 0)


if __name__ == "__main__":
    typer.run(main)
