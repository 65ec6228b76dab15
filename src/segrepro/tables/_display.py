"""A table as people read it: formatted cells, then Markdown or LaTeX."""

from dataclasses import dataclass
from math import isnan

NOTHING = "\N{EN DASH}"
"""What stands in a cell without a number."""
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "±": r"$\pm$", TIMES: r"$\times$", MINUS: r"$-$", NOTHING: "--",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Display:
    """Formatted cells; the first `texts` columns are words, the rest numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    texts: int
    notes: tuple[str, ...] = ()


def number(value: float, decimals: int = 2, *, signed: bool = False) -> str:
    """Return a number with grouped thousands, or a dash for ``nan``."""
    if isnan(value):
        return NOTHING
    # No sign on a nought: "+0" says less than "0".
    text = f"{value:{'+' if signed and value else ''},.{decimals}f}"
    return text.replace("-", MINUS)


def mean_and_spread(mean: float, spread: float) -> str:
    """Return ``mean ± spread``, or what there is of it."""
    return number(mean) if isnan(spread) else f"{number(mean)} ± {number(spread)}"


def markdown(title: str, shown: Display) -> str:
    """Return a Markdown table with its title above and its notes below."""
    rules = ["---" if i < shown.texts else "---:" for i in range(len(shown.header))]
    rows = [shown.header, tuple(rules), *shown.rows]
    lines = ["| " + " | ".join(_markdown_cell(c) for c in row) + " |" for row in rows]
    return "\n".join([f"**{title}**", "", *lines, "", *(f"{note}\n" for note in shown.notes)])


def _markdown_cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|")


def latex(title: str, shown: Display) -> str:
    """Return a LaTeX table; it needs the package booktabs."""
    columns = "l" * shown.texts + "r" * (len(shown.header) - shown.texts)
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escaped(' '.join([f'{title}.', *shown.notes]))}}}",
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        f"    {_latex_row(shown.header)}",
        r"    \midrule",
        *(f"    {_latex_row(row)}" for row in shown.rows),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
        "",
    ]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Return `text` so that LaTeX prints it as it stands."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: tuple[str, ...]) -> str:
    return " & ".join(escaped(cell) for cell in cells) + r" \\"
