"""Publishers' own clients, each an optional extra: Kaggle, TCIA, Synapse.

They ask for the account that the user has set up for them; nothing of it passes through here.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from segrepro.datasets._types import Source
from segrepro.errors import UserError
from segrepro.progress import note


def get(source: Source, raw: Path) -> None:
    """Let the publisher's client place its files below `raw`.

    Raises
    ------
    UserError
        If the client is not installed or reports a failure.
    """
    note(f"fetch {source.reference} with the client of {source.client}")
    raw.mkdir(parents=True, exist_ok=True)
    try:
        _CLIENTS[source.client](source.reference, raw)
    except UserError:
        raise
    # Clients raise what they like, and some end the program.
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split()).rstrip(".")[:200]
        raise UserError(
            f"the client of {source.client} could not fetch {source.reference}: {text}.",
            source.how or "Check your account there, or get the files yourself: --from DIR.",
        ) from error


def _module(name: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(
            f"the client of {extra} is not installed.",
            f"Run `pip install 'segrepro[{extra}]'`, or get the files yourself: --from DIR.",
        ) from error


def _kaggle(reference: str, raw: Path) -> None:
    api = _module("kaggle.api.kaggle_api_extended", "kaggle").KaggleApi()
    api.authenticate()
    kind, _, name = reference.partition("/")
    if kind == "competitions":
        api.competition_download_files(name, path=str(raw), quiet=False)
    else:
        api.dataset_download_files(name, path=str(raw), quiet=False)


def _tcia(reference: str, raw: Path) -> None:
    nbia = _module("tcia_utils.nbia", "tcia")
    series = nbia.getSeries(collection=reference)
    nbia.downloadSeries(series, path=str(raw))


def _synapse(reference: str, raw: Path) -> None:
    client = _module("synapseclient", "synapse").login(silent=True)
    sync = _module("synapseutils", "synapse").syncFromSynapse
    sync(client, reference, path=str(raw), ifcollision="keep.local", manifest="suppress")


_CLIENTS: dict[str, Callable[[str, Path], None]] = {
    "kaggle": _kaggle,
    "tcia": _tcia,
    "synapse": _synapse,
}
