"""One file per kind of table: ``compute`` gives the numbers, ``display`` the cells people read."""

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pandas as pd

from segrepro import registry
from segrepro.claims.results import complexity
from segrepro.errors import UserError
from segrepro.files import all_or_none, write_text
from segrepro.protocol.stages import TableStage
from segrepro.tables._display import Display, latex, markdown


def names() -> list[str]:
    """Return the names of all kinds of table."""
    return registry.names(__name__)


def make(stage: TableStage, *, results: Path, claims: Path, out: Path) -> None:
    """Write ``{name}.md``, ``{name}.tex`` and, last, ``{name}.csv`` with all digits.

    Parameters
    ----------
    results
        The folder ``results/{study}``.
    claims
        The study's ledger.
    out
        The folder of the tables.
    """
    kind = _kind(stage)
    frame: pd.DataFrame = kind.compute(stage, results=results, claims=claims)
    frame = _with_starts(frame, stage, results=results)
    shown = _shown(kind, frame, stage)
    texts = {
        out / f"{stage.name}.md": markdown(stage.spec.title, shown),
        out / f"{stage.name}.tex": latex(stage.spec.title, shown),
        out / f"{stage.name}.csv": frame.to_csv(index=False, lineterminator="\n"),
    }
    with all_or_none(*texts):
        for path, text in texts.items():
            write_text(path, text)


def read(stage: TableStage, *, tables: Path) -> Display:
    """Return the cells of a table that was made before."""
    path = tables / f"{stage.name}.csv"
    if not path.is_file():
        raise UserError(
            f"no table {path}.", f"Make it with `segrepro tables {stage.part.study} {stage.name}`."
        )
    return _shown(_kind(stage), pd.read_csv(path, keep_default_na=True), stage)


def _kind(stage: TableStage) -> ModuleType:
    return registry.load(__name__, stage.spec.kind, kind="kind of table")


def _with_starts(frame: pd.DataFrame, stage: TableStage, *, results: Path) -> pd.DataFrame:
    """Return the frame with a column of the pretrained weights that its networks did without."""
    if "model" not in frame:
        return frame
    starts = {
        model: complexity(stage.part, results, model).get("from_scratch_instead_of", "")
        for model in frame["model"].unique()
    }
    return frame.assign(from_scratch_instead_of=frame["model"].map(starts))


def _shown(kind: ModuleType, frame: pd.DataFrame, stage: TableStage) -> Display:
    """Return the cells, and under them which networks are handicapped by their start."""
    shown: Display = kind.display(frame, stage)
    if "from_scratch_instead_of" not in frame:
        return shown
    starts = dict(zip(frame["model"], frame["from_scratch_instead_of"], strict=True))
    notes = (
        f"{stage.part.models[model]} is trained from scratch here; its own paper begins with"
        f" pretrained weights ({start})."
        for model, start in starts.items()
        # An empty cell is no text once it was in a file.
        if isinstance(start, str) and start
    )
    return replace(shown, notes=(*shown.notes, *notes))
