"""Answers that are given again: the same bytes for as long as computing them anew would give the same.

An answer to GET is a function of what was asked, by which account, of the world's version, and of the time. The version
comes from the store with each call's look-up, so whatever any process writes is seen by the next call of every process;
the time until which an answer holds comes from the rule that made it. Nothing is ever dropped for being old: what is
asked least recently makes room.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from upsim.clock import Instant
from upsim.model import ObjectId, Scope, Version
from upsim.records import dataclass

ROOM_BYTES: Final = 16 << 20
"""How much of them a process keeps: some 350 pages of 100 workers, or 20,000 small answers."""

_OVERHEAD_BYTES: Final = 600
"""What an answer takes besides its body, about."""

Asked = tuple[Version, ObjectId, str, str]
"""A world's version, an account, a path, a query."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that may be given again.

    Attributes:
        scope: what a key needs to be given it.
        since, until: the instants at which it holds: since <= now < until.
    """

    operation: str
    scope: Scope
    body: bytes
    since: Instant
    until: Instant


class KeptAnswers:
    """The answers that a process keeps, all worlds together."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        """Begin with none."""
        self._room = room_bytes
        self._taken = 0
        self._answers: OrderedDict[Asked, Kept] = OrderedDict()
        self._lock = Lock()

    def find(self, asked: Asked, now: Instant) -> Kept | None:
        """The answer to what is asked, if one is kept that holds now."""
        with self._lock:
            kept = self._answers.get(asked)
            if kept is None or not kept.since <= now < kept.until:
                return None
            self._answers.move_to_end(asked)
            return kept

    def keep(self, asked: Asked, kept: Kept) -> None:
        """Keep an answer, in place of the one before, and of others where it needs their room."""
        with self._lock:
            before = self._answers.pop(asked, None)
            if before is not None:
                self._taken -= _size(asked, before)
            self._answers[asked] = kept
            self._taken += _size(asked, kept)
            while self._taken > self._room:
                self._taken -= _size(*self._answers.popitem(last=False))


def _size(asked: Asked, kept: Kept) -> int:
    """What both take: who asks may write a query of tens of thousands of signs."""
    return _OVERHEAD_BYTES + len(asked[2]) + len(asked[3]) + len(kept.body)
