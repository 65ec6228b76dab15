"""The page of a small finished study."""

from html.parser import HTMLParser
from pathlib import Path

import pytest
from _finished_study import PAPER, study_part, write_all

from segrepro import figures, tables
from segrepro.errors import UserError
from segrepro.protocol.paper import Unstated
from segrepro.protocol.stages import FigureStage, ReportStage, StudyPart, TableStage
from segrepro.report.page import commands, write_report


def report_stage(part: StudyPart, **changes: object) -> ReportStage:
    content = {
        name: getattr(PAPER, name)
        for name in ("citation", "recipe", "tables", "figures", "unstated", "contradictions")
    }
    return ReportStage(part=part, **{**content, **changes})


def page(folder: Path, part: StudyPart, **changes: object) -> str:
    slices = write_all(folder, part)
    stage = report_stage(part, **changes)
    claims = folder / "claims.csv"
    for name, spec in stage.tables.items():
        table = TableStage(part=part, name=name, spec=spec)
        tables.make(table, results=folder, claims=claims, out=folder / "tables")
    classes = dict.fromkeys(part.datasets, ("cell",))
    for name, spec in stage.figures.items():
        figure = FigureStage(part=part, name=name, spec=spec, classes=classes)
        figures.make(figure, results=folder, claims=claims, slices=slices, out=folder / "figures")
    write_report(stage, results=folder, out=folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


class Resources(HTMLParser):
    """What a browser would load, and which pictures have no words."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self.without_words = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "img" and not dict(attrs).get("alt"):
            self.without_words += 1
        if tag != "a":
            wanted = ("src", "href", "srcset", "data", "action")
            self.loaded += [value or "" for key, value in attrs if key in wanted]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(tmp_path_factory.mktemp("real"), study_part())


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> str:
    return page(tmp_path_factory.mktemp("synthetic"), study_part(synthetic=True))


def test_the_page_loads_nothing(real: str) -> None:
    found = Resources()
    found.feed(real)
    assert found.loaded
    assert [source for source in found.loaded if not source.startswith("data:")] == []
    assert "script" not in found.tags
    assert "url(" not in real
    assert "@import" not in real


def test_every_picture_has_words(real: str) -> None:
    found = Resources()
    found.feed(real)
    assert found.tags.count("img") == len(PAPER.figures)
    assert found.without_words == 0


def test_a_page_of_phantoms_says_so_first_and_reproduces_nothing(synthetic: str) -> None:
    body = synthetic[synthetic.index("<body>") :]
    assert "on synthetic images" in body[: body.index("</header>")]
    assert "reproduced" not in body.lower()


def test_a_full_page_counts_its_verdicts(real: str) -> None:
    # Two counts and one mean; the other's interval of three folds reaches the constant prediction.
    assert '<li><strong>3</strong> <span class="verdict reproduced">' in real
    assert "Folds and epochs as in the paper." in real


def test_a_shortened_page_says_how_it_falls_short(tmp_path: Path) -> None:
    text = page(tmp_path, study_part(shortened=("4 of 150 epochs", "1 of 5 folds"), folds=1))
    head = text[text.index("<body>") : text.index("</header>")]
    assert "4 of 150 epochs, 1 of 5 folds" in head
    assert "as in the paper" not in head


def test_paper_and_ours_stand_on_the_page(real: str) -> None:
    for cell in ("87.95 ± 0.77", "86.00 ± 2.00", "85.00 ± 2.00", "7,262,750"):
        assert cell in real


def test_the_optimism_is_the_best_epoch_less_the_last(real: str) -> None:
    assert "1.00 points above it on average over all runs" in " ".join(real.split())


def test_what_the_yaml_says_is_text_and_not_markup(tmp_path: Path) -> None:
    nasty = Unstated(what="<script>alert(1)</script>", choice="a & b", why="<b>bold</b>")
    text = page(tmp_path, study_part(), unstated=(nasty,))
    assert "<script>" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "a &amp; b" in text


def test_every_silence_and_contradiction_is_on_the_page(real: str) -> None:
    assert real.count('data-label="Why"') == len(PAPER.unstated)
    assert real.count('data-label="It says"') == len(PAPER.contradictions)


def test_the_commands_make_the_same_study_again() -> None:
    fetch, run = commands(report_stage(study_part()))
    assert fetch == "segrepro fetch isbi2012 --from DIR"
    assert run == (
        "snakemake --cores all --config tier=paper papers=multiresunet datasets=isbi2012"
        " models=unet,multiresunet"
    )
    short = report_stage(study_part(shortened=("1 of 5 folds",), folds=1))
    assert commands(short)[-1].endswith(" epochs=150 folds=1 precision=fp32")
    (demo,) = commands(report_stage(study_part(synthetic=True)))
    assert demo.startswith("snakemake --cores all --config tier=demo papers=multiresunet")


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    assert page(tmp_path / "a", study_part()) == page(tmp_path / "b", study_part())


def test_a_page_waits_for_its_figures(tmp_path: Path) -> None:
    page(tmp_path, study_part())
    (tmp_path / "figures/figure6.svg").unlink()
    with pytest.raises(UserError, match="segrepro figures multiresunet figure6"):
        write_report(report_stage(study_part()), results=tmp_path, out=tmp_path / "again.html")
    assert not (tmp_path / "again.html").exists()
