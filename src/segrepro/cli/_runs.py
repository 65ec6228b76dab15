"""One run, one network: ``train``, ``predict``, ``score``, ``complexity``."""

from pathlib import Path
from typing import Annotated

import typer

from segrepro.cli._app import app
from segrepro.cli._options import (
    Address,
    Folder,
    Gpus,
    Overrides,
    Protocol,
    Threads,
    computing,
    given,
    parts_of,
    slices_of,
    study_named,
    threads_for,
)
from segrepro.protocol import layout, parts, stages


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
    devices: Annotated[
        int, typer.Option(min=1, help="On the CPU: processes that share each batch.")
    ] = 1,
    checkpoint_seconds: Annotated[
        float, typer.Option(min=0, help="What a killed run may lose; 0: a state after every step.")
    ] = 60.0,
    checkpoint_steps: Annotated[
        int | None, typer.Option(min=1, help="A state after so many steps, however long they take.")
    ] = None,
    activation_checkpointing: Annotated[
        bool,
        typer.Option(
            "--activation-checkpointing",
            envvar="SEGREPRO_ACTIVATION_CHECKPOINTING",
            help="Less memory, more time, the same numbers: blocks are computed twice.",
        ),
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            envvar="SEGREPRO_TENSORBOARD",
            help="Folder for TensorBoard's files; each run has one of its own below it.",
        ),
    ] = None,
) -> None:
    """Train one run; a killed run goes on.

    Example: `segrepro train multiresunet-demo/isbi2012-phantom/unet/fold0`
    """
    from segrepro.training import train as training

    study, dataset, model, run = parts_of(address, "STUDY/DATASET/MODEL/RUN")
    stage = (
        given(stages.TrainStage, protocol)
        if protocol
        else parts.train_stage(study_named(study, overrides), dataset, model, run)
    )
    folder = out or layout.run(study, dataset, model, run)
    with computing(gpus, devices) as (device, processes):
        training.train(
            stage,
            slices=slices or slices_of(study, dataset, overrides),
            split=split or layout.split(study, dataset),
            out=folder,
            state=folder / "state",
            device=device,
            threads=threads_for(threads, study),
            devices=processes,
            label=address,
            checkpoint_seconds=checkpoint_seconds,
            checkpoint_steps=checkpoint_steps,
            activation_checkpointing=activation_checkpointing,
            tensorboard=tensorboard and tensorboard / address,
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

    study, dataset, model, run = parts_of(address, "STUDY/DATASET/MODEL/RUN")
    stage = (
        given(stages.PredictStage, protocol)
        if protocol
        else parts.predict_stage(study_named(study, overrides), dataset, model, run)
    )
    folder = layout.run(study, dataset, model, run)
    with computing(min(gpus, 1)) as (device, _):
        prediction.predict(
            stage,
            slices=slices or slices_of(study, dataset, overrides),
            split=split or layout.split(study, dataset),
            weights=weights or folder / "model.safetensors",
            last=last or folder / "last.safetensors",
            out=out or folder / "predictions.npz",
            device=device,
            threads=threads_for(threads, study),
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

    study, dataset, model, run = parts_of(address, "STUDY/DATASET/MODEL/RUN")
    stage = (
        given(stages.ScoreStage, protocol)
        if protocol
        else parts.score_stage(study_named(study, overrides), dataset)
    )
    folder = layout.run(study, dataset, model, run)
    scoring.score(
        stage,
        predictions=predictions or folder / "predictions.npz",
        slices=slices or slices_of(study, dataset, overrides),
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

    study, model = parts_of(address, "STUDY/MODEL")
    stage = (
        given(stages.ComplexityStage, protocol)
        if protocol
        else parts.complexity_stage(study_named(study, overrides), model)
    )
    measurement.complexity(
        stage,
        out=out or layout.results(study) / "complexity" / f"{model}.json",
        threads=threads_for(threads, study),
    )
