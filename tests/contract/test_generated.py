"""Generated files are committed and current."""

from pathlib import Path

import pytest

from segrepro.protocol.schema import FOLDER, schemas

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", schemas())
def test_schema_is_current(name: str) -> None:
    committed = (ROOT / FOLDER / name).read_text(encoding="utf-8")
    assert committed == schemas()[name], "stale: run `make generated`"
