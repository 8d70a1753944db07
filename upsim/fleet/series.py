"""Hashrate over a range of time, of one worker or of any number, at the cost of the points and of what happened.

A point is the mean hashrate over its step, which begins at its timestamp; the last step of a series is the last that is
complete. Hashrate is constant on steps of a minute but for by-hand events, which count by their part of the minute.

One rounding: a point's exact mean becomes the nearest integer, a half upwards. So a fleet's point lies within half an
H/s for each worker of the sum of its workers' points, and a coarse point within 1 of the mean of the finer ones.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import islice, pairwise
from types import MappingProxyType
from typing import Final, NamedTuple

from upsim.clock import MINUTE, SECOND, Instant, next_border
from upsim.fleet import curves
from upsim.fleet.cells import FLAPPING, KEPT_ONLINE, SCHEDULED, feed_of
from upsim.fleet.curves import LEVELS, ONE, Vector
from upsim.fleet.device import Device
from upsim.fleet.hardware import QUANTUM
from upsim.fleet.history import FULL, Event, segments
from upsim.fleet.integrals import (
    cell_ms,
    dot,
    fed_ms,
    fed_rows,
    flapping_lost,
    lost_span,
    own_lost_ms,
    plus,
    times,
)
from upsim.fleet.outages import all_own_outages
from upsim.fleet.sums import FleetSums, Snapshot, Tally
from upsim.fleet.troubles import Trouble
from upsim.records import dataclass


class Range(NamedTuple):
    """A range a series can have.

    Attributes:
        hours: how far it reaches back.
        granularity: seconds between two points; each divides the next, and all of them an hour or are hours.
        level: the index of the granularity in curves.LEVELS.
    """

    hours: int
    granularity: int
    level: int

    @property
    def points(self) -> int:
        """How many points it has."""
        return self.hours * 3600 // self.granularity


def _range(hours: int, granularity: int) -> Range:
    return Range(hours, granularity, [level.steps * 60 for level in LEVELS].index(granularity))


RANGES: Final[Mapping[str, Range]] = MappingProxyType(
    {
        "1h": _range(1, 60),
        "6h": _range(6, 300),
        "24h": _range(24, 600),
        "7d": _range(168, 3600),
        "30d": _range(720, 14400),
    }
)
"""The ranges by their name on the API: 60, 72, 144, 168 and 180 points."""


class Point(NamedTuple):
    """The mean hashrate, in H/s, over the step that begins at a Unix time in seconds."""

    timestamp: int
    hashrate: int


@dataclass(frozen=True, slots=True)
class Series:
    """Hashrate over a range.

    Attributes:
        hours: the range's length.
        granularity: seconds of a point's step.
        points: ascending, without gaps, timestamps multiples of the granularity.
        until: the instant at which its next point is complete.
    """

    hours: int
    granularity: int
    points: tuple[Point, ...]
    until: Instant = Instant(0)

    @property
    def average(self) -> float:
        """The mean of the points, as the nearest float."""
        return sum(point.hashrate for point in self.points) / len(self.points)

    @property
    def peak(self) -> int:
        """The highest point."""
        return max(point.hashrate for point in self.points)


def series(
    seed: int,
    name: str,
    sums: FleetSums,
    now: Instant,
    troubled: Sequence[tuple[FleetSums, Sequence[Trouble]]] = (),
) -> Series:
    """The hashrate of a group of workers over the range before now.

    Costs O(points + outages + changes + trouble in the range), however many workers the sums stand for.

    Args:
        seed: the world's.
        name: a key of RANGES.
        sums: all the workers asked for.
        now: the instant the range ends before.
        troubled: profiles of these workers that were in trouble within the range: the sums of each one's workers, which
            must be part of `sums`, and its troubles in order, which must not overlap.
    """
    wanted = RANGES[name]
    step = MINUTE * LEVELS[wanted.level].steps
    end = now // step
    borders = [i * step for i in range(end - wanted.points, end + 1)]
    blocks = list(pairwise(borders))
    # Twice the sum by QUANTUM, and twice the unit: a half more is what rounds.
    quantum, unit = 2 * QUANTUM[sums.algorithm], FULL * ONE * step
    mined = [quantum * value for value in mined_over(seed, sums, blocks, wanted.level)]
    if troubled:
        mined, unit = [FULL * value for value in mined], FULL * unit
    for part, troubles in troubled:
        pieces = [piece for trouble in troubles for piece in _pieces(trouble, blocks)]
        if pieces:
            values = mined_over(seed, part, [(start, stop) for start, stop, _, _ in pieces], wanted.level)
            for value, (_, _, i, per_mille) in zip(values, pieces, strict=True):
                mined[i] -= (FULL - per_mille) * quantum * value
    times = [at // SECOND for at in borders[:-1]]
    rates = [(value + unit) // (2 * unit) for value in mined]
    return Series(wanted.hours, wanted.granularity, tuple(map(Point, times, rates)), next_border(now, step))


def worker_series(
    seed: int,
    name: str,
    device: Device,
    history: Sequence[Event],
    now: Instant,
    troubles: Mapping[str, Sequence[Trouble]] = MappingProxyType({}),
) -> Series:
    """The hashrate of one worker over the range before now.

    Args:
        history: its events.
        troubles: by profile, its troubles in order; only those of profiles named in the history matter.
    """
    workers = [(device, history)]
    troubled = [
        (Tally.of(device.algorithm, workers, profile), troubles[profile])
        for profile in {part.profile for part in segments(device, history)}
        if troubles.get(profile)
    ]
    return series(seed, name, Tally.of(device.algorithm, workers), now, troubled)


def mined_over(seed: int, sums: FleetSums, spans: Sequence[tuple[int, int]], level: int) -> list[int]:
    """The work done in each of some spans of time, exactly: in QUANTUM / 1000 / ONE H/s times milliseconds.

    Args:
        spans: instants start <= t < end, in order, without overlap.
        level: index in LEVELS of the blocks that most spans are; others take longer.
    """
    step = LEVELS[level].steps * MINUTE
    losing = _losing(seed, spans[0][0] // MINUTE, -(-spans[-1][1] // MINUTE))
    known = sums.read({*losing, *range(FLAPPING, KEPT_ONLINE)}, Instant(spans[0][0]))
    state = _State(known, losing)
    changes = deque(known.changes)
    for change in changes:
        state.apply(change.cell, times(change.delta.parts, -1))
    result: list[int] = []
    while len(result) < len(spans):
        start, end = spans[len(result)]
        while changes and changes[0].at <= start:
            change = changes.popleft()
            state.apply(change.cell, change.delta.parts)
        if start % step == 0 and end - start == step:
            # All blocks that follow each other up to the one in which there is the next change.
            for after in islice(spans, len(result) + 1, None):
                if after != (end, end + step) or (changes and changes[0].at < end):
                    break
                end += step
            blocks = range(start // step, end // step)
            result += [MINUTE * value for value in _mined_in_blocks(seed, state, level, blocks)]
        else:
            result.append(_mined_between(seed, state, start, end))
        while changes and changes[0].at < end:
            change = changes.popleft()
            result[-1] += dot(change.delta.parts, cell_ms(seed, change.cell, change.at, end))
            state.apply(change.cell, change.delta.parts)
    return result


@lru_cache(maxsize=1024)
def _losing(seed: int, start: int, end: int) -> frozenset[int]:
    """The cells that have outages of their own within start <= step < end."""
    return frozenset(span.cell for span in all_own_outages(seed, start, end))


class _State:
    """The sums at one instant, by feed and by the cells that matter; what is nothing is left out."""

    def __init__(self, known: Snapshot, losing: Set[int]) -> None:
        """Take the sums after all changes."""
        self._losing = losing
        self.feeds = {feed: value.parts for feed, value in enumerate(known.feeds) if any(value.parts)}
        self.cells: dict[int, Vector] = {}
        self.flapping: dict[int, Vector] = {}
        for cell, value in known.cells.items():
            if any(value.parts):
                (self.cells if cell < SCHEDULED else self.flapping)[cell] = value.parts

    def apply(self, cell: int, delta: Vector) -> None:
        """Add a change."""
        _add(self.feeds, feed_of(cell), delta)
        if cell in self._losing:
            _add(self.cells, cell, delta)
        elif FLAPPING <= cell < KEPT_ONLINE:
            _add(self.flapping, cell, delta)


def _add(vectors: dict[int, Vector], key: int, delta: Vector) -> None:
    total = plus(vectors[key], delta) if key in vectors else delta
    if any(total):
        vectors[key] = total
    else:
        vectors.pop(key, None)


_Parts = tuple[tuple[int, Vector], ...]
"""Sums by feed or by cell."""


def _mined_in_blocks(seed: int, state: _State, level: int, blocks: range) -> list[int]:
    """What is mined in each of some blocks that follow each other, times minutes."""
    fanout = curves.fanout(level)
    steps = LEVELS[level].steps
    feeds, flapping = tuple(state.feeds.items()), tuple(state.flapping.items())
    result: list[int] = []
    first = blocks.start
    while first < blocks.stop:
        last = min(first - first % fanout + fanout, blocks.stop)
        losing = _losing(seed, first * steps, last * steps)
        cells = tuple((cell, parts) for cell, parts in state.cells.items() if cell in losing) if losing else ()
        result += _mined_by(seed, level, first, last, feeds, cells, flapping)
        first = last
    return result


@lru_cache(maxsize=2048)
def _mined_by(
    seed: int, level: int, first: int, last: int, feeds: _Parts, cells: _Parts, flapping: _Parts
) -> Sequence[int]:
    """What is mined in each of the blocks first <= block < last, all in one of the next level, times minutes.

    Remembered: what is past stays as it was, and so mostly do the sums.

    Args:
        cells: all scheduled ones that have outages of their own in these blocks.
    """
    parent, inside = divmod(first, curves.fanout(level))
    fed = {feed: fed_rows(seed, feed, level, parent)[inside:] for feed, _ in feeds}
    steps = LEVELS[level].steps
    known = dict(cells)
    result = []
    for i, block in enumerate(range(first, last)):
        start, end = block * steps, (block + 1) * steps
        value = sum(dot(parts, fed[feed][i]) for feed, parts in feeds)
        for cell, *span in all_own_outages(seed, start, end):
            if cell in known:
                value -= dot(known[cell], lost_span(seed, cell, *span))
        for cell, parts in flapping:
            value -= dot(parts, flapping_lost(seed, cell, start, end))
        result.append(value)
    return result


def _mined_between(seed: int, state: _State, start: int, end: int) -> int:
    """What is mined between any two instants, times milliseconds."""
    value = 0
    for feed, parts in state.feeds.items():
        value += dot(parts, fed_ms(seed, feed, start, end))
    down = {span.cell for span in all_own_outages(seed, start // MINUTE, -(-end // MINUTE))}
    for cell in down & state.cells.keys():
        value -= dot(state.cells[cell], own_lost_ms(seed, cell, start, end))
    for cell, parts in state.flapping.items():
        value -= dot(parts, own_lost_ms(seed, cell, start, end))
    return value


def _pieces(trouble: Trouble, blocks: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int, int]]:
    """A trouble, cut at the borders of blocks that follow one another: start, end, block's index, per mille."""
    first, step, last = blocks[0][0], blocks[0][1] - blocks[0][0], blocks[-1][1]
    end = last if trouble.end is None else min(trouble.end, last)
    begin = max(trouble.start, first)
    if begin < end:
        for i in range((begin - first) // step, (end - 1 - first) // step + 1):
            yield max(begin, blocks[i][0]), min(end, blocks[i][1]), i, trouble.per_mille
