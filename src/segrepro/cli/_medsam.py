"""What is prompted with the truth: ``medsam``."""

from pathlib import Path
from typing import Annotated

import typer

from segrepro.cli._app import app
from segrepro.cli._options import (
    Folder,
    Gpus,
    Overrides,
    Threads,
    computing,
    parts_of,
    slices_of,
    study_named,
    threads_for,
)
from segrepro.protocol import layout


@app.command()
def medsam(
    address: Annotated[str, typer.Argument(help="STUDY/DATASET/RUN")],
    checkpoint: Annotated[Path, typer.Option(help="Yours: a folder, or a .safetensors file.")],
    overrides: Overrides = None,
    slices: Folder = None,
    split: Folder = None,
    out: Folder = None,
    threads: Threads = 0,
    gpus: Gpus = 1,
) -> None:
    """Predict with MedSAM, prompted with the box of the truth: for comparison only.

    Needs `pip install 'segrepro[medsam]'`. Score it with `segrepro score STUDY/DATASET/medsam/RUN`.

    Example: `segrepro medsam multiresunet/isbi2012/fold0 --checkpoint medsam-vit-base`
    """
    from segrepro.inference import medsam as prompted

    study, dataset, run = parts_of(address, "STUDY/DATASET/RUN")
    with computing(min(gpus, 1)) as (device, _):
        prompted.predict(
            run=run,
            classes=study_named(study, overrides).dataset(dataset).classes,
            slices=slices or slices_of(study, dataset, overrides),
            split=split or layout.split(study, dataset),
            checkpoint=checkpoint,
            out=out or layout.run(study, dataset, "medsam", run) / "predictions.npz",
            device=device,
            threads=threads_for(threads, study),
        )
