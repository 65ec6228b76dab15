"""What to run: ``config/config.yaml`` and what ``--config`` lays over it."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, PositiveInt, ValidationError

from segrepro.errors import UserError
from segrepro.protocol._frozen import Frozen


def _names(value: object) -> object:
    """Split ``"unet,multiresunet"``; ``"all"`` means no restriction."""
    if isinstance(value, str):
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    return () if value == ("all",) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class Settings(Frozen):
    """Which tier of which papers, and how a run is narrowed or shortened.

    An empty tuple of names means all of them. What shortens a run is printed beside every result
    and keeps the ledger from saying "reproduced".
    """

    tier: Literal["demo", "paper"] = "demo"
    papers: Names = ()
    datasets: Names = ()
    models: Names = ()
    epochs: PositiveInt | None = None
    folds: PositiveInt | None = None
    """How many of the folds to run."""
    precision: Literal["fp32", "tf32", "bf16"] | None = None

    def overrides(self) -> str:
        """Return the options that hand these settings to a ``segrepro`` command of a study."""
        chosen = self.model_dump(exclude={"tier", "papers"}, exclude_defaults=True)
        return " ".join(
            f"--set {key}={','.join(value) if isinstance(value, tuple) else value}"
            for key, value in chosen.items()
        )


def parse_settings(values: Mapping[str, Any]) -> Settings:
    """Return checked settings, or say which key or value is wrong."""
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as error:
        raise validation_message(error, where="config", model=Settings) from error


def validation_message(error: ValidationError, *, where: str, model: type[Frozen]) -> UserError:
    """Return the first thing that pydantic found, as a fact and a cure."""
    # A misspelt key also leaves the right one missing: the misspelling is what to show.
    first = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        fact = f"{where}: unknown key {key!r}{more}."
        cure = f"Correct or remove it; top-level keys are: {', '.join(model.model_fields)}."
    else:
        fact = f"{where}: {key}: {first['msg']}{more}."
        cure = "Correct it; docs/guide says what each key means."
    return UserError(fact, cure)
