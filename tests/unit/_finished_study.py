"""The results of a small study, as the earlier stages would have left them.

Two networks, three folds of two images each on ISBI-2012. Jaccard of every image is the fold's:
U-Net 0.80, 0.82, 0.84 at the best epoch and 0.01 less at the last; MultiResUNet 0.04 more.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from segrepro.claims import ledger
from segrepro.protocol.stages import ClaimsStage, StudyPart
from segrepro.protocol.study import load_paper

PAPER = load_paper(Path(__file__).parents[2] / "config/papers/multiresunet.yaml")
BEST = {"unet": (0.80, 0.82, 0.84), "multiresunet": (0.84, 0.86, 0.88)}
LABELS = {"unet": "U-Net (baseline)", "multiresunet": "MultiResUNet (proposed)"}
COUNTS = {"unet": 7_759_521, "multiresunet": 7_262_750}
CONSTANT = 0.78
EPOCHS = 4
SIDE = 16


def study_part(
    *, synthetic: bool = False, shortened: tuple[str, ...] = (), folds: int = 3
) -> StudyPart:
    dataset = "isbi2012-phantom" if synthetic else "isbi2012"
    return StudyPart.model_validate(
        {
            "study": "multiresunet-demo" if synthetic else "multiresunet",
            "synthetic": synthetic,
            "shortened": shortened,
            "datasets": {dataset: "Electron Microscopy"},
            "models": LABELS,
            "runs": [
                {"dataset": dataset, "model": model, "run": f"fold{fold}"}
                for model in LABELS
                for fold in range(folds)
            ],
            "checkpoint": "best_on_reported_fold",
        }
    )


def claims_stage(part: StudyPart) -> ClaimsStage:
    here = {"isbi2012", *part.models}
    return ClaimsStage(
        part=part,
        claims=PAPER.claims,
        suffix="-phantom" if part.synthetic else "",
        networks={name: model.network for name, model in PAPER.models.items()},
        absent={n: f"no {n} here" for n in (*PAPER.datasets, *PAPER.models) if n not in here},
    )


def write_all(folder: Path, part: StudyPart) -> dict[str, Path]:
    """Write results, ledger and slices; return the folder of each data set's slices."""
    write_results(folder, part)
    write_slices(folder / "slices")
    ledger.fill(claims_stage(part), results=folder, out=folder / "claims.csv")
    return dict.fromkeys(part.datasets, folder / "slices")


def write_results(results: Path, part: StudyPart) -> None:
    for run in part.runs:
        fold = int(run.run.removeprefix("fold"))
        folder = results / run.dataset / run.model / run.run
        folder.mkdir(parents=True)
        best = BEST[run.model][fold]
        _scores(fold, best).to_parquet(folder / "scores.parquet", index=False)
        _history(best).to_csv(folder / "history.csv", index=False)
        (folder / "train.json").write_text(json.dumps(_stamp()), encoding="utf-8")
        _write_predictions(folder / "predictions.npz", fold)
    (results / "complexity").mkdir()
    for model in part.models:
        path = results / "complexity" / f"{model}.json"
        path.write_text(json.dumps(_complexity(model)), encoding="utf-8")


def write_slices(folder: Path) -> None:
    folder.mkdir(parents=True)
    names = [name for fold in range(3) for name in _slices(fold)]
    truth = np.stack([_truth()] * len(names))
    images = np.where(truth, 200, 40).astype(np.uint8)[:, None]
    np.save(folder / "images.npy", images)
    np.save(folder / "masks.npy", truth.astype(np.uint8))
    table = {"slice_id": names, "case_id": names, "group_id": "block0", "index": 0}
    pixels = {"pixels_cell": truth.sum(axis=(1, 2))}
    pd.DataFrame({**table, **pixels}).to_parquet(folder / "slices.parquet", index=False)


def _slices(fold: int) -> list[str]:
    return [f"section{2 * fold:02d}", f"section{2 * fold + 1:02d}"]


def _truth() -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((SIDE, SIDE), dtype=np.bool_)
    mask[4:12, 4:12] = True
    return mask


def _scores(fold: int, best: float) -> pd.DataFrame:
    by_predictor = {"best_on_reported_fold": best, "last": best - 0.01, "constant": CONSTANT}
    return pd.DataFrame(
        [
            {"case_id": name, "slice_id": name, "group_id": "block0", "class": "cell",
             "metric": metric, "predictor": predictor, "value": value}
            for name in _slices(fold)
            for metric in ("jaccard", "dice")
            for predictor, value in by_predictor.items()
        ]
    )  # fmt: skip


def _history(best: float) -> pd.DataFrame:
    epochs = range(1, EPOCHS + 1)
    curve = [0.5, 0.7, best, best - 0.01]
    return pd.DataFrame({"epoch": epochs, "train_loss": 0.3, "selection_jaccard": curve})


def _stamp() -> dict[str, Any]:
    return {
        "best_epoch": 3, "seconds_total": 61.0, "images_per_second": 8.5,
        "peak_memory_bytes": 512_000_000, "device": "cpu", "threads": 2, "resumed_times": 0,
        "warning": "the best epoch is chosen on the cases that are reported: optimistic",
        "versions": {"segrepro": "0.1.0", "torch": "2.13.0"},
    }  # fmt: skip


def _write_predictions(path: Path, fold: int) -> None:
    shifted = np.roll(_truth(), 1, axis=1)
    masks = np.stack([shifted, shifted])[:, None]
    arrays = {"best_on_reported_fold": masks, "last": masks}
    np.savez_compressed(path, slice_ids=_slices(fold), classes=["cell"], **arrays)


def _complexity(model: str) -> dict[str, Any]:
    return {
        "network": model, "options": {}, "channels": 1 if model == "unet" else 3, "classes": 1,
        "size": [256, 256], "parameters_total": COUNTS[model],
        "parameters_trainable": COUNTS[model], "multiply_adds": 12_500_000_000,
        "weight_bytes": 31_000_000, "latency_seconds": 0.25, "peak_memory_bytes": 300_000_000,
    }  # fmt: skip
