"""The guide's page about a data set, made from its card.

``python -m segrepro.datasets._page docs/guide/datasets`` writes the pages of all data sets.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from segrepro import datasets
from segrepro.datasets._types import Card, Layout, Source
from segrepro.files import write_text


def page(card: Card, sources: Sequence[Source], layouts: Sequence[Layout] = ()) -> str:
    """Return a Markdown page that says what a data set is, its terms and how to get it."""
    labels = ", ".join(f"{label} {name}" for label, name in enumerate(card.classes, start=1))
    facts = {
        "Modality": card.modality,
        "Channels": ", ".join(card.channels),
        "Labels": f"0 {card.background}, {labels}",
        "Cases": f"{card.expected_cases} in {card.expected_groups} groups",
        "Group": card.group_unit,
        "Licence": card.licence,
        "Terms": card.terms,
        "Publisher": f"<{card.url}>",
    }
    lines = ["<!-- Made from the card by segrepro.datasets._page: edit the card. -->", ""]
    lines += [f"# {card.title}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {text} |" for name, text in facts.items()]
    lines += ["", "## Cite", "", card.citation, "", "## Files", ""]
    lines += [_source_line(source) for source in sources]
    for how in dict.fromkeys(source.how for source in sources if source.how):
        lines += ["", how]
    if layouts:
        lines += ["", "## Layouts that are read, the first complete one", ""]
        lines += [_layout_line(layout) for layout in layouts]
    return "\n".join(lines) + "\n"


def _source_line(source: Source) -> str:
    url = f", <{source.url}>" if source.url else ""
    known = f", SHA-256 `{source.sha256}`" if source.sha256 else ""
    return f"- `{source.path}`{url}{known}"


def _layout_line(layout: Layout) -> str:
    required = ", ".join(f"`{pattern}`" for pattern in layout.required)
    optional = ", ".join(f"`{pattern}`" for pattern in layout.optional)
    return f"- {layout.name}: {required}" + (f"; optional {optional}" if optional else "")


def write_pages(folder: Path) -> None:
    """Write ``{dataset}.md`` for every data set."""
    for name in datasets.names():
        module = datasets.load(name)
        write_text(folder / f"{name}.md", page(module.CARD, module.SOURCES, module.LAYOUTS))


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
