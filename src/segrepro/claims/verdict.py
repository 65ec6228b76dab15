"""When a published number counts as reproduced (docs/decisions/0004-verdicts.md)."""

from dataclasses import dataclass
from math import isnan, nan
from typing import Literal

from segrepro.protocol.paper import Claim

Verdict = Literal["reproduced", "better", "worse", "not_run", "not_testable"]
VERDICTS: tuple[Verdict, ...] = ("reproduced", "better", "worse", "not_run", "not_testable")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What our runs say about one claim, in its own unit; ``nan`` where there is no number."""

    ours: float
    low: float = nan
    high: float = nan
    """The 95 % interval of `ours` over runs."""
    n_runs: int = 0
    last_epoch: float = nan
    """The same number with the last epoch's weights; ``nan`` if these are the reported ones."""
    constant: float = nan
    """The same number if the class is predicted everywhere."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """A verdict with its reason, in words."""

    verdict: Verdict
    reason: str


def judge(
    claim: Claim,
    evidence: Evidence | None,
    *,
    synthetic: bool,
    shortened: tuple[str, ...] = (),
    missing: str = "",
) -> Judgement:
    """Weigh our evidence against one published number.

    Parameters
    ----------
    claim
        The published number.
    evidence
        Ours, or ``None`` if it was not computed; `missing` then says why.
    synthetic
        Whether phantoms took the place of the real data. They test no claim.
    shortened
        How the runs fall short of the paper's protocol. Such runs test no claim either, but for
        the number of parameters, which does not depend on training.
    """
    if evidence is None:
        return Judgement(verdict="not_run", reason=_sentences(missing or "Not part of this run"))
    if synthetic:
        return Judgement(verdict="not_testable", reason="Synthetic data test no claim.")
    if claim.measure == "parameters":
        return _judge_count(claim, evidence)
    if shortened:
        fact = f"{', '.join(shortened)}: not the paper's protocol"
        return Judgement(
            verdict="not_testable", reason=_sentences(fact, *_context(claim, evidence))
        )
    return _judge_interval(claim, evidence)


def _judge_count(claim: Claim, evidence: Evidence) -> Judgement:
    # Not "better" if smaller: a count that differs is another network.
    if evidence.ours == claim.published:
        return Judgement(verdict="reproduced", reason="Equal to the last digit.")
    difference = evidence.ours - claim.published
    return Judgement(verdict="worse", reason=f"Another network: {difference:+,.0f} parameters.")


def _judge_interval(claim: Claim, evidence: Evidence) -> Judgement:
    if isnan(evidence.ours) or isnan(evidence.low) or isnan(evidence.high):
        fact = f"{evidence.n_runs} run gives no interval over runs"
        return Judgement(
            verdict="not_testable", reason=_sentences(fact, *_context(claim, evidence))
        )
    if evidence.low <= evidence.constant:
        fact = "Our interval reaches down to the constant prediction: too wide to test anything"
        return Judgement(
            verdict="not_testable", reason=_sentences(fact, *_context(claim, evidence))
        )
    spread = claim.spread or 0.0
    low, high = claim.published - spread, claim.published + spread
    verdict: Verdict
    if evidence.low <= high and low <= evidence.high:
        verdict, relation = "reproduced", "meets"
    elif evidence.ours > claim.published:
        verdict, relation = "better", "lies above"
    else:
        verdict, relation = "worse", "lies below"
    fact = f"Our interval {relation} the published {_published(claim)}"
    return Judgement(verdict=verdict, reason=_sentences(fact, *_context(claim, evidence)))


def _published(claim: Claim) -> str:
    spread = "" if claim.spread is None else f" ± {claim.spread:g}"
    return f"{claim.published:g}{spread}"


def _context(claim: Claim, evidence: Evidence) -> list[str]:
    """Return what must stand beside a number that was chosen on the cases it reports."""
    digits = 4 if claim.unit == "fraction" else 2
    words = []
    if not isnan(evidence.last_epoch):
        best, last = f"{evidence.ours:.{digits}f}", f"{evidence.last_epoch:.{digits}f}"
        words.append(f"The best epoch gives {best}, the last {last}")
    if not isnan(evidence.constant):
        words.append(f"Predicting the class everywhere scores {evidence.constant:.{digits}f}")
    return words


def _sentences(*facts: str) -> str:
    return " ".join(f"{fact[0].upper()}{fact[1:].rstrip('.')}." for fact in facts if fact)
