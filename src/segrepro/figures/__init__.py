"""One file per kind of figure: ``draw`` gives the figure, ``caption`` the words beneath it."""

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from segrepro import registry
from segrepro.figures import _style
from segrepro.files import all_or_none
from segrepro.protocol.stages import FigureStage


def names() -> list[str]:
    """Return the names of all kinds of figure."""
    return registry.names(__name__)


def make(
    stage: FigureStage, *, results: Path, claims: Path, slices: Mapping[str, Path], out: Path
) -> None:
    """Write ``{name}.png`` at 150 dpi and, last, ``{name}.svg``.

    Parameters
    ----------
    results
        The folder ``results/{study}``.
    claims
        The study's ledger.
    slices
        For each data set of the study, the folder of its slices.
    out
        The folder of the figures.
    """
    kind = _kind(stage.spec.kind)
    with _style.applied(salt=stage.name):
        figure = kind.draw(stage, results=results, claims=claims, slices=slices)
        paths = [out / f"{stage.name}.{ending}" for ending in ("png", "svg")]
        with all_or_none(*paths):
            for path in paths:
                _style.write(figure, path)


def caption(stage: FigureStage) -> str:
    """Return what a figure shows, in sentences."""
    text: str = _kind(stage.spec.kind).caption(stage)
    return text


def _kind(name: str) -> ModuleType:
    return registry.load(__name__, name, kind="kind of figure")
