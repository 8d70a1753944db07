"""Shares: how many a worker has found, and what became of them, from the work it has done so far.

A count is a function of work, and work of the time mined, so that no share is found offline and no counter ever falls.
Luck bends the function a little: within a few dozen shares a worker runs ahead of its rate or behind it, as miners do,
and over days it finds what its hashrate says.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from upsim.fleet.chance import below, digest


class Shares(NamedTuple):
    """Counters since a worker joined. A share is one of the three."""

    accepted: int
    stale: int
    rejected: int


_LUCK: Final = (64, 10)
"""Shares between two points of luck, and how many a worker is ahead or behind there at most: as chance makes it."""
_BAD_LUCK: Final = (512, 140)
"""The same for how many of the shares are bad: of some seven in a stretch, two more or fewer."""
BAD: Final = (6, 22)
"""How many of 1000 shares are not accepted: with the best workers and with the worst."""
REJECTED: Final = 150
"""How many of 1000 shares that are not accepted are rejected; the others are stale."""

FINE: Final = 1 << 20
"""What `found` calls one share's work."""


def found(seed: int, key: str, work: int) -> Shares:
    """What a worker has found after some work.

    Args:
        key: the device's.
        work: in 1 / FINE of what a share takes on average.
    """
    return _luck_of(seed, key).found(work)


@lru_cache(maxsize=8192)
def _luck_of(seed: int, key: str) -> _Luck:
    return _Luck(seed, key)


class _Luck:
    """A worker's luck."""

    __slots__ = ("_bad", "_bad_per_mille", "_shares")

    def __init__(self, seed: int, key: str) -> None:
        self._shares = _Line(seed, "luck", key, _LUCK)
        self._bad = _Line(seed, "bad", key, _BAD_LUCK)
        self._bad_per_mille = BAD[0] + below(BAD[1] - BAD[0] + 1, digest("bad", key)[:4])

    def found(self, work: int) -> Shares:
        """See the function of this name."""
        shares = self._shares.bent(work) // FINE
        bad = self._bad.bent(shares * FINE) * self._bad_per_mille // (1000 * FINE)
        rejected = bad * REJECTED // 1000
        return Shares(shares - bad, bad - rejected, rejected)


class _Line:
    """A line through points of chance. The two that were needed last are remembered: work comes to the next slowly."""

    __slots__ = ("_about", "_most", "_stretch", "_two")

    def __init__(self, seed: int, name: str, key: str, luck: tuple[int, int]) -> None:
        self._about = f"{seed}:{name}:{key}"
        self._stretch, self._most = luck[0] * FINE, luck[1] * FINE
        self._two = (-2, 0, 0)  # the number of the first, and how high both are; replaced as one, whoever reads it

    def bent(self, work: int) -> int:
        """Work plus the line; it never falls as work grows, as no line falls as fast as that."""
        block, inside = divmod(work, self._stretch)
        before, here, there = self._two
        if before != block:
            here = there if before == block - 1 else self._point(block)
            there = self._point(block + 1)
            self._two = block, here, there
        return work + (here * (self._stretch - inside) + there * inside) // self._stretch

    def _point(self, block: int) -> int:
        return below(2 * self._most + 1, digest(self._about, block)[:8]) - self._most if block else 0
