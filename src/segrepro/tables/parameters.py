"""Sizes of the networks, the paper's counts and ours side by side."""

from math import nan
from pathlib import Path

import pandas as pd

from segrepro.claims import ledger
from segrepro.claims.results import complexity
from segrepro.protocol.stages import TableStage
from segrepro.tables._display import TIMES, Display, number


def compute(stage: TableStage, *, results: Path, claims: Path) -> pd.DataFrame:
    """Return one row per model of the study."""
    published = ledger.read(claims)
    published = published[published["metric"] == ledger.PARAMETERS].set_index("variant")
    rows = []
    for model, label in stage.part.models.items():
        counted = complexity(stage.part, results, model)
        paper = float(published["published"].get(model, nan))
        rows.append(
            {
                "model": model,
                "model_label": label,
                "network": counted["network"],
                "channels": counted["channels"],
                "classes": counted["classes"],
                "size": "x".join(str(side) for side in counted["size"]),
                "paper": paper,
                "ours": counted["parameters_total"],
                "difference": counted["parameters_total"] - paper,
                "trainable": counted["parameters_trainable"],
                "multiply_adds": counted["multiply_adds"],
                "weight_bytes": counted["weight_bytes"],
                "latency_seconds": counted["latency_seconds"],
                "peak_memory_bytes": counted["peak_memory_bytes"],
            }
        )
    return pd.DataFrame(rows)


def display(frame: pd.DataFrame, stage: TableStage) -> Display:
    """Return the cells: counts to the last digit, multiply-adds in 10^9, milliseconds."""
    header = (
        "Model", "Input", "Paper", "Ours", "Difference", "Trainable", "Multiply-adds, 10^9",
        "Weights, MB", "Forward, ms",
    )  # fmt: skip
    rows = tuple(
        (
            str(row["model_label"]),
            f" {TIMES} ".join([str(row["channels"]), *str(row["size"]).split("x")]),
            number(float(row["paper"]), 0),
            number(float(row["ours"]), 0),
            number(float(row["difference"]), 0, signed=True),
            number(float(row["trainable"]), 0),
            number(float(row["multiply_adds"]) / 1e9),
            number(float(row["weight_bytes"]) / 1e6, 1),
            number(float(row["latency_seconds"]) * 1e3, 1),
        )
        for row in frame.to_dict(orient="records")
    )
    notes = [
        "Counts include running means and variances of batch normalisation, as Keras prints them.",
        "Input: channels, then rows and columns. Forward: one input, on the machine of this run.",
    ]
    if stage.part.synthetic:
        notes.append("The demo's networks are narrower than the paper's: no comparison.")
    return Display(header=header, rows=rows, texts=2, notes=tuple(notes))
