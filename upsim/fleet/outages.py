"""When which cell is down: schedules drawn from the seed, answered for any time without having seen the time before.

Four things fail: the network, a site, a rack, and a single slot of a rack (a machine's restart, or its wait for a
technician). Each node has at most one outage in each epoch of its kind's length (PLANS), so that a look at one epoch
tells whether it is down. A cell is down while any node above it is. Outages begin and end on steps of a minute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Final, NamedTuple

from upsim.clock import MINUTE, Instant
from upsim.fleet.cells import (
    CELLS,
    FLAPPING,
    KEPT_OFFLINE,
    KEPT_ONLINE,
    RACKS,
    SCHEDULED,
    SITES,
    SLOTS,
    rack_of,
    site_of,
)
from upsim.fleet.chance import below, digest

Span = tuple[int, int]
"""Steps start <= step < end."""


class Length(NamedTuple):
    """One way an outage can last: `likely` of 256 last shortest..longest steps, each length alike."""

    likely: int
    shortest: int
    longest: int


class Plan(NamedTuple):
    """How one kind of node fails.

    Attributes:
        name: the kind.
        epoch: steps in which a node has one outage at most.
        happens: in how many of 256 epochs it has one.
        lengths: how long they last; their shares add up to 256.
        nodes: how many nodes of the kind there are.
    """

    name: str
    epoch: int
    happens: int
    lengths: tuple[Length, ...]
    nodes: int

    @property
    def mean_length(self) -> float:
        """The mean length of an outage, in steps."""
        return sum(way.likely * (way.shortest + way.longest) / 2 for way in self.lengths) / 256

    @property
    def share_down(self) -> float:
        """The share of time a node of this kind is down by its own fault."""
        return self.happens / 256 * self.mean_length / self.epoch


_DAY: Final = 1440
_MIDNIGHT: Final = _DAY * MINUTE
"""Milliseconds from one midnight to the next."""
NETWORK: Final = Plan("network", 128 * _DAY, 128, (Length(256, 2, 20),), 1)
SITE: Final = Plan("site", 64 * _DAY, 128, (Length(256, 5, 90),), SITES)
RACK: Final = Plan("rack", 32 * _DAY, 128, (Length(256, 10, 180),), SITES * RACKS)
SLOT: Final = Plan("slot", 24 * _DAY, 256, (Length(154, 2, 9), Length(64, 20, 180), Length(38, 240, 1440)), SCHEDULED)
PLANS: Final = (NETWORK, SITE, RACK, SLOT)

_TOGETHER: Final = 8
"""Nodes that share one digest, 8 bytes each."""

FLAP: Final = 30
"""Steps in which a flapping cell is down once, for a third of them: chance says which."""
FLAP_DOWN: Final = FLAP // 3
"""Steps that a flapping cell is down."""


@lru_cache(maxsize=2048)
def _epoch(seed: int, plan: Plan, group: int, epoch: int) -> tuple[Span | None, ...]:
    """The outages of eight nodes in one epoch. Groups have their epochs at different times."""
    chance = digest(seed, plan.name, group, epoch)
    first = epoch * plan.epoch - _stagger(plan, group)
    result: list[Span | None] = []
    for i in range(0, 8 * min(plan.nodes, _TOGETHER), 8):
        if chance[i] >= plan.happens:
            result.append(None)
            continue
        draw = chance[i + 1]
        for way in plan.lengths:
            if draw < way.likely:
                break
            draw -= way.likely
        length = way.shortest + below(way.longest - way.shortest + 1, chance[i + 2 : i + 4])
        start = first + below(plan.epoch - length + 1, chance[i + 4 : i + 8])
        result.append((start, start + length))
    return tuple(result)


def _stagger(plan: Plan, group: int) -> int:
    groups = -(-plan.nodes // _TOGETHER)
    return group * plan.epoch // groups


def _node_spans(seed: int, plan: Plan, node: int, start: int, end: int) -> Iterator[Span]:
    """The outages of a node that touch start <= step < end, in order."""
    group, index = divmod(node, _TOGETHER)
    stagger = _stagger(plan, group)
    for epoch in range((start + stagger) // plan.epoch, (end - 1 + stagger) // plan.epoch + 1):
        span = _epoch(seed, plan, group, epoch)[index]
        if span and span[0] < end and span[1] > start:
            yield span


def _united(spans: Iterable[Span], start: int, end: int) -> tuple[Span, ...]:
    """The same steps as spans in order that do not touch, cut to start <= step < end."""
    result: list[Span] = []
    for first, last in sorted(spans):
        first, last = max(first, start), min(last, end)
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(last, result[-1][1]))
        else:
            result.append((first, last))
    return tuple(result)


def site_outages(seed: int, site: int, start: int, end: int) -> tuple[Span, ...]:
    """When a whole site is down, by its own fault or the network's, within start <= step < end."""
    return _united(
        chain(_node_spans(seed, NETWORK, 0, start, end), _node_spans(seed, SITE, site, start, end)), start, end
    )


