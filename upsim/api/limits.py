"""The rate limit: per user, all keys together, in fixed windows of the world's own clock.

Flask-Limiter counts and refuses. Its storages, and the Retry-After it writes, go by the wall clock, which here is the
wrong one: so the window's number, by the world's clock, is part of the limit's key, and the headers are written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, Response, g
from flask_limiter import Limiter, RateLimitExceeded
from limits.storage import Storage

from upsim.api.counting import Outside
from upsim.clock import SECOND, Instant
from upsim.errors import RateLimited
from upsim.model import Caller, ObjectId, WorldId
from upsim.rules.tiers import requests_allowed, window_at, window_start
from upsim.store.base import Store
from upsim.web import errors


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

    def limit() -> str:
        # "per day" is only how long an outside storage keeps a window's count: longer than most clocks stand still.
        if g.caller.key.exhausted:
            return "0 per day"
        refusing = refuse and "refusal" not in g  # what is refused already, is not refused for its number
        return f"{g.allowed if refusing else _NEVER} per day"

    def key() -> str:
        caller: Caller = g.caller
        life = f"{caller.world.created_at}.{caller.world.generation}"  # an outside storage knows of no end and no reset
        return f"{caller.world.id}:{life}:{caller.account.id}:{g.window}"

    limiter = Limiter(
        key_func=key,
        app=app,
        application_limits=[limit],
        storage_uri="upsim://",
        storage_options={"store": store, "outside": outside},  # type: ignore[dict-item]  # handed to the storage
        strategy="fixed-window",
        headers_enabled=False,
        request_identifier=lambda: "v1",  # unknown paths count too, though no endpoint is theirs
    )
    limiter.request_filter(lambda: "caller" not in g)
    app.register_error_handler(RateLimitExceeded, _refuse)


def standing() -> Standing | None:
    """Where the present request's user stands; None where the request was not admitted."""
    if "hits" not in g:
        return None
    hits = max(g.hits, g.allowed) if g.caller.key.exhausted else g.hits
    return Standing(g.allowed, hits, window_start(g.window + 1) // SECOND)


_NEVER: Final = 1_000_000_000
"""A limit that nobody reaches in a minute."""


def _refuse(_: Exception) -> Response:
    milliseconds = window_start(g.window + 1) - g.now
    return errors.response_to(RateLimited(g.allowed, max(1, -(-milliseconds // SECOND))))


class _CountingStorage(Storage):
    """Counts in the upsim store, or in another storage of the library, and remembers the count for the headers.

    Reading the counter again for the headers would show other requests' hits: each gets the number of its own.
    """

    STORAGE_SCHEME = ["upsim"]  # noqa: RUF012 - the library's registry reads it so

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions)
        self._store: Store = options["store"]
        self._outside: Outside | None = options["outside"]

    @property
    def base_exceptions(self) -> type[Exception]:
        return OSError

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        if self._outside is not None:
            g.hits = self._outside.incr(key, expiry, amount)
        else:
            world, account, window = _parts(key)
            g.hits = self._store.count_hit(world, account, window)
        hits: int = g.hits
        return hits

    def get(self, key: str) -> int:
        if self._outside is not None:
            return self._outside.get(key)
        return self._store.get_hits(*_parts(key))

    def get_expiry(self, key: str) -> float:
        window = _parts(key)[2]
        return window_start(window + 1) / SECOND

    def check(self) -> bool:
        return True  # whether it answers, readiness asks

    def reset(self) -> int | None:
        return None  # windows end by the world's clock, or with the world's content

    def clear(self, key: str) -> None:
        if self._outside is not None:
            self._outside.clear(key)


def _parts(key: str) -> tuple[WorldId, ObjectId, int]:
    """World, account and window of a key "LIMITER/world:generation:account:window/…"."""
    world, _, account, window = key.split("/", 2)[1].split(":")
    return WorldId(world), ObjectId(account), int(window)
