"""Publishers' own clients, none of which is installed here."""

import sys
from pathlib import Path

import pytest

from segrepro.cases import _clients
from segrepro.datasets._types import Source
from segrepro.errors import UserError


class FakeClient:
    """Stands for the modules of all three clients; what they are asked for is kept."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def KaggleApi(self) -> "FakeClient":  # noqa: N802 - its name
        return self

    def authenticate(self) -> None:
        self.asked.append("authenticate")

    def competition_download_files(self, name: str, *, path: str, quiet: bool) -> None:
        self.asked.append((name, Path(path).name, quiet))

    def dataset_download_files(self, name: str, *, path: str, quiet: bool) -> None:
        raise SystemExit(f"403 {name} {path} {quiet}")

    def getSeries(self, *, collection: str) -> list[str]:  # noqa: N802 - its name
        return [f"series of {collection}"]

    def downloadSeries(self, series: list[str], *, path: str) -> None:  # noqa: N802 - its name
        self.asked.append((*series, Path(path).name))

    def login(self, *, silent: bool) -> str:
        return f"silent {silent}"

    def syncFromSynapse(self, *asked: str, path: str, **_: str) -> None:  # noqa: N802 - its name
        self.asked.append((*asked, Path(path).name))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    fake = FakeClient()
    modules = ("kaggle.api.kaggle_api_extended", "tcia_utils.nbia", "synapseclient", "synapseutils")
    for name in modules:
        monkeypatch.setitem(sys.modules, name, fake)  # type: ignore[arg-type]
        monkeypatch.setitem(sys.modules, name.split(".")[0], fake)  # type: ignore[arg-type]
    return fake


@pytest.mark.parametrize(
    ("kind", "reference", "asked"),
    [
        ("kaggle", "competitions/nerve", ["authenticate", ("nerve", "raw", False)]),
        ("tcia", "Duke", [("series of Duke", "raw")]),
        ("synapse", "syn1", [("silent True", "syn1", "raw")]),
    ],
)
def test_a_publishers_client_is_asked_for_its_reference(
    kind: str, reference: str, asked: list[object], client: FakeClient, tmp_path: Path
) -> None:
    source = Source(path="x", client=kind, reference=reference)  # type: ignore[arg-type]
    _clients.get(source, tmp_path / "raw")
    assert client.asked == asked


def test_a_client_that_ends_the_program_does_not_end_ours(
    client: FakeClient, tmp_path: Path
) -> None:
    source = Source(path="x", client="kaggle", reference="datasets/a/b", how="Accept the rules.")
    with pytest.raises(UserError, match="403 a/b") as caught:
        _clients.get(source, tmp_path / "raw")
    assert caught.value.cure == "Accept the rules."


def test_a_client_that_is_not_installed_is_named_with_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tcia_utils", None)
    with pytest.raises(UserError) as caught:
        _clients.get(Source(path="x", client="tcia", reference="Duke"), tmp_path / "raw")
    assert "segrepro[tcia]" in caught.value.cure