def outages(seed: int, cell: int, start: int, end: int) -> tuple[Span, ...]:
    """When a cell is down, whatever the reason, within start <= step < end: in order, and not touching each other."""
    if cell < SCHEDULED:
        spans = chain(
            _node_spans(seed, NETWORK, 0, start, end),
            _node_spans(seed, SITE, site_of(cell), start, end),
            _node_spans(seed, RACK, rack_of(cell), start, end),
            _node_spans(seed, SLOT, cell, start, end),
        )
        return _united(spans, start, end)
    if cell < KEPT_ONLINE:
        return _united(_flaps(seed, cell, start, end), start, end)
    return () if cell < KEPT_OFFLINE else ((start, end),)


def own_outages(seed: int, cell: int, start: int, end: int) -> tuple[Span, ...]:
    """When a cell is down though what feeds it (see feed_of) is up: what its rack and its slot add."""
    if cell >= SCHEDULED:
        return outages(seed, cell, start, end)
    own = _united(
        chain(_node_spans(seed, RACK, rack_of(cell), start, end), _node_spans(seed, SLOT, cell, start, end)), start, end
    )
    if not own:
        return own
    return tuple(_less(own, site_outages(seed, site_of(cell), start, end)))


def _less(spans: Iterable[Span], taken: Collection[Span]) -> Iterator[Span]:
    """What is left of spans outside the taken ones; both in order."""
    for start, end in spans:
        for first, last in taken:
            if last <= start or first >= end:
                continue
            if first > start:
                yield start, first
            start = last
        if start < end:
            yield start, end


@lru_cache(maxsize=8192)
def _flap(seed: int, cell: int, block: int) -> Span:
    start = block * FLAP + FLAP_DOWN * below(3, digest(seed, "flap", cell, block)[:2])
    return start, start + FLAP_DOWN


