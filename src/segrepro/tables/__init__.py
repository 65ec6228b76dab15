"""One file per kind of table: ``compute`` gives the numbers, ``display`` the cells people read."""

from pathlib import Path
from types import ModuleType

import pandas as pd

from segrepro import registry
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
    shown: Display = kind.display(frame, stage)
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
    shown: Display = _kind(stage).display(pd.read_csv(path, keep_default_na=True), stage)
    return shown


def _kind(stage: TableStage) -> ModuleType:
    return registry.load(__name__, stage.spec.kind, kind="kind of table")
