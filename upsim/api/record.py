"""The journal's line of each call: what it was, what was answered, and what decided that."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Final

from flask import Response, g, request
from werkzeug.exceptions import HTTPException

from upsim import errors
from upsim.model import Caller, JournalEntry
from upsim.rules import journal
from upsim.rules.worlds import DEFAULT
from upsim.spec import API
from upsim.web.errors import Unsupported
from upsim.web.params import Input
from upsim.world import Universe

log = logging.getLogger(__name__)

DECIDED: Final[Mapping[type[Exception], tuple[str, str | None]]] = {
    errors.MissingKey: ("key", "auth.key-required"),
    errors.InvalidKey: ("key", "auth.invalid-key"),
    errors.AddressRefused: ("address", "auth.address"),
    errors.RateLimited: ("rate limit", "rate.exceeded"),
    errors.ScopeMissing: ("scope", "auth.scope-required"),
    errors.PoolTestFailed: ("validation", "pools.create.failed-test"),
    errors.InvalidInput: ("validation", None),
    Unsupported: ("validation", "errors.media-type"),
    errors.NotFound: ("existence", "ids.unknown"),
    errors.NoDefaultProfile: ("existence", "profiles.get-default.none"),
    errors.PoolInUse: ("conflict", "pools.delete.in-use"),
    errors.DefaultProfileKept: ("conflict", "profiles.delete.default"),
    errors.ProfileHasWorkers: ("conflict", "profiles.update.algorithm-with-workers"),
    errors.Conflict: ("conflict", None),
    errors.CapReached: ("cap", None),
    errors.QuotaExceeded: ("quota", "quota.status"),
    errors.StoreUnavailable: ("store", None),
}
"""What decided a call that was refused so, and the rule of the spec behind it. A class not named has its parent's."""

_BY_STATUS: Final = {
    404: ("existence", "errors.unknown-path"),
    405: ("method", "errors.method"),
    413: ("validation", "errors.too-large"),
}


def write(universe: Universe, response: Response, untold: Untold) -> None:
    """Write the present call into the journal of its world; one that opened none, into the default world's.

    A journal that cannot be written changes no answer: what was done, was done.
    """
    if isinstance(g.get("error"), errors.StoreUnavailable):
        return  # it would only keep the caller waiting once more
    world = g.get("world")
    if world is None:
        try:
            record = universe.store.get_world(DEFAULT)
        except errors.StoreUnavailable:
            return  # neither can it be written
        if record is None:
            return
        world = universe.world(record)
    caller: Caller | None = g.get("known")
    decided, clause = _decided(response)
    fault = g.get("fault")
    dropped = fault is not None and fault.effect == "drop"
    entry = JournalEntry(
        seq=0,
        at=g.now if "now" in g else world.now(),
        duration_us=int((time.perf_counter() - g.began) * 1_000_000),
        method=request.method,
        path=journal.masked_text(request.path),
        query=journal.masked_text(request.query_string.decode("latin-1")),
        account=caller.account.name if caller else None,
        key=caller.key.hint if caller else None,
        status=None if dropped else response.status_code,
        decided=decided,
        clause=clause,
        fault=fault.id if fault else None,
        body=journal.masked(_sent()) if caller else None,
        error=journal.masked_text(str(g.error)) if "error" in g else None,
    )
    try:
        journal.note(world, entry)
    except errors.StoreUnavailable as error:
        untold.lost(str(error))
    else:
        untold.over()


class Untold:
    """The calls that no journal tells of, because it could not be written; said once when it begins and once after."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def lost(self, why: str) -> None:
        with self._lock:
            self._calls += 1
            first = self._calls == 1
        if first:
            log.warning("Calls are answered, and no journal tells of them. %s", why)

    def over(self) -> None:
        if not self._calls:
            return
        with self._lock:
            calls, self._calls = self._calls, 0
        if calls:
            log.warning("The journal is written again; calls that it does not tell of: %d.", calls)


def _sent() -> Mapping[str, object] | None:
    """The body as it was read; of a call that never came so far, as it can be read."""
    asked: Input | None = g.get("input")
    if asked is not None:
        return asked.body or None
    try:
        content = json.loads(request.get_data())
    except (HTTPException, OSError, RecursionError, ValueError):
        return None
    return content if isinstance(content, dict) and content else None


def _decided(response: Response) -> tuple[str, str | None]:
    fault = g.get("fault")
    if fault is not None and fault.effect != "latency":
        return "fault", None
    error = g.get("error")
    if isinstance(error, errors.UpsimError):
        return next(DECIDED[kind] for kind in type(error).__mro__ if kind in DECIDED)
    if error is not None:
        return _BY_STATUS.get(response.status_code, ("crash", "errors.server-error"))
    return "rule", _CLAUSES.get(request.endpoint or "")


_CLAUSES: Final = {
    operation.id: operation.definition["x-rules"][0]["id"]
    for operation in API.operations
    if operation.definition.get("x-rules")
}
"""The rule that says what an operation does: the first of its own."""
