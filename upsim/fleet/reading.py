"""What a worker, or a whole fleet, looks like right now.

A reading sees the last complete minute: its curves and its outages. What was done by hand holds at once: a worker taken
offline is offline in the next call, one put online mines. Online means connected: a worker whose profile has no healthy
pool is online with a hashrate of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from upsim.clock import MINUTE, SECOND, Instant, next_border
from upsim.fleet.cells import KEPT_OFFLINE, feed_of
from upsim.fleet.curves import ONE, Vector
from upsim.fleet.device import Device
from upsim.fleet.hardware import HARDWARE, QUANTUM
from upsim.fleet.history import FULL, Event, Segment, segments
from upsim.fleet.integrals import dot, fed
from upsim.fleet.outages import down_cells, down_since, is_down, observed_step, outages, up_ms, up_since, up_since_today
from upsim.fleet.shares import FINE, Shares, found
from upsim.fleet.sums import CellSum, FleetSums
from upsim.fleet.troubles import Trouble, losses
from upsim.records import dataclass

NO_TROUBLE: Final[Mapping[str, Sequence[Trouble]]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Reading:
    """One worker, now.

    Attributes:
        online: whether it is connected.
        hashrate: in H/s; 0 where it is offline, or its profile mines nothing.
        last_seen_at: now's minute where it is online; else the end of the last time it was; None if it never was.
        uptime_s: whole seconds from when it last came online to when it was last seen; 0 where it is offline.
        shares: found since it joined, up to the end of the last complete minute.
        until: the instant from which on it may read differently, though nothing was done to it.
    """

    online: bool
    hashrate: int
    last_seen_at: Instant | None
    uptime_s: int
    shares: Shares
    until: Instant = field(default=Instant(0), compare=False)


@dataclass(frozen=True, slots=True)
class FleetReading:
    """A group of workers, now.

    Attributes:
        workers: how many there are.
        online: how many of them are.
        hashrate: in H/s, the sum of theirs before rounding.
        until: the instant from which on it may read differently, though nothing was done to them.
    """

    workers: int
    online: int
    hashrate: int
    until: Instant = field(default=Instant(0), compare=False)

    @property
    def offline(self) -> int:
        """How many are not online."""
        return self.workers - self.online


def reading(
    seed: int,
    device: Device,
    history: Sequence[Event],
    now: Instant,
    troubles: Mapping[str, Sequence[Trouble]] = NO_TROUBLE,
) -> Reading:
    """What one worker looks like at an instant.

    Args:
        seed: the world's.
        history: the worker's events.
        troubles: by profile, its troubles in order; only those of profiles named in the history matter.
    """
    life = segments(device, history)
    step = observed_step(now)
    horizon = (step + 1) * MINUTE
    shares = found(seed, device.key, _work(seed, device, life, horizon, troubles))
    until = _next_after(now, life, *(troubles[part.profile] for part in life if part.profile in troubles))
    part = next((part for part in life if _holds(part.start, part.end, now)), None)
    if part is None or part.cell in down_cells(seed, now):
        return Reading(False, 0, _last_seen(seed, life, now), 0, shares, until)
    share = _mined_share(troubles.get(part.profile, ()), now)
    row = curves_at(seed, feed_of(part.cell), step)
    rate = _round(dot(device.factors, row) * part.scale * share * QUANTUM[device.algorithm], ONE * FULL * FULL)
    seen = Instant(max(horizon, part.start))
    return Reading(True, rate, seen, (seen - _up_since(seed, life, part, step)) // SECOND, shares, until)


def fleet_reading(
    seed: int,
    sums: FleetSums,
    now: Instant,
    troubled: Sequence[tuple[FleetSums, Sequence[Trouble]]] = (),
) -> FleetReading:
    """What a group of workers looks like at an instant, at a cost that does not depend on how many they are.

    Args:
        seed: the world's.
        sums: all of them.
        troubled: profiles of these workers that may be in trouble: the sums of each one's workers, which must be part
            of `sums`, and its troubles in order.
    """
    total, online, mined, until = _mined_now(seed, sums, now)
    mined *= FULL
    until = min(until, _next_after(now, *(troubles for _, troubles in troubled)))
    for part, troubles in troubled:
        share = _mined_share(troubles, now)
        if share != FULL:
            mined -= (FULL - share) * _mined_now(seed, part, now)[2]
    return FleetReading(total, online, _round(mined * QUANTUM[sums.algorithm], ONE * FULL * FULL), until)


def _mined_now(seed: int, sums: FleetSums, now: Instant) -> tuple[int, int, int, Instant]:
    """How many workers there are, how many are online, the rate of them all in QUANTUM / FULL / ONE H/s, until when."""
    step = observed_step(now)
    down = down_cells(seed, now)
    known = sums.read(down, Instant(now + 1))
    feeds, cells = list(known.feeds), dict(known.cells)
    for change in known.changes:
        feed = feed_of(change.cell)
        feeds[feed] -= change.delta
        if change.cell in down:
            cells[change.cell] = cells.get(change.cell, CellSum()) - change.delta
    total = sum(value.count for value in feeds)
    mined = sum(dot(value.parts, curves_at(seed, feed, step)) for feed, value in enumerate(feeds) if value)
    mined -= sum(dot(value.parts, curves_at(seed, feed_of(cell), step)) for cell, value in cells.items())
    until = min((change.at for change in known.changes), default=next_border(now))
    return total, total - sum(value.count for value in cells.values()), mined, min(until, next_border(now))


@lru_cache(maxsize=256)
def curves_at(seed: int, feed: int, step: int) -> Vector:
    return fed(seed, feed, step, step + 1)


def _next_after(now: Instant, *stretches: Sequence[Segment] | Sequence[Trouble]) -> Instant:
    """The next instant at which something may change: a minute begins, or one of the stretches begins or ends."""
    borders = (at for several in stretches for one in several for at in (one.start, one.end) if at and at > now)
    return min([next_border(now), *borders])


def _holds(start: int, end: int | None, now: int) -> bool:
    return start <= now and (end is None or now < end)


def _mined_share(troubles: Sequence[Trouble], now: Instant) -> int:
    """What a profile mines now of what it should, in per mille."""
    return next((trouble.per_mille for trouble in troubles if _holds(trouble.start, trouble.end, now)), FULL)


def _round(value: int, unit: int) -> int:
    """The integer nearest to value / unit, a half upwards."""
    return (2 * value + unit) // (2 * unit)


def _work(
    seed: int, device: Device, life: Sequence[Segment], horizon: int, troubles: Mapping[str, Sequence[Trouble]]
) -> int:
    """The work done from joining to an instant, in 1 / FINE of a share: the time it mined, at its scale.

    The curves are left out: they add up to nothing, and in an hour luck is the larger.
    """
    work = 0
    for part in life:
        end = horizon if part.end is None else min(part.end, horizon)
        if part.start >= end:
            continue
        mined = FULL * up_ms(seed, part.cell, part.start, end)
        if part.scale and troubles.get(part.profile):
            mined -= _lost_ms(seed, part.cell, part.start, end, tuple(troubles[part.profile]))
        work += part.scale * mined
    return work * FINE // (HARDWARE[device.model].share_s * SECOND * FULL * FULL)


@lru_cache(maxsize=4096)
def _lost_ms(seed: int, cell: int, start: int, end: int, troubles: tuple[Trouble, ...]) -> int:
    """What a cell loses to troubles while it is up, in per mille times milliseconds."""
    lost = losses(troubles)
    first, last = lost.span(start, end)
    if first >= last or cell >= KEPT_OFFLINE:
        return 0
    down = outages(seed, cell, first // MINUTE, -(-last // MINUTE))
    idle = sum(lost.between(max(first, one * MINUTE), min(last, other * MINUTE)) for one, other in down)
    return lost.between(first, last) - idle


def _last_seen(seed: int, life: Sequence[Segment], now: Instant) -> Instant | None:
    """The last instant an offline worker was online, as seen at now."""
    step = observed_step(now)
    for part in reversed(life):
        if part.start > now or part.cell >= KEPT_OFFLINE:
            continue
        if part.end is None or part.end > now:
            # Still there, so it is down in the step seen.
            seen = down_since(seed, part.cell, step) * MINUTE
        else:
            last = min((part.end - 1) // MINUTE, step)
            seen = down_since(seed, part.cell, last) * MINUTE if is_down(seed, part.cell, last) else part.end
        if seen > part.start:
            return Instant(seen)
    return None


def _up_since(seed: int, life: Sequence[Segment], now_in: Segment, step: int) -> int:
    """The instant an online worker last came online."""
    up = now_in.start
    for part in reversed(life):
        if part.start > now_in.start:
            continue
        last = step if part is now_in or part.end is None else min((part.end - 1) // MINUTE, step)
        if part is not now_in and is_down(seed, part.cell, last):
            return up
        since = up_since_today if part is now_in else up_since
        first = since(seed, part.cell, last, part.start // MINUTE) * MINUTE
        if first > part.start:
            return first
        up = part.start
    return up
