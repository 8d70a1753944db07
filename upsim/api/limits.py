"""The rate limit: per user, all keys together, in fixed windows of the world's own clock.

A window's count is kept in the store, or outside in a storage of the limits library. Those go by the wall clock, which
here is the wrong one: so the window's number, by the world's clock, is part of what is counted by.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final

from upsim.clock import DAY, SECOND, Instant
from upsim.errors import RateLimited
from upsim.model import Caller
from upsim.records import dataclass
from upsim.rules.tiers import requests_allowed, window_at, window_start
from upsim.store.base import Store

if TYPE_CHECKING:
    from upsim.api.counting import Outside

KEPT_S: Final = DAY // SECOND
"""How long an outside storage keeps a window's count: longer than most clocks stand still."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a user stands in the present window.

    Attributes:
        limit: requests the window allows.
        hits: requests made in it, this one included.
        reset_at: when it ends, by the world's clock.
    """

    limit: int
    hits: int
    reset_at: Instant

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The three fields that every answer has. Source: reference, "Response Headers"."""
        return [
            ("X-RateLimit-Limit", str(self.limit)),
            ("X-RateLimit-Remaining", str(max(0, self.limit - self.hits))),
            ("X-RateLimit-Reset", str(self.reset_at // SECOND)),
        ]

    def check(self, now: Instant) -> None:
        """Check that this request is one of those that the window allows.

        Raises:
            RateLimited: it is one more.
        """
        if self.hits > self.limit:
            raise RateLimited(self.limit, max(1, -((now - self.reset_at) // SECOND)))


@dataclass(frozen=True, slots=True)
class Limits:
    """What counts requests: the store, unless another storage is given."""

    store: Store
    outside: Outside | None

    @property
    def together(self) -> AbstractContextManager[object] | None:
        """The store's, for calls that are counted; None where that is elsewhere, and waited for."""
        return None if self.outside else self.store.together

    def count(self, caller: Caller, now: Instant) -> Standing:
        """Count a request and say where that leaves its user: each request is told the number of its own.

        Raises:
            CountingUnavailable: the storage outside does not answer.
        """
        window = window_at(now)
        limit = requests_allowed(caller.account, window)
        if self.outside is None:
            hits = self.store.count_hit(caller.world.id, caller.account.id, window)
        else:
            # Such a storage knows of no end and no reset of a world.
            life = f"{caller.world.created_at}.{caller.world.generation}"
            hits = self.outside.incr(f"{caller.world.id}:{life}:{caller.account.id}:{window}", KEPT_S, 1)
        if caller.key.exhausted:
            hits = max(hits, limit + 1)
        return Standing(limit, hits, window_start(window + 1))
