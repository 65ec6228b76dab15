"""How all figures look, and how their bytes stay the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from segrepro.files import write_bytes

# Okabe and Ito 2008: told apart with any colour vision.
MODEL_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MODEL_LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)))
FALSE_POSITIVE = "#D55E00"
FALSE_NEGATIVE = "#56B4E9"
GREY = "#595959"

_LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.labelsize": 8.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.6,
    "svg.fonttype": "path",
}
_METADATA = {
    # Without these, the files would hold the time and the version they were made with.
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}


@contextmanager
def applied(*, salt: str) -> Iterator[None]:
    """Draw with our look; `salt` makes the names inside an SVG the same every time."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_LOOK, "svg.hashsalt": salt})
        yield


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure that belongs to no window."""
    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the path's ending."""
    kind = path.suffix.removeprefix(".")
    buffer = BytesIO()
    figure.savefig(buffer, format=kind, dpi=150, metadata=_METADATA[kind])
    write_bytes(path, buffer.getvalue())
