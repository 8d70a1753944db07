"""What a run found, for people at a terminal and for programs: text, JSON, JUnit XML. Prints nothing itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from .clauses import AREAS, Level
from .results import Difference, Finding, Verdict
from .runner import Outcome

LEVELS = (Level.DOCUMENTED, Level.OBSERVED, Level.ASSUMED)


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    Attributes:
        level: differences at this level or better known fail the run.
        failing: those; noted: the others.
    """

    outcome: Outcome
    level: Level
    target: str

    @property
    def failing(self) -> list[Finding]:
        """The differences that make the run fail."""
        return self.outcome.ledger.failing(self.level)

    @property
    def noted(self) -> list[Finding]:
        """Differences from what is less well known than the level: assumption mismatches."""
        return [one for one in self.outcome.ledger.with_verdict(Verdict.DIFFERS) if one.clause.level < self.level]

    @property
    def complete(self) -> bool:
        """Whether the run came to its end."""
        return not self.outcome.interrupted and not self.outcome.lost

    @property
    def exit_code(self) -> int:
        """0 conforming, 1 not, 2 could not run to the end."""
        if not self.complete:
            return 2
        return 1 if self.failing else 0

    @property
    def sentence(self) -> str:
        """The result in one line."""
        holds = len(self.outcome.ledger.with_verdict(Verdict.HOLDS))
        open_ones = len(self.outcome.ledger.with_verdict(Verdict.NOT_VERIFIED))
        if self.outcome.interrupted:
            return f"Interrupted: {holds} clauses held until then."
        if self.outcome.lost:
            return f"Could not go on: {self.outcome.lost}."
        verified = holds + len(self.failing) + len(self.noted)
        hidden = len(self.outcome.ledger.with_verdict(Verdict.NOT_OBSERVABLE))
        tail = f", {len(self.noted)} assumptions do not match" if self.noted else ""
        tail += f", {open_ones} not verified" if open_ones else ""
        tail += f", {hidden} cannot be seen from outside" if hidden else ""
        if self.failing:
            return f"Does not conform: {len(self.failing)} of {verified} clauses differ{tail}."
        return f"Conforms: {holds} of {verified} clauses hold{tail}."

    def count(self, area: str | None, level: Level | None, *verdicts: Verdict) -> int:
        """How many clauses of an area and a level ended so."""
        return sum(
            one.verdict in verdicts
            for one in self.outcome.ledger.findings.values()
            if area in (None, one.clause.area) and level in (None, one.clause.level)
        )


def terminal(summary: Summary, *, full: bool = False) -> str:
    """The report as text."""
    return "\n".join(_terminal(summary, full))


def _terminal(summary: Summary, full: bool) -> Iterator[str]:
    yield ""
    yield f"{'area':<16}{'holds':>7}{'differs':>9}{'unchecked':>11}   conformance"
    for area in AREAS:
        holds = summary.count(area, None, Verdict.HOLDS)
        differs = summary.count(area, None, Verdict.DIFFERS)
        unseen = summary.count(area, None, Verdict.NOT_VERIFIED, Verdict.NOT_OBSERVABLE)
        share = f"{100 * holds / (holds + differs):5.1f} %" if holds + differs else "   —"
        yield f"{area:<16}{holds:>7}{differs:>9}{unseen:>11}   {share}"
    for title, findings in (
        ("Differences", summary.failing),
        (f"Assumption mismatches (reported; they fail a run only with --level {Level.ASSUMED.word})", summary.noted),
    ):
        if findings:
            yield f"\n{title}:"
        for one in findings:
            yield from _difference(one)
    unseen_ones = summary.outcome.ledger.with_verdict(Verdict.NOT_VERIFIED)
    if unseen_ones:
        yield f"\nNot verified ({len(unseen_ones)}):"
        for reason, names in grouped(unseen_ones):
            shown = names if full else names[:4]
            more = f", and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
            yield f"  {reason}\n      {', '.join(shown)}{more}"
    if full:
        yield "\nNot observable from outside:"
        for one in summary.outcome.ledger.with_verdict(Verdict.NOT_OBSERVABLE):
            yield f"  {one.clause.id}: {one.reason}"
    if summary.outcome.left_behind:
        yield "\nCould not be removed, please look after it:"
        yield from (f"  {what}" for what in summary.outcome.left_behind)
    yield f"\n{summary.sentence}"
    waited = f", {summary.outcome.waited_s:.0f} s of waiting for the rate limit" if summary.outcome.waited_s else ""
    yield f"{summary.target}: {summary.outcome.calls} calls{waited}."


