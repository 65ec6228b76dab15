"""The guide's page about a data set, made from its card.

``python -m segrepro.datasets._page docs/guide/datasets`` writes the pages of all data sets.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from segrepro import datasets
from segrepro.datasets._types import Card, Layout, Source
from segrepro.files import write_text

MOST_SOURCES = 8
"""Of a data set with more, the first few are shown."""


def page(card: Card, sources: Sequence[Source], layouts: Sequence[Layout] = ()) -> str:
    """Return a Markdown page that says what a data set is, its terms and how to get it."""
    labels = ", ".join(f"{label} {name}" for label, name in enumerate(card.classes, start=1))
    facts = {
        "Modality": card.modality,
        "Channels": ", ".join(card.channels),
        "Labels": f"0 {card.background}, {labels}",
        "Cases": f"{card.expected_cases} in {card.expected_groups} groups",
        "Group": card.group_unit,
        "Spacing": "as published" if card.spacing_known else UNKNOWN_SPACING,
        "Licence": card.licence,
        "Terms": card.terms,
        "Publisher": f"<{card.url}>",
    }
    sections = {
        "Cite": [card.citation],
        "What papers took": _uses(card),
        "Pitfalls, taken care of": [f"- {pitfall}" for pitfall in card.pitfalls],
        "Files": _files(sources),
        "Layouts that are read, the first complete one": [_layout_line(one) for one in layouts],
    }
    lines = ["<!-- Made from the card by segrepro.datasets._page: edit the card. -->", ""]
    lines += [f"# {card.title}", "", *_table(("", ""), facts.items())]
    for title, content in sections.items():
        if content:
            lines += ["", f"## {title}", "", *content]
    return "\n".join(lines) + "\n"


UNKNOWN_SPACING = "not published: 1 mm stands in, and no distance in mm has a meaning"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in cells]


def _uses(card: Card) -> list[str]:
    rows = [(use.paper, use.says, use.holds, use.choice) for use in card.uses]
    header = ("Paper", "What it says", "What the data hold", "What we do")
    return _table(header, rows) if rows else []


def _files(sources: Sequence[Source]) -> list[str]:
    shown = sources if len(sources) <= MOST_SOURCES else sources[: MOST_SOURCES // 2]
    lines = [_source_line(source) for source in shown]
    if len(shown) < len(sources):
        lines.append(f"- and {len(sources) - len(shown)} more files like these")
    for how in dict.fromkeys(source.how for source in sources if source.how):
        lines += ["", how]
    return lines


def _source_line(source: Source) -> str:
    facts = [f"`{source.path}`"]
    facts += [f"<{url}>" for url in (source.url, *source.mirrors) if url]
    facts += [f"`{source.reference}` through the client of {source.client}"] * bool(
        source.reference
    )
    facts += [f"SHA-256 `{source.sha256}`"] * bool(source.sha256)
    facts += [f"not pinned: {source.unpinned}"] * bool(source.unpinned)
    facts += [f"password in `{source.password_variable}`"] * bool(source.password_variable)
    return f"- {', '.join(facts)}"


def _layout_line(layout: Layout) -> str:
    required = ", ".join(f"`{pattern}`" for pattern in layout.required)
    optional = ", ".join(f"`{pattern}`" for pattern in layout.optional)
    counts = ", ".join(f"{count} `{pattern}`" for pattern, count in layout.expected_files.items())
    line = f"- {layout.name}: {required}" + (f"; optional {optional}" if optional else "")
    return line + (f". Complete with {counts}." if counts else "")


def write_pages(folder: Path) -> None:
    """Write ``{dataset}.md`` for every data set."""
    for name in datasets.names():
        module = datasets.load(name)
        write_text(folder / f"{name}.md", page(module.CARD, module.SOURCES, module.LAYOUTS))


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
