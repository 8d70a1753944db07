"""What a run found: one verdict a clause. Frozen once written; turns into JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from .clauses import Clause, Level, clauses
from .exchange import Exchange

SHOWN_FAILURES = 3
"""How many differences of one clause are kept; the rest is counted."""


class Verdict(StrEnum):
    """How a clause ended."""

    HOLDS = "holds"
    DIFFERS = "differs"
    NOT_VERIFIED = "not verified"
    NOT_OBSERVABLE = "not observable"


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the target is not as the clause says."""

    scenario: str
    expected: str
    got: str
    exchange: Mapping[str, Any] | None


@dataclass(slots=True)
class Finding:
    """A clause and what was seen of it.

    Attributes:
        observations: how often it was looked at. failed: how often it did not hold.
        reason: why it was not verified.
    """

    clause: Clause
    observations: int = 0
    failed: int = 0
    differences: list[Difference] = field(default_factory=list)
    scenarios: set[str] = field(default_factory=set)
    reason: str = ""
    observable: bool = True

    @property
    def verdict(self) -> Verdict:
        """Differences weigh more than anything that held."""
        if self.failed:
            return Verdict.DIFFERS
        if self.observations:
            return Verdict.HOLDS
        return Verdict.NOT_VERIFIED if self.observable else Verdict.NOT_OBSERVABLE


class Ledger:
    """Where checks write what they see."""

    def __init__(self) -> None:
        self.findings = {name: Finding(clause) for name, clause in clauses().items()}

    def note(self, clause: str, holds: bool, expected: str, got: str, exchange: Exchange | None, scenario: str) -> None:
        """One look at a clause."""
        finding = self.findings[clause]
        finding.observations += 1
        finding.scenarios.add(scenario)
        if not holds:
            finding.failed += 1
            if len(finding.differences) < SHOWN_FAILURES:
                shown = exchange.shown() if exchange is not None else None
                finding.differences.append(Difference(scenario, expected, got, shown))

    def excuse(self, clause: str, reason: str) -> None:
        """Say why a clause could not be looked at; the first reason stays."""
        finding = self.findings[clause]
        finding.reason = finding.reason or reason

    def with_verdict(self, verdict: Verdict) -> list[Finding]:
        """The findings that ended so, in the spec's order."""
        return [finding for finding in self.findings.values() if finding.verdict is verdict]

    def failing(self, level: Level) -> list[Finding]:
        """The differences that make a run fail: those at this level or better known."""
        return [finding for finding in self.with_verdict(Verdict.DIFFERS) if finding.clause.level >= level]

    def saved(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            name: {
                "observations": finding.observations,
                "failed": finding.failed,
                "reason": finding.reason,
                "scenarios": sorted(finding.scenarios),
                "differences": [
                    {"scenario": one.scenario, "expected": one.expected, "got": one.got, "exchange": one.exchange}
                    for one in finding.differences
                ],
            }
            for name, finding in self.findings.items()
            if finding.observations or finding.reason
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what an earlier run saved; clauses that are no more are dropped."""
        for name, values in saved.items():
            if name in self.findings:
                finding = self.findings[name]
                finding.observations, finding.failed = values["observations"], values["failed"]
                finding.reason, finding.scenarios = values["reason"], set(values["scenarios"])
                finding.differences = [Difference(**one) for one in values["differences"]]
