"""What the documents name exists."""

import re
from pathlib import Path

import pytest
import yaml

import segrepro
from segrepro.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda path: path.as_posix()
)
COMMANDS = {
    command.name or command.callback.__name__
    for command in app.registered_commands
    if command.callback is not None
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("http")]
    assert [link for link in inside if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_are_commands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^ *```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"^ *segrepro (\w+)", "\n".join(blocks), re.MULTILINE)) <= COMMANDS


def test_the_readme_has_one_place_for_results() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (text.count("<!-- results -->"), text.count("<!-- /results -->")) == (1, 1)


def test_the_citation_names_this_version_and_licence() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == segrepro.__version__
    assert citation["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")[:200]


def test_no_document_names_a_folder_of_somebodys_machine() -> None:
    found = {
        page.name: re.findall(r"(?:/home|/Users|/root|/work)/", page.read_text(encoding="utf-8"))
        for page in PAGES
    }
    assert {name: paths for name, paths in found.items() if paths} == {}
