"""A digest changes when the code can behave differently, and only then."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import segrepro
from segrepro import provenance

CODE = '''"""About."""

from segrepro.lab import helper


def f():
    """Say."""
    return helper.g()
'''
HELPER = "def g():\n    return 1\n"

Digest = Callable[..., str]


@pytest.fixture
def digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Digest]:
    """Return a function that digests a package `segrepro.lab` with the given two modules."""
    package = tmp_path / "lab"
    package.mkdir()
    (package / "__init__.py").touch()
    monkeypatch.setattr(segrepro, "__path__", [*segrepro.__path__, str(tmp_path)])

    def compute(code: str = CODE, helper: str = HELPER) -> str:
        (package / "main.py").write_text(code)
        (package / "helper.py").write_text(helper)
        provenance.code_digest.cache_clear()
        provenance._parse.cache_clear()
        return provenance.code_digest("segrepro.lab.main")

    yield compute
    for name in [name for name in sys.modules if name.startswith("segrepro.lab")]:
        del sys.modules[name]
    provenance.code_digest.cache_clear()
    provenance._parse.cache_clear()


def test_comments_blank_lines_and_docstrings_do_not_count(digest: Digest) -> None:
    commented = CODE.replace("return", "# why\n\n    return").replace("Say.", "Say more.")
    assert digest(commented) == digest()


def test_what_a_page_says_of_a_module_does_not_count(digest: Digest) -> None:
    assert digest(CODE + 'FACTS = "one"\n') == digest(CODE + 'FACTS = "two"\n')


def test_an_edited_statement_counts(digest: Digest) -> None:
    assert digest(CODE.replace("helper.g()", "helper.g() + 1")) != digest()


def test_an_edit_in_an_imported_module_counts(digest: Digest) -> None:
    assert digest(helper="def g():\n    return 2\n") != digest()


def test_a_body_that_is_only_a_docstring_can_be_digested(digest: Digest) -> None:
    assert digest('class E(Exception):\n    """Say."""\n') == digest(
        "class E(Exception):\n    pass\n"
    )
