"""Holds recorded exchanges against the spec: what is new, what is contradicted, which assumptions are now observed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from .audit import audit
from .clauses import SPEC_FILE, Clause, Level, Operation, clauses, dereference, operations
from .exchange import Exchange, Reply
from .recording import FORMAT, DriftError, gather, redacted
from .settings import Key

__all__ = ["Drift", "DriftError", "compare", "gather", "provenance_patch"]

SOMEBODY: Final = Key("recorded", "somebody")
KNOWN_HEADERS: Final = frozenset({"x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"})
COMMON_HEADERS: Final = re.compile(
    "x-(powered-by|frame-options|content-type-options|xss-protection|request-id|cache.*|amz.*|dns.*|download.*)"
)
"""What servers and proxies add of their own."""


@dataclass(slots=True)
class Evidence:
    """How often a clause held, how often it did not, and where first."""

    held: int = 0
    failed: int = 0
    where: str = ""
    got: str = ""


@dataclass(slots=True)
class Drift:
    """What the exchanges say.

    Attributes:
        new: what the spec does not know, each with where it was first seen: fields, statuses, headers, paths.
    """

    exchanges: list[Exchange]
    evidence: dict[str, Evidence] = field(default_factory=dict)
    new: dict[str, str] = field(default_factory=dict)

    def _with(self, *levels: Level, failed: bool) -> list[tuple[Clause, Evidence]]:
        return [
            (clauses()[name], seen)
            for name, seen in sorted(self.evidence.items())
            if clauses()[name].level in levels and bool(seen.failed) is failed
        ]

    @property
    def contradicted(self) -> list[tuple[Clause, Evidence]]:
        """Documented and observed clauses that do not hold."""
        return self._with(Level.DOCUMENTED, Level.OBSERVED, failed=True)

    @property
    def refuted(self) -> list[tuple[Clause, Evidence]]:
        """Assumptions that do not hold."""
        return self._with(Level.ASSUMED, failed=True)

    @property
    def observed(self) -> list[tuple[Clause, Evidence]]:
        """Assumptions that held wherever they were met: they are observed now."""
        return self._with(Level.ASSUMED, failed=False)

    def text(self) -> str:
        """For people."""
        lines = [f"{len(self.exchanges)} exchanges were held against the spec."]
        for title, found in (
            ("Contradicted, though documented or observed", self.contradicted),
            ("Assumptions that do not hold", self.refuted),
        ):
            if found:
                lines.append(f"\n{title}:")
                for clause, seen in found:
                    lines.append(f"  {clause.id}  [{clause.level.word}: {clause.source}]")
                    lines.append(f"    {clause.statement}")
                    lines.append(f"    got {seen.got}, at {seen.where}")
        if self.new:
            lines.append("\nNot in the spec:")
            lines += [f"  {what}, at {where}" for what, where in sorted(self.new.items())]
        if self.observed:
            lines.append(f"\nAssumptions that are observed now ({len(self.observed)}):")
            lines += [f"  {clause.id}: {clause.statement}" for clause, _ in self.observed]
        if not self.contradicted and not self.refuted and not self.new:
            lines.append("\nNothing differs from the spec.")
        return "\n".join(lines)

    def as_json(self) -> str:
        """For programs."""

        def shown(found: list[tuple[Clause, Evidence]]) -> list[dict[str, Any]]:
            return [
                {
                    "clause": clause.id,
                    "level": clause.level.word,
                    "held": seen.held,
                    "failed": seen.failed,
                    "where": seen.where,
                    "got": seen.got,
                }
                for clause, seen in found
            ]

        content = {
            "format": 1,
            "exchanges": len(self.exchanges),
            "contradicted": shown(self.contradicted),
            "refuted": shown(self.refuted),
            "observed": shown(self.observed),
            "new": self.new,
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"

    def recording(self) -> str:
        """The exchanges, redacted, to be compared again."""
        stored = {"format": FORMAT, "exchanges": [redacted(one) for one in self.exchanges]}
        return json.dumps(stored, indent=2, ensure_ascii=False) + "\n"


def compare(exchanges: list[Exchange]) -> Drift:
    """Hold each exchange under /v1 against the spec."""
    kept = [one for one in exchanges if urlsplit(one.url).path.startswith("/v1")]
    found = Drift(kept)
    for one in kept:
        _one(found, one)
    return found


def _one(found: Drift, one: Exchange) -> None:
    path = urlsplit(one.url).path
    operation = operation_of(one.method, path)
    where = f"{one.method} {operation.path if operation else path} → {one.status}"
    reply = Reply.of(replace(one, operation=operation.id if operation else None))

    def note(clause: str, holds: bool, expected: str, got: str) -> None:
        seen = found.evidence.setdefault(clause, Evidence())
        if holds:
            seen.held += 1
            seen.where = seen.where or where
        else:
            if not seen.failed:
                seen.where, seen.got = where, f"{got} (expected {expected})"
            seen.failed += 1

    audit(reply, None if one.status == 401 else SOMEBODY, (), note)
    for name in one.headers:
        low = name.lower()
        if low.startswith("x-") and low not in KNOWN_HEADERS and not COMMON_HEADERS.fullmatch(low):
            found.new.setdefault(f"header {name}", where)
    if operation is None:
        if one.status not in (404, 405):
            found.new.setdefault(f"operation {one.method} {path}", where)
        return
    if one.status not in operation.statuses:
        found.new.setdefault(f"status {one.status} of {operation.id}", where)
    if reply.ok:
        for place in _unknown(reply.parsed, operation.success_schema, "", str(operation.id)):
            found.new.setdefault(f"field {place}", where)


def operation_of(method: str, path: str) -> Operation | None:
    """The operation of the spec a call is; a fixed path goes before one with an id."""
    known = [one for one in operations().values() if one.method == method]
    for one in known:
        if one.path == path:
            return one
    for one in known:
        if re.fullmatch(one.path.replace("{id}", "[^/]+"), path):
            return one
    return None


def _unknown(value: Any, schema: Mapping[str, Any], where: str, name: str) -> Iterator[str]:
    """Fields the schema does not name."""
    schema, component = dereference(schema)
    name = component or name
    if isinstance(value, dict) and "properties" in schema:
        for key, part in value.items():
            if key in schema["properties"]:
                yield from _unknown(part, schema["properties"][key], f"{where}.{key}", name)
            else:
                yield f"{name}.{key}"
    elif isinstance(value, list) and "items" in schema:
        for item in value:
            yield from _unknown(item, schema["items"], where, name)


def provenance_patch(found: Drift) -> str:
    """A unified diff of the spec that makes the assumptions observed that were met; each names an exchange."""
    before = SPEC_FILE.read_text("utf-8").splitlines(keepends=True)
    after = list(before)
    for clause, seen in found.observed:
        line = _provenance_line(before, clause.id)
        if line is not None:
            known = re.sub(
                r"level: assumed, source: .*\}",
                f'level: observed, source: "recorded exchange {seen.where}"}}',
                after[line],
            )
            after[line] = known
    return "".join(difflib.unified_diff(before, after, "a/contract/openapi.yaml", "b/contract/openapi.yaml"))


def _provenance_line(lines: list[str], clause: str) -> int | None:
    """Where the provenance of a clause stands; None where it is shared with others."""
    if clause.startswith("shape."):
        _, schema, name = clause.split(".", 2)
        begin = next((at for at, line in enumerate(lines) if line == f"    {schema}:\n"), None)
        if begin is None:
            return None
        end = next((at for at in range(begin + 1, len(lines)) if re.match(r"    \S", lines[at])), len(lines))
        first = next((at for at in range(begin, end) if re.match(rf"        {name}:(\s*&\S+)?\s*$", lines[at])), None)
        limit = end
    else:
        first = next((at for at, line in enumerate(lines) if line.strip() == f"- id: {clause}"), None)
        limit = (first or 0) + 3
    if first is None:
        return None
    return next((at for at in range(first, limit) if "x-provenance: {level: assumed" in lines[at]), None)
