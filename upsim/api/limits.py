"""The rate limit: per user, all keys together, in fixed windows of the world's own clock.

A window's count is kept in the store, or outside in one of Flask-Limiter's storages. Those go by the wall clock, which
here is the wrong one: so the window's number, by the world's clock, is part of what is counted by.
"""

from __future__ import annotations

from typing import Final

from flask import Flask, Response, g

from upsim.api.counting import Outside
from upsim.clock import SECOND, Instant
from upsim.errors import RateLimited
from upsim.model import Caller
from upsim.records import dataclass
from upsim.rules.tiers import requests_allowed, window_at, window_start
from upsim.store.base import Store


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a user stands in the present window.

    Attributes:
        limit: requests the window allows.
        hits: requests made in it, this one included.
        reset_at_s: when it ends, Unix seconds by the world's clock.
    """

    limit: int
    hits: int
    reset_at_s: int

    def write(self, response: Response) -> None:
        """Put the three headers on a response. Source: reference, "Response Headers"."""
        response.headers["X-RateLimit-Limit"] = str(self.limit)
        response.headers["X-RateLimit-Remaining"] = str(max(0, self.limit - self.hits))
        response.headers["X-RateLimit-Reset"] = str(self.reset_at_s)


def begin(caller: Caller, now: Instant) -> None:
    """Note whose request this is and in which window it falls: what it is counted by."""
    g.caller, g.now = caller, now
    g.window = window_at(now)
    g.allowed = requests_allowed(caller.account, g.window)


def install(app: Flask, store: Store, outside: Outside | None, *, refuse: bool) -> None:
    """Count each request of the app that has begun, and refuse those over the limit.

    Must come after the hook that admits, since hooks run in the order in which they were added.

    Args:
        outside: where they are counted; None counts in the store itself.
        refuse: false lets every request pass, counted all the same.
    """

    def count() -> None:
        if "caller" not in g:
            return
        caller: Caller = g.caller
        if outside is None:
            g.hits = store.count_hit(caller.world.id, caller.account.id, g.window)
        else:
            life = f"{caller.world.created_at}.{caller.world.generation}"  # it knows of no end and no reset
            g.hits = outside.incr(f"{caller.world.id}:{life}:{caller.account.id}:{g.window}", _KEPT_S, 1)
        # What is refused already, is not refused for its number.
        if caller.key.exhausted or (refuse and "refusal" not in g and g.hits > g.allowed):
            milliseconds = window_start(g.window + 1) - g.now
            raise RateLimited(g.allowed, max(1, -(-milliseconds // SECOND)))

    app.before_request(count)


def standing() -> Standing | None:
    """Where the present request's user stands; None where the request was not admitted."""
    if "hits" not in g:
        return None
    hits = max(g.hits, g.allowed) if g.caller.key.exhausted else g.hits
    return Standing(g.allowed, hits, window_start(g.window + 1) // SECOND)


_KEPT_S: Final = 86_400
"""How long an outside storage keeps a window's count: longer than most clocks stand still."""
