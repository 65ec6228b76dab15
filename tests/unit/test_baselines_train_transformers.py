"""The transformer and state-space baselines learn from images of 64x64, in the real loop."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _tiny_run import train_stage, train_tiny, write_study

# A small form of each, and of all its parts.
NETWORKS: dict[str, dict[str, object]] = {
    "mambaunet": {"width": 16, "depths": (1, 1, 1, 1)},
    "swinunet": {"width": 16, "heads": (1, 2, 4, 8), "image_size": 64},
    "transunet": {"width_factor": 1 / 2, "units": (1, 1, 1), "layers": 2, "image_size": 64},
    "vmunet": {"width": 16, "depths": (1, 1, 1, 1), "decoder_depths": (1, 1, 1, 1)},
}
TIMES_LARGER = 4


def write_study_of_64x64(folder: Path) -> None:
    write_study(folder)
    for name in ("images", "masks"):
        path = folder / "slices" / f"{name}.npy"
        pixels = np.load(path)
        np.save(path, pixels.repeat(TIMES_LARGER, axis=-1).repeat(TIMES_LARGER, axis=-2))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_loss_falls_within_a_few_steps(tmp_path: Path, name: str, precision: str) -> None:
    write_study_of_64x64(tmp_path)
    network = {"name": name, "options": NETWORKS[name]}
    stage = train_stage(network=network, epochs=3, precision=precision, checkpoint="last")
    losses = pd.read_csv(train_tiny(tmp_path, stage) / "history.csv")["train_loss"]
    assert losses.is_monotonic_decreasing
    # From that of a coin, or about, by at least a tenth.
    assert losses.iloc[-1] < 0.9 * losses.iloc[0] < 1
