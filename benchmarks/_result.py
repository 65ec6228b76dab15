"""What a benchmark returns, and how it measures."""

from dataclasses import dataclass, field
from statistics import median
from typing import Any

REPETITIONS = 5


@dataclass(frozen=True, kw_only=True)
class Result:
    """One benchmark's outcome; it passes if `ratio` reaches `bar`."""

    name: str
    ratio: float
    bar: float
    at_least: bool
    """Whether `bar` is a lower bound (else an upper one)."""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the bar is met."""
        return self.ratio >= self.bar if self.at_least else self.ratio <= self.bar

    def as_dict(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "name": self.name,
            "ratio": round(self.ratio, 4),
            "bar": self.bar,
            "ok": self.ok,
            "detail": self.detail,
        }


def median_ratio(numerators: list[float], denominators: list[float]) -> float:
    """Return the median of the ratios of neighbours in time."""
    return median(n / d for n, d in zip(numerators, denominators, strict=True))
