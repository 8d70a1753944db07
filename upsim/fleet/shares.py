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
    shares = _bent(seed, key, "luck", work, _LUCK) // FINE
    bad = _bent(seed, key, "bad", shares * FINE, _BAD_LUCK) * _bad_per_mille(key) // (1000 * FINE)
    rejected = bad * REJECTED // 1000
    return Shares(shares - bad, bad - rejected, rejected)


@lru_cache(maxsize=2048)
def _bad_per_mille(key: str) -> int:
    return BAD[0] + below(BAD[1] - BAD[0] + 1, digest("bad", key)[:4])


def _bent(seed: int, key: str, name: str, work: int, luck: tuple[int, int]) -> int:
    """Work plus a line between points of chance; it never falls as work grows, as no line falls as fast as that."""
    stretch, most = luck[0] * FINE, luck[1] * FINE
    block, inside = divmod(work, stretch)
    here, there = _point(seed, key, name, block, most), _point(seed, key, name, block + 1, most)
    return work + (here * (stretch - inside) + there * inside) // stretch


@lru_cache(maxsize=4096)
def _point(seed: int, key: str, name: str, block: int, most: int) -> int:
    return below(2 * most + 1, digest(seed, name, key, block)[:8]) - most if block else 0
