"""Curves with the outages taken out, added up over any stretch of time, to the millisecond.

What a cell mines with is what its site is fed (the site's curves less the outages of network and site) less what the
cell's own rack and slot lose. A fleet takes the first for all its workers at once, and the second only for the cells
that lost anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from operator import mul
from typing import Final

from upsim.clock import MINUTE
from upsim.fleet import curves
from upsim.fleet.cells import DARK, KEPT_OFFLINE, SITES, feed_of, site_of
from upsim.fleet.curves import LEVELS, WIDTH, Vector
from upsim.fleet.outages import Span, own_outages, site_outages

NOTHING: Final[Vector] = (0,) * WIDTH
_DAY: Final = LEVELS[-1].steps


def plus(a: Vector, b: Vector) -> Vector:
    """The sum of two vectors."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


def minus(a: Vector, b: Vector) -> Vector:
    """The difference of two vectors."""
    return tuple(x - y for x, y in zip(a, b, strict=True))


def times(a: Vector, factor: int) -> Vector:
    """A vector times a number."""
    return tuple(x * factor for x in a)


def dot(parts: Vector, row: Vector) -> int:
    """The sum of the products: what factors make of the curves."""
    return sum(map(mul, parts, row))


def _lost(seed: int, site: int, spans: tuple[Span, ...]) -> Vector:
    total = NOTHING
    for start, end in spans:
        total = plus(total, curves.between(seed, site, start, end))
    return total


@lru_cache(maxsize=1024)
def fed_rows(seed: int, feed: int, level: int, parent: int) -> tuple[Vector, ...]:
    """What a feed gives in each block of a level in one parent block, in order: sums over steps."""
    if feed == DARK:
        return (NOTHING,) * curves.fanout(level)
    site = feed % SITES
    rows = curves.rows(seed, site, level, parent)
    if feed >= SITES:
        return rows
    steps = LEVELS[level].steps
    first = parent * curves.fanout(level) * steps
    if not site_outages(seed, site, first, first + len(rows) * steps):
        return rows
    blocks = range(first, first + len(rows) * steps, steps)
    return tuple(
        minus(row, _lost(seed, site, site_outages(seed, site, start, start + steps)))
        for row, start in zip(rows, blocks, strict=True)
    )


def fed(seed: int, feed: int, start: int, end: int) -> Vector:
    """What a feed gives over the steps start <= step < end."""
    if feed == DARK or start >= end:
        return NOTHING
    site = feed % SITES
    whole = curves.between(seed, site, start, end)
    return whole if feed >= SITES else minus(whole, _lost(seed, site, site_outages(seed, site, start, end)))


def own_lost(seed: int, cell: int, start: int, end: int) -> Vector:
    """What a cell loses of what it is fed over the steps start <= step < end; nothing for a cell kept offline."""
    if cell >= KEPT_OFFLINE or start >= end:
        return NOTHING
    return _lost(seed, site_of(cell), own_outages(seed, cell, start, end))


@lru_cache(maxsize=1024)
def flapping_lost(seed: int, cell: int, start: int, end: int) -> Vector:
    """own_lost of a flapping cell, remembered: there are many outages in it."""
    return own_lost(seed, cell, start, end)


@lru_cache(maxsize=4096)
def lost_span(seed: int, cell: int, start: int, end: int) -> Vector:
    """What a scheduled cell loses by an outage over the steps start <= step < end."""
    return curves.between(seed, site_of(cell), start, end)


def _to_the_millisecond(by_steps: Callable[[int, int], Vector], start: int, end: int) -> Vector:
    """A sum over steps as an integral over instants: within a step, everything is as it is on the whole of it."""
    first, ahead = divmod(start, MINUTE)
    last, inside = divmod(end, MINUTE)
    total = times(by_steps(first, last), MINUTE)
    if ahead:
        total = minus(total, times(by_steps(first, first + 1), ahead))
    if inside:
        total = plus(total, times(by_steps(last, last + 1), inside))
    return total


@lru_cache(maxsize=256)
def fed_ms(seed: int, feed: int, start: int, end: int) -> Vector:
    """What a feed gives over the instants start <= t < end, times milliseconds."""
    return _to_the_millisecond(lambda a, b: fed(seed, feed, a, b), start, end)


def own_lost_ms(seed: int, cell: int, start: int, end: int) -> Vector:
    """What a cell loses of what it is fed over the instants start <= t < end, times milliseconds."""
    return _to_the_millisecond(lambda a, b: own_lost(seed, cell, a, b), start, end)


def cell_ms(seed: int, cell: int, start: int, end: int) -> Vector:
    """What a worker in a cell mines with over the instants start <= t < end, times milliseconds."""
    return minus(fed_ms(seed, feed_of(cell), start, end), own_lost_ms(seed, cell, start, end))
