"""What is checked on every single answer, whichever check asked: error shape, headers, schema, secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Final

from .clauses import operations
from .exchange import Reply
from .settings import Key
from .shapes import observe

RATE_HEADERS: Final = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
SHORTEST_SECRET: Final = 6
"""Passwords shorter than this may stand in an answer by chance."""
INEXACT: Final = re.compile(r'"hashrate"\s*:\s*-?[0-9]+[.eE]')
TRACE: Final = re.compile(r"Traceback \(most recent call last\)|^\s+at [\w.$]+\(|\bFile \"[^\"]+\", line \d+", re.M)
WORKER_OPERATIONS: Final = ("list_workers", "get_worker")
Note = Callable[[str, bool, str, str], None]
"""clause, whether it holds, what was expected, what came."""


def audit(reply: Reply, key: Key | None, secrets: Iterable[str], note: Note) -> None:
    """Look at one answer from every side."""
    if not reply.status:
        if not reply.exchange.trouble.startswith("no connection"):  # nobody was there to leave it unanswered
            note("errors.never-5xx", False, "an answer", reply.exchange.trouble)
        return
    note("errors.never-5xx", reply.status < 500, "a status below 500", str(reply.status))
    kind = reply.header("content-type") or "none"
    is_json = kind.partition(";")[0].strip().lower() == "application/json" and reply.parsed is not None
    if reply.status != 204:  # says nothing; errors.statuses has its word on that
        note("errors.content-type", is_json, "JSON with the content type application/json", kind)
    if reply.status >= 400:
        note("errors.shape", bool(reply.error), "a JSON object with a non-empty string error", reply.exchange.raw[:200])
        for seen in observe(reply.parsed, {"$ref": "#/components/schemas/Error"}):
            note(seen.clause, not seen.expected, seen.expected, seen.got)
    if reply.status >= 500:
        clean = not TRACE.search(reply.exchange.raw)
        note(
            "errors.server-error", bool(reply.error) and clean, "the error shape and no trace", reply.exchange.raw[:200]
        )
    if reply.status == 503:
        after = reply.header("retry-after") or "none"
        note("errors.unavailable", after.isdecimal(), "Retry-After in whole seconds", after)
    leaked = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET and secret in reply.exchange.raw]
    note("errors.no-secrets", not leaked, "no key and no password in the answer", "one is in it")
    _limits(reply, key, note)
    if reply.exchange.operation is not None:
        _operation(reply, note)


def _limits(reply: Reply, key: Key | None, note: Note) -> None:
    values = [reply.number(name) for name in RATE_HEADERS]
    shown = ", ".join(f"{name}: {reply.header(name)}" for name in RATE_HEADERS)
    if reply.status == 401:
        note("rate.keyless-free", values == [None] * 3, "no X-RateLimit headers on a 401", shown)
    elif key is not None and reply.status < 500:
        note("rate.headers", None not in values, "three X-RateLimit headers, all whole numbers", shown)
        limit, remaining, _ = values
        if limit is not None and remaining is not None:
            note(
                "rate.limit-header",
                limit in ((10, 60) if not key.tier else _limit_of(key)),
                "60 (VIP) or 10",
                str(limit),
            )
            note("rate.remaining-counts", 0 <= remaining <= limit, f"0 to {limit} remaining", str(remaining))
    if reply.status == 429:
        after = reply.header("retry-after")
        note("rate.retry-after", bool(after), "a Retry-After header on 429", str(after))


def _limit_of(key: Key) -> tuple[int]:
    return (60,) if key.tier == "vip" else (10,)


def _operation(reply: Reply, note: Note) -> None:
    operation = operations()[str(reply.exchange.operation)]
    known = sorted(operation.statuses)
    note("errors.statuses", reply.status in known, f"one of {', '.join(map(str, known))}", str(reply.status))
    if reply.ok and reply.status != 204:
        for seen in observe(reply.parsed, operation.success_schema):
            note(seen.clause, not seen.expected, f"{seen.where}: {seen.expected}", f"{seen.where}: {seen.got}")
            if seen.clause.endswith("._id"):
                note("ids.format", not seen.expected, f"{seen.where}: {seen.expected}", seen.got)
            elif seen.clause.endswith("_at"):
                _date(seen.expected, seen.got, seen.where, note)
            elif seen.clause.endswith(".timestamp"):
                note("fields.timestamps", not seen.expected, f"{seen.where}: {seen.expected}", seen.got)
            elif seen.clause.endswith("hashrate"):
                note("fields.hashrates", not seen.expected, f"{seen.where}: {seen.expected}", seen.got)
        if operation.id in WORKER_OPERATIONS:
            inexact = INEXACT.search(reply.exchange.raw)
            note("workers.hashrate-integer", inexact is None, "digits alone", inexact[0] if inexact else "")
        if "pool" in operation.id or "profile" in operation.id:
            hidden = not re.search(r'"(password|pass|pwd|secret)"\s*:', json.dumps(reply.parsed), re.I)
            note("pools.password-hidden", hidden, "no password in the answer", "there is one")


def _date(expected: str, got: str, where: str, note: Note) -> None:
    """The form is documented; that it is UTC with Z is assumed."""
    iso = re.fullmatch(r"'\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d+)?)?(Z|[+-]\d\d:?\d\d)?'", got) is not None
    note("fields.dates", not expected or iso, f"{where}: ISO 8601 text or null", got)
    note("fields.dates-utc", not expected, f"{where}: UTC with Z", got)
