"""What several commands share: their arguments, and from these to studies and stages."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from segrepro.errors import UserError
from segrepro.protocol import layout
from segrepro.protocol._frozen import Frozen
from segrepro.protocol.settings import parse_settings, validation_message
from segrepro.protocol.study import Study, check_settings, train_threads

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
Threads = Annotated[int, typer.Option(min=0, help="CPU threads; 0: 1 in a demo, else all.")]
Workers = Annotated[int, typer.Option(min=1, help="Processes that work at the same time.")]
Gpus = Annotated[int, typer.Option(min=0, help="0: the CPU. N: so many GPUs, if there are.")]

Stage = TypeVar("Stage", bound=Frozen)


def study_named(name: str, overrides: list[str] | None) -> Study:
    """Return a study with the overrides of ``--set key=value``."""
    values: dict[str, Any] = {}
    for item in overrides or []:
        key, equals, value = item.partition("=")
        if not equals:
            raise UserError(f"--set {item!r} has no value.", "Write it as --set epochs=3.")
        values[key] = value
    study = Study.named(name, papers=layout.PAPERS, settings=parse_settings(values))
    check_settings(study.settings, [study])
    return study


def given(kind: type[Stage], protocol: str) -> Stage:
    """Return the stage that a rule handed over as JSON."""
    try:
        return kind.model_validate_json(protocol)
    except ValidationError as error:
        raise validation_message(error, where="--protocol", model=kind) from error


def parts_of(address: str, form: str) -> list[str]:
    """Return the names in an address such as STUDY/DATASET/MODEL/RUN."""
    names = address.strip("/").split("/")
    if len(names) != len(form.split("/")) or not all(names):
        raise UserError(f"{address!r} is no {form}.", "Write it as the path below results/.")
    return names


def slices_of(study: str, dataset: str, overrides: list[str] | None) -> Path:
    """Return where the slices of a study's data set are."""
    return layout.slices(dataset, study_named(study, overrides).dataset(dataset).slicing.name)


@contextmanager
def computing(gpus: int, devices: int = 1) -> Iterator[tuple[str, int]]:
    """Yield the device for so many GPUs, and how many processes compute: the CPU if there is none.

    The process keeps the memory that tensors free (`keep_freed_memory`): it is one of our commands.
    Where nobody else gives GPUs away (a batch system sets ``CUDA_VISIBLE_DEVICES``), jobs that run
    side by side take turns at them.
    """
    from segrepro.training._allocator import keep_freed_memory

    # Before PyTorch starts its threads.
    keep_freed_memory()
    import torch

    from segrepro.training._gpus import claimed, visible

    there = torch.cuda.device_count() if gpus else 0
    if not there:
        yield "cpu", devices
    elif visible() is not None:
        yield "cuda", min(gpus, there)
    else:
        with claimed(min(gpus, there), there=[str(number) for number in range(there)]) as names:
            if len(names) > 1:
                # Before CUDA starts, here and in the processes to come.
                os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(names)
            yield ("cuda" if len(names) > 1 else f"cuda:{names[0]}"), len(names)


def threads_for(threads: int, study: str) -> int:
    """Return the number of threads, with 0 for what the pipeline takes."""
    return threads or train_threads(study, cores=os.cpu_count() or 1)
