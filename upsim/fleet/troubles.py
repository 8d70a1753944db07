"""Troubles: when a profile mines less than it should, as follows from which pool it had in use when.

Knows instants and names of pools, not why a pool was left.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Final

from upsim.clock import SECOND, Instant
from upsim.fleet.history import FULL
from upsim.records import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """A stretch of time, start <= t < end or still going on, in which a profile mines less than it should.

    Attributes:
        per_mille: what is still mined: 0 where no pool is healthy.
    """

    start: Instant
    end: Instant | None = None
    per_mille: int = 0


FAILOVER_MS: Final = 90 * SECOND
"""How long a profile's workers take to move over to the next pool."""


def failover(at: Instant) -> Trouble:
    """The dip when a profile's pool changes under its workers: for a minute and a half, a third is mined."""
    return Trouble(at, Instant(at + FAILOVER_MS), 333)


@lru_cache(maxsize=1024)
def troubles_of(entries: tuple[tuple[Instant, str | None], ...], end: Instant | None = None) -> tuple[Trouble, ...]:
    """The troubles of a profile, in order, without overlap.

    Without a pool nothing is mined until there is one again; from one pool straight to another there is a failover,
    or the part of it that fits before the next change.

    Args:
        entries: (since when, pool in use), in order; None where all pools were unhealthy.
        end: when the profile ended.
    """
    result = []
    for (_, before), (at, pool), after in zip(
        ((Instant(0), None), *entries), entries, (*(at for at, _ in entries[1:]), end), strict=False
    ):
        if pool is None:
            result.append(Trouble(at, after, 0))
        elif before is not None:
            dip = failover(at)
            result.append(dip if after is None or dip.end is None else Trouble(at, min(dip.end, after), dip.per_mille))
    return tuple(trouble for trouble in result if trouble.end is None or trouble.start < trouble.end)


@lru_cache(maxsize=1024)
def losses(troubles: tuple[Trouble, ...]) -> Losses:
    """The time lost to troubles in order, ready to be asked for any stretch."""
    return Losses(troubles)


class Losses:
    """Time lost to troubles, in per mille times milliseconds, up to any instant: one look, however many there are."""

    def __init__(self, troubles: Sequence[Trouble]) -> None:
        """Add up troubles, in order and without overlap."""
        steps = [(0, 0)]
        for trouble in troubles:
            steps.append((trouble.start, FULL - trouble.per_mille))
            if trouble.end is not None:
                steps.append((trouble.end, 0))
        self._starts = [at for at, _ in steps]
        self._rates = [rate for _, rate in steps]
        lost = ((after - at) * rate for (at, rate), (after, _) in pairwise(steps))
        self._before = list(accumulate(lost, initial=0))

    def between(self, start: int, end: int) -> int:
        """What is lost over start <= t < end by who would mine all the time."""
        return self._until(end) - self._until(start) if start < end else 0

    def _until(self, at: int) -> int:
        index = bisect_right(self._starts, at) - 1
        return self._before[index] + (at - self._starts[index]) * self._rates[index]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The part of start <= t < end that lies from the first trouble on, up to the end of the last."""
        if len(self._starts) == 1:
            return start, start
        last = self._starts[-1] if self._rates[-1] == 0 else end
        return max(start, self._starts[1]), min(end, last)