def difference_text(one: Finding) -> str:
    """What a clause says and what came instead."""
    return "\n".join(_difference(one))


def _difference(one: Finding) -> Iterator[str]:
    yield f"\n  {one.clause.id}  [{one.clause.level.word}: {one.clause.source}]"
    yield f"    {one.clause.statement}"
    for found in one.differences[:1]:
        yield f"    expected  {found.expected}"
        yield f"    got       {found.got}"
        if found.exchange is not None:
            status = found.exchange["status"] or found.exchange["trouble"]
            yield f"    call      {found.exchange['method']} {found.exchange['url']} → {status}"
            if found.exchange["body"]:
                yield f"    answer    {found.exchange['body'][:300]}"
            yield f"    again     {found.exchange['curl']}"
    if one.failed > 1:
        yield f"    and {one.failed - 1} times more (of {one.observations} looks)"


def grouped(findings: Iterable[Finding]) -> list[tuple[str, list[str]]]:
    """Clauses by the reason why they were not verified."""
    reasons: dict[str, list[str]] = {}
    for one in findings:
        reasons.setdefault(one.reason, []).append(one.clause.id)
    return sorted(reasons.items(), key=lambda pair: -len(pair[1]))


def as_json(summary: Summary) -> str:
    """The report as JSON: every clause with its verdict, every difference with its exchange."""
    outcome = summary.outcome
    content: dict[str, Any] = {
        "format": 1,
        "target": summary.target,
        "result": summary.sentence,
        "exit_code": summary.exit_code,
        "complete": summary.complete,
        "level": summary.level.word,
        "calls": outcome.calls,
        "waited_s": round(outcome.waited_s, 1),
        "left_behind": outcome.left_behind,
        "cut_short": outcome.cut_short,
        "clauses": [
            {
                "id": one.clause.id,
                "area": one.clause.area,
                "level": one.clause.level.word,
                "source": one.clause.source,
                "statement": one.clause.statement,
                "verdict": one.verdict,
                "observations": one.observations,
                "failed": one.failed,
                "reason": one.reason if one.verdict in (Verdict.NOT_VERIFIED, Verdict.NOT_OBSERVABLE) else "",
                "checks": [f"{one.clause.id}@{name}" for name in sorted(one.scenarios)],
                "differences": [_plain(found) for found in one.differences],
            }
            for one in outcome.ledger.findings.values()
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _plain(found: Difference) -> dict[str, Any]:
    return {"scenario": found.scenario, "expected": found.expected, "got": found.got, "exchange": found.exchange}


def as_junit(summary: Summary) -> str:
    """The report as JUnit XML: a suite an area, a case a clause; what is not verified is skipped."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', '<testsuites name="contract">']
    failing = {one.clause.id for one in summary.failing}
    for area in AREAS:
        findings = [one for one in summary.outcome.ledger.findings.values() if one.clause.area == area]
        failures = sum(one.clause.id in failing for one in findings)
        skipped = sum(one.verdict in (Verdict.NOT_VERIFIED, Verdict.NOT_OBSERVABLE) for one in findings)
        counts = f'tests="{len(findings)}" failures="{failures}" errors="0" skipped="{skipped}"'
        lines.append(f'  <testsuite name={quoteattr("contract." + area)} {counts} time="0">')
        for one in findings:
            attributes = (
                f'classname={quoteattr("contract." + area.replace(" ", "-"))} name={quoteattr(one.clause.id)} time="0"'
            )
            body = _junit_body(one, one.clause.id in failing)
            lines.append(f"    <testcase {attributes}>{body}</testcase>" if body else f"    <testcase {attributes}/>")
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines) + "\n"


def _junit_body(one: Finding, fails: bool) -> str:
    if one.verdict in (Verdict.NOT_VERIFIED, Verdict.NOT_OBSERVABLE):
        return f"<skipped message={quoteattr(_clean(f'{one.verdict}: {one.reason}'))}/>"
    if one.verdict is Verdict.DIFFERS:
        text = _clean("\n".join(_difference(one)))
        if fails:
            first = one.differences[0]
            message = _clean(f"expected {first.expected}; got {first.got}")
            kind = quoteattr(one.clause.level.word)
            return f"<failure type={kind} message={quoteattr(message)}>{escape(text)}</failure>"
        return f"<system-out>assumption mismatch{escape(text)}</system-out>"
    return ""


def _clean(text: str) -> str:
    """Without the characters that XML cannot hold."""
    return re.sub(
        "[^\\t\\n\\x20-\\x7e\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]", "\N{REPLACEMENT CHARACTER}", text
    )