def _flaps(seed: int, cell: int, start: int, end: int) -> Iterator[Span]:
    for block in range(start // FLAP, (end - 1) // FLAP + 1):
        span = _flap(seed, cell, block)
        if span[0] < end and span[1] > start:
            yield span


class CellSpan(NamedTuple):
    """An outage of a cell's own: start <= step < end."""

    cell: int
    start: int
    end: int


@lru_cache(maxsize=64)
def _own_outages_of_day(seed: int, day: int) -> tuple[CellSpan, ...]:
    first, last = day * _DAY, (day + 1) * _DAY
    spans: dict[int, list[Span]] = {}
    for plan, width in ((RACK, SLOTS), (SLOT, 1)):
        for group in range(plan.nodes // _TOGETHER):
            stagger = _stagger(plan, group)
            for epoch in range((first + stagger) // plan.epoch, (last - 1 + stagger) // plan.epoch + 1):
                for node, span in enumerate(_epoch(seed, plan, group, epoch), group * _TOGETHER):
                    if span and span[0] < last and span[1] > first:
                        for cell in range(node * width, (node + 1) * width):
                            spans.setdefault(cell, []).append(span)
    return tuple(
        CellSpan(cell, start, end)
        for cell, found in sorted(spans.items())
        for start, end in _less(_united(found, first, last), site_outages(seed, site_of(cell), first, last))
    )


@lru_cache(maxsize=1024)
def all_own_outages(seed: int, start: int, end: int) -> tuple[CellSpan, ...]:
    """The own_outages of all scheduled cells within start <= step < end, day by day, and cell by cell in a day."""
    return tuple(
        CellSpan(cell, max(first, start), min(last, end))
        for day in range(start // _DAY, (end - 1) // _DAY + 1)
        for cell, first, last in _own_outages_of_day(seed, day)
        if first < end and last > start
    )


def observed_step(now: Instant) -> int:
    """The step that `now` sees: the last that is complete. What happens in the present minute shows in the next."""
    return now // MINUTE - 1


def is_down(seed: int, cell: int, step: int) -> bool:
    """Whether a cell is down in a step."""
    return bool(outages(seed, cell, step, step + 1))


@lru_cache(maxsize=64)
def _down(seed: int, step: int) -> frozenset[int]:
    down = set(range(KEPT_OFFLINE, CELLS))
    down.update(cell for cell in range(FLAPPING, KEPT_ONLINE) if is_down(seed, cell, step))
    for site in range(SITES):
        if site_outages(seed, site, step, step + 1):
            down.update(range(site * RACKS * SLOTS, (site + 1) * RACKS * SLOTS))
    down.update(span.cell for span in all_own_outages(seed, step, step + 1))
    return frozenset(down)


def down_cells(seed: int, now: Instant) -> frozenset[int]:
    """All cells that are down at an instant: a worker is offline exactly when its present cell is one of them.

    The cells of workers kept offline are always among them, those of workers kept online never.
    """
    return _down(seed, observed_step(now))


def down_since(seed: int, cell: int, step: int) -> int:
    """The first step of the outage a cell is in at this step. For a cell kept offline, the step itself."""
    if cell >= KEPT_OFFLINE:
        return step
    while True:
        earlier = _earliest(seed, cell, step)
        if earlier == step:
            return step
        step = earlier


def _earliest(seed: int, cell: int, step: int) -> int:
    """The first step of the longest stretch that some node's outage covers up to this step, or up to the one before."""
    if cell >= SCHEDULED:
        return min((start for start, _ in _flaps(seed, cell, step - 1, step + 1)), default=step)
    spans = chain(
        _node_spans(seed, NETWORK, 0, step - 1, step + 1),
        _node_spans(seed, SITE, site_of(cell), step - 1, step + 1),
        _node_spans(seed, RACK, rack_of(cell), step - 1, step + 1),
        _node_spans(seed, SLOT, cell, step - 1, step + 1),
    )
    return min((start for start, _ in spans if start <= step), default=step)


def up_since(seed: int, cell: int, step: int, not_before: int) -> int:
    """The first step of the stretch without outage that a cell is in at this step, or not_before where that is later.

    The cell must be up at the step.
    """
    if cell >= SCHEDULED:
        if cell >= KEPT_ONLINE:
            return not_before
        last = _flap(seed, cell, step // FLAP)
        if last[0] > step:
            last = _flap(seed, cell, step // FLAP - 1)
        return max(last[1], not_before)
    return _last_end(seed, cell, step, not_before)


def up_since_today(seed: int, cell: int, step: int, not_before: int) -> int:
    """The same, fit to be asked of many cells about the present step: all but the last day is remembered."""
    if cell >= SCHEDULED:
        return up_since(seed, cell, step, not_before)
    day = step // _DAY
    ended = [end for _, end in outages_of_day(seed, day).get(cell, ()) if end <= step]
    return max(ended[-1] if ended else _last_end_before(seed, cell, day), not_before)


@lru_cache(maxsize=4096)
def _last_end_before(seed: int, cell: int, day: int) -> int:
    return _last_end(seed, cell, day * _DAY, 0)


def _last_end(seed: int, cell: int, step: int, not_before: int) -> int:
    """When a scheduled cell's last outage ended that was over by a step, or not_before where that is later."""
    best = not_before
    for plan, node in ((SLOT, cell), (RACK, rack_of(cell)), (SITE, site_of(cell)), (NETWORK, 0)):
        group, index = divmod(node, _TOGETHER)
        stagger = _stagger(plan, group)
        epoch = (step + stagger) // plan.epoch
        while (epoch + 1) * plan.epoch - stagger > best:
            span = _epoch(seed, plan, group, epoch)[index]
            if span and span[1] <= step:
                best = max(best, span[1])
                break
            epoch -= 1
    return best


def up_ms(seed: int, cell: int, start: int, end: int) -> int:
    """For how many milliseconds a cell is up over the instants start <= t < end.

    Fit to be asked again and again for months that begin at the same instant: all but the last day is remembered.
    """
    if cell >= KEPT_ONLINE or start >= end:
        return max(0, end - start) if cell < KEPT_OFFLINE else 0
    if cell >= FLAPPING:
        return end - start - _flapped_ms(seed, cell, start, end)
    midnight = end - end % _MIDNIGHT
    if midnight <= start:
        return end - start - _down_ms(seed, cell, start, end)
    today = outages_of_day(seed, midnight // _MIDNIGHT).get(cell, ())
    down = sum(min(last * MINUTE, end) - first * MINUTE for first, last in today if first * MINUTE < end)
    return end - start - _down_before(seed, cell, start, midnight) - down


@lru_cache(maxsize=64)
def outages_of_day(seed: int, day: int) -> dict[int, tuple[Span, ...]]:
    """The outages of all scheduled cells that have any on a day, cut to it."""
    first, last = day * _DAY, (day + 1) * _DAY
    spans: dict[int, list[Span]] = {}
    for cell, start, end in _own_outages_of_day(seed, day):
        spans.setdefault(cell, []).append((start, end))
    for site in range(SITES):
        for span in site_outages(seed, site, first, last):
            for cell in range(site * RACKS * SLOTS, (site + 1) * RACKS * SLOTS):
                spans.setdefault(cell, []).append(span)
    return {cell: _united(found, first, last) for cell, found in spans.items()}


@lru_cache(maxsize=8192)
def until_day(seed: int, cell: int, start: int, day: int) -> tuple[int, int]:
    """A scheduled cell before a day: for how many milliseconds it was down from an instant on, and the step at which
    the last outage ended that was over by then."""
    return _down_ms(seed, cell, start, day * _MIDNIGHT), _last_end_before(seed, cell, day)


@lru_cache(maxsize=4096)
def _down_before(seed: int, cell: int, start: int, midnight: int) -> int:
    return _down_ms(seed, cell, start, midnight)


def _down_ms(seed: int, cell: int, start: int, end: int) -> int:
    spans = outages(seed, cell, start // MINUTE, -(-end // MINUTE)) if start < end else ()
    return sum(min(last * MINUTE, end) - max(first * MINUTE, start) for first, last in spans)


def _flapped_ms(seed: int, cell: int, start: int, end: int) -> int:
    """Of whole half hours, a third; only the first and the last have to be looked at."""
    half_hour = FLAP * MINUTE
    first, last = -(-start // half_hour), end // half_hour
    if first >= last:
        return _down_ms(seed, cell, start, end)
    edges = _down_ms(seed, cell, start, first * half_hour) + _down_ms(seed, cell, last * half_hour, end)
    return edges + (last - first) * FLAP_DOWN * MINUTE
