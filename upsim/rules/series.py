"""Hashrate over time: of one worker, or of all of an account's workers of one algorithm."""

from __future__ import annotations

from upsim.clock import FOREVER, Instant
from upsim.errors import InvalidInput
from upsim.fleet.recorded import added
from upsim.fleet.series import RANGES, Point
from upsim.model import MEASURED, Account, ObjectId
from upsim.records import dataclass
from upsim.rules import measured
from upsim.rules.fleets import Crew, Fleet
from upsim.rules.workers import require_worker
from upsim.world import World


@dataclass(frozen=True, slots=True)
class Series:
    """A series as it was asked for.

    Attributes:
        algorithm: what was asked for, or else what is mined; None where there is no worker to mine anything.
        points: (timestamp in Unix seconds, H/s), oldest first.
        until: the instant at which there is another point.
    """

    algorithm: str | None
    time_range: str
    hours: int
    granularity_s: int
    points: tuple[Point, ...]
    until: Instant


def worker_series(
    world: World, account: Account, worker_id: ObjectId, time_range: str, algorithm: str | None
) -> Series:
    """One worker's hashrate over a range.

    Raises:
        NotFound: the account has no such worker.
        InvalidInput: an algorithm is named, and it is not the worker's.
    """
    worker = require_worker(world, account, worker_id)
    if algorithm not in (None, worker.algorithm):
        raise InvalidInput("algorithm", f"worker {worker.name!r} mines {worker.algorithm}, not {algorithm}.")
    now = world.now()
    if worker.model == MEASURED:
        found = measured.worker_series(world, worker, time_range, now)
    else:
        found = Crew.of(world, account, [worker]).series(worker, time_range, now)
    return Series(worker.algorithm, time_range, found.hours, found.granularity, found.points, found.until)


def fleet_series(world: World, account: Account, time_range: str, algorithm: str | None) -> Series:
    """The hashrate of all the account's workers of an algorithm over a range.

    Raises:
        InvalidInput: no algorithm is named, and there are workers of several: their hashrates cannot be added.
    """
    mined = world.store.list_algorithms(world.id, account.id)
    if algorithm is None and len(mined) > 1:
        raise InvalidInput(
            "algorithm", f"is required, since there are workers of several: name one of {', '.join(mined)}."
        )
    if algorithm is None and mined:
        algorithm = mined[0]
    if algorithm is None or algorithm not in mined:
        empty = RANGES[time_range]
        return Series(algorithm, time_range, empty.hours, empty.granularity, (), FOREVER)
    now = world.now()
    found = Fleet.over(world, account, algorithm, time_range, now).series(time_range, now)
    beside = measured.fleet_series(world, account, algorithm, time_range, now)
    if beside:
        found = added([found, beside])
    return Series(algorithm, time_range, found.hours, found.granularity, found.points, found.until)
