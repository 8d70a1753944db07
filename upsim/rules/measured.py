"""What measured workers do, read from what their miners did: the same questions that the fleet answers of the others.

Hashrate is accepted work by its assigned difficulty, over the last ten whole minutes and the present one, or since the
miner came; a series is work by its steps. A fleet's are the sums of its workers', in the same units. All is told as of
the present second, so that what was asked in it has one answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from upsim.clock import FOREVER, MINUTE, SECOND, Instant, next_border
from upsim.fleet.measured import NOTHING, Rate, hashrate, level_of, measured_series, rate, window_start
from upsim.fleet.reading import Reading
from upsim.fleet.series import RANGES, Series
from upsim.fleet.shares import Shares
from upsim.model import MEASURED, Account, Measured, ObjectId, Worker
from upsim.rules.presence import came_at, is_here
from upsim.world import World


def readings(world: World, workers: Sequence[Worker], now: Instant) -> Mapping[ObjectId, Reading]:
    """Those of the workers that are measured, as they are now."""
    measured = [worker for worker in workers if worker.model == MEASURED]
    if not measured:
        return {}
    known = world.store.get_measured(world.id, [worker.id for worker in measured], _first(now))
    return {worker.id: _reading(worker, *known.get(worker.id, (NOTHING, 0)), now) for worker in measured}


def fleet_hashrate(world: World, account: Account, algorithm: str, now: Instant) -> tuple[int, Instant]:
    """The sum of the hashrates of the account's measured workers of an algorithm, and until when it is that.

    It costs what changed within the window, not the workers: whose miner was there all the time is in the sum of all.
    """
    store = world.store
    blocks = store.read_work(world.id, (account.id, algorithm), 0, _first(now))
    total = sum(work for minute, work in blocks.items() if minute <= now // MINUTE)
    if not total:
        return 0, FOREVER
    until, now = next_border(now, SECOND), _second(now)
    start = window_start(now)
    changed = store.list_measured(world.id, account.id, algorithm=algorithm, since=start)
    known = store.get_measured(world.id, [worker.id for worker in changed], _first(now))
    rates = []
    for worker in changed:
        one, recent = known.get(worker.id, (NOTHING, 0))
        total -= recent
        if is_here(worker, now):
            rates.append(rate(one, came_at(worker), recent, now))
    return hashrate(algorithm, [*rates, Rate(total, now - start)]), until


def worker_series(world: World, worker: Worker, time_range: str, now: Instant) -> Series:
    """A measured worker's hashrate over a range."""
    return measured_series(worker.algorithm, time_range, _blocks(world, worker.id, time_range, now), now)


def fleet_series(world: World, account: Account, algorithm: str, time_range: str, now: Instant) -> Series | None:
    """The hashrate of the account's measured workers of an algorithm over a range; None where there was none."""
    blocks = _blocks(world, (account.id, algorithm), time_range, now)
    return measured_series(algorithm, time_range, blocks, now) if blocks else None


def _blocks(world: World, owner: ObjectId | tuple[ObjectId, str], time_range: str, now: Instant) -> Mapping[int, int]:
    wanted = RANGES[time_range]
    first = now // (wanted.granularity * SECOND) - wanted.points
    return world.store.read_work(world.id, owner, level_of(time_range), first)


def _first(now: Instant) -> int:
    return window_start(now) // MINUTE


def _reading(worker: Worker, known: Measured, recent: int, now: Instant) -> Reading:
    shares = Shares(known.accepted, known.stale, known.rejected)
    came = came_at(worker)
    if not is_here(worker, now):
        return Reading(False, 0, min(came, now), 0, shares, FOREVER)
    seen = _second(now)
    rated = hashrate(worker.algorithm, [rate(known, came, recent, seen)])
    last = max(seen, min(came, now))
    return Reading(True, rated, last, max(0, seen - came) // SECOND, shares, next_border(now, SECOND))


def _second(now: Instant) -> Instant:
    return Instant(now - now % SECOND)
