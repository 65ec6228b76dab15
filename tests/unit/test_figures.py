"""The figures of a small finished study; its numbers are in `_finished_study`."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _finished_study import CONSTANT, EPOCHS, SIDE, study_part, write_all
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from segrepro import figures
from segrepro.errors import UserError
from segrepro.figures import _style, qualitative_panel, validation_curves
from segrepro.protocol.paper import FigureSpec
from segrepro.protocol.stages import FigureStage, StudyPart

KINDS = figures.names()


def stage_of(part: StudyPart, kind: str) -> FigureStage:
    spec = FigureSpec(kind=kind, title="Figure", cases=2)
    classes = dict.fromkeys(part.datasets, ("cell",))
    return FigureStage(part=part, name="f", spec=spec, classes=classes)


def curves(folder: Path, part: StudyPart) -> Figure:
    slices = write_all(folder, part)
    return validation_curves.draw(
        stage_of(part, "validation_curves"),
        results=folder,
        claims=folder / "claims.csv",
        slices=slices,
    )


def test_every_kind_in_the_folder_can_be_named() -> None:
    assert {"qualitative_panel", "validation_curves"} <= set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_results_give_the_same_bytes(tmp_path: Path, kind: str) -> None:
    part = study_part()
    slices = write_all(tmp_path, part)
    for out in ("a", "b"):
        figures.make(
            stage_of(part, kind),
            results=tmp_path,
            claims=tmp_path / "claims.csv",
            slices=slices,
            out=tmp_path / out,
        )
    for ending in ("svg", "png"):
        first, second = ((tmp_path / out / f"f.{ending}").read_bytes() for out in ("a", "b"))
        assert first == second
    assert "dc:date" not in (tmp_path / "a/f.svg").read_text(encoding="utf-8")
    assert Image.open(tmp_path / "a/f.png").info.keys() == {"dpi"}


def test_the_line_is_the_mean_over_the_folds(tmp_path: Path) -> None:
    (axis,) = curves(tmp_path, study_part()).axes
    line = axis.get_lines()[0]
    assert line.get_label() == "U-Net (baseline)"
    assert list(line.get_xdata()) == list(range(1, EPOCHS + 1))
    # The third epoch is the best: 80, 82, 84.
    assert line.get_ydata()[2] == pytest.approx(82)


def test_the_constant_prediction_is_a_line_across(tmp_path: Path) -> None:
    (axis,) = curves(tmp_path, study_part()).axes
    (line,) = [found for found in axis.get_lines() if found.get_label() == "class everywhere"]
    assert list(line.get_ydata()) == pytest.approx([100 * CONSTANT] * 2)


@pytest.mark.parametrize(
    ("part", "markers"),
    [
        (study_part(), 2),
        (study_part(synthetic=True), 0),
        (study_part(shortened=("4 of 150 epochs",)), 0),
    ],
    ids=["real", "synthetic", "shortened"],
)
def test_the_papers_numbers_stand_only_beside_full_real_runs(
    tmp_path: Path, part: StudyPart, markers: int
) -> None:
    (axis,) = curves(tmp_path, part).axes
    assert len(axis.containers) == markers


def test_a_panel_of_phantoms_says_so(tmp_path: Path) -> None:
    (axis,) = curves(tmp_path, study_part(synthetic=True)).axes
    assert axis.get_title(loc="left") == "Electron Microscopy (synthetic)"


def test_a_data_set_without_runs_has_no_panel(tmp_path: Path) -> None:
    part = study_part()
    more = part.model_copy(update={"datasets": {"murphy": "Fluorescence", **part.datasets}})
    (axis,) = curves(tmp_path, more).axes
    assert axis.get_title(loc="left") == "Electron Microscopy"


def test_a_study_without_runs_has_no_figure(tmp_path: Path) -> None:
    part = study_part().model_copy(update={"runs": ()})
    with pytest.raises(UserError, match="has no run"):
        curves(tmp_path, part)


@pytest.mark.parametrize("kind", KINDS)
def test_a_caption_of_phantoms_says_so(kind: str) -> None:
    said = "The images are synthetic."
    assert figures.caption(stage_of(study_part(synthetic=True), kind)).endswith(said)
    assert said not in figures.caption(stage_of(study_part(), kind))


def test_a_history_without_the_metric_says_what_to_set(tmp_path: Path) -> None:
    part = study_part()
    slices = write_all(tmp_path, part)
    path = tmp_path / "isbi2012/unet/fold0/history.csv"
    path.write_text(
        "epoch,train_loss,selection_loss,selection_jaccard\n1,0.5,,\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match="follows no jaccard"):
        validation_curves.draw(
            stage_of(part, "validation_curves"),
            results=tmp_path,
            claims=tmp_path / "claims.csv",
            slices=slices,
        )


def test_the_panel_has_a_row_per_image_and_a_column_per_network(tmp_path: Path) -> None:
    part = study_part()
    slices = write_all(tmp_path, part)
    figure = qualitative_panel.draw(
        stage_of(part, "qualitative_panel"),
        results=tmp_path,
        claims=tmp_path / "claims.csv",
        slices=slices,
    )
    assert len(figure.axes) == 2 * (2 + 2)
    titles = [axis.get_title() for axis in figure.axes[:4]]
    assert titles == ["Image", "Truth", "U-Net (baseline)", "MultiResUNet (proposed)"]
    assert [axis.get_xlabel() for axis in figure.axes[:4]] == ["", "", "0.800", "0.840"]


def test_errors_have_their_own_colours() -> None:
    truth = np.array([[True, True, False, False]])
    prediction = np.array([[True, False, True, False]])
    picture = qualitative_panel._painted(truth, prediction)
    assert tuple(picture[0, 1]) == to_rgb(_style.FALSE_NEGATIVE)
    assert tuple(picture[0, 2]) == to_rgb(_style.FALSE_POSITIVE)
    assert len({tuple(colour) for colour in picture[0]}) == 4


def test_the_lowest_the_middle_and_the_highest_are_shown() -> None:
    scores = pd.Series({"e": 0.5, "a": 0.1, "d": 0.4, "b": 0.2, "c": 0.3})
    assert qualitative_panel._evenly_ranked(scores, 3) == [("a", 0), ("c", 2), ("e", 4)]
    assert qualitative_panel._evenly_ranked(scores[:1], 3) == [("e", 0)]


def test_broken_predictions_name_the_command(tmp_path: Path) -> None:
    part = study_part()
    slices = write_all(tmp_path, part)
    (tmp_path / "isbi2012/unet/fold0/predictions.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(UserError, match="segrepro predict multiresunet/isbi2012/unet/fold0"):
        qualitative_panel.draw(
            stage_of(part, "qualitative_panel"),
            results=tmp_path,
            claims=tmp_path / "claims.csv",
            slices=slices,
        )


def test_grey_images_are_stretched_and_colour_images_keep_their_channels() -> None:
    grey = np.arange(SIDE * SIDE, dtype=np.uint16).reshape(1, SIDE, SIDE)
    assert (qualitative_panel._shown(grey).min(), qualitative_panel._shown(grey).max()) == (0, 255)
    assert qualitative_panel._shown(np.zeros((3, 4, 5), dtype=np.uint8)).shape == (4, 5, 3)
