"""The base of every type that is parsed at the door."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """Immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def canonical_json(self) -> str:
        """Return compact JSON with a fixed field order: equal values, equal text."""
        return self.model_dump_json()
