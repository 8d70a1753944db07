"""The journal's line of each call: what it was, what was answered, and what decided that."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request

from upsim import errors
from upsim.api.passage import Passage
from upsim.model import JournalEntry
from upsim.rules import journal
from upsim.rules.worlds import DEFAULT
from upsim.spec import API
from upsim.web.app import MAX_BODY_BYTES
from upsim.web.errors import Unsupported
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


def write(universe: Universe, call: Passage, status: int, untold: Untold) -> None:
    """Write a call into the journal of its world; one that opened none, into the default world's.

    A journal that cannot be written changes no answer: what was done, was done.
    """
    if isinstance(call.error, errors.StoreUnavailable):
        return  # it would only keep the caller waiting once more
    world = call.world
    if world is None:
        try:
            record = universe.store.get_world(DEFAULT)
        except errors.StoreUnavailable:
            return  # neither can it be written
        if record is None:
            return
        world = universe.world(record)
    caller, fault = call.known, call.fault
    decided, clause = _decided(call, status)
    entry = JournalEntry(
        seq=0,
        at=call.now or world.now(),
        duration_us=int((time.perf_counter() - call.began) * 1_000_000),
        method=call.method,
        path=_masked(call.path),
        query=_masked(call.query),
        account=caller.account.name if caller else None,
        key=caller.key.hint if caller else None,
        status=None if fault is not None and fault.effect == "drop" else status,
        decided=decided,
        clause=clause,
        fault=fault.id if fault else None,
        body=journal.masked(call.sent) if caller and call.sent else None,
        error=journal.masked_text(str(call.error)) if call.error else None,
    )
    try:
        journal.note(world, entry)
    except errors.StoreUnavailable as error:
        untold.lost(str(error))
    else:
        untold.over()


_LONG: Final = 500
"""Signs of a path or query that is not remembered: it comes once, and takes room."""

_known = lru_cache(maxsize=1024)(journal.masked_text)  # the same paths and queries come again and again


def _masked(text: str) -> str:
    return _known(text) if len(text) <= _LONG else journal.masked_text(text)


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


def sent(call: Passage, request: Request) -> Mapping[str, object] | None:
    """The body as it was read; of a call that never came so far, as it can be read."""
    if not call.has_body:
        return None
    if call.input is not None:
        return call.input.body or None
    try:
        content = json.loads(request.get_data())
    except (HTTPException, OSError, RecursionError, ValueError):
        return None
    return content if isinstance(content, dict) and content else None


def read_body(call: Passage) -> Mapping[str, object] | None:
    """The body of a call that nobody has read yet."""
    if not call.has_body:
        return None
    request = Request(call.environ)
    request.max_content_length = MAX_BODY_BYTES
    return sent(call, request)


def _decided(call: Passage, status: int) -> tuple[str, str | None]:
    if call.fault is not None and call.fault.effect != "latency":
        return "fault", None
    error = call.error
    if isinstance(error, errors.UpsimError):
        return next(DECIDED[kind] for kind in type(error).__mro__ if kind in DECIDED)
    if error is not None:
        return _BY_STATUS.get(status, ("crash", "errors.server-error"))
    return "rule", _CLAUSES.get(call.operation or "")


_CLAUSES: Final = {
    operation.id: operation.definition["x-rules"][0]["id"]
    for operation in API.operations
    if operation.definition.get("x-rules")
}
"""The rule that says what an operation does: the first of its own."""
