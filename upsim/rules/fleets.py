"""Where the fleet's maths meets the workers that are kept: their devices, their histories, their sums."""

from __future__ import annotations

from functools import lru_cache

from upsim.fleet import Device, Event, EventKind, FleetSums, History, Tally
from upsim.model import Account, Worker
from upsim.store.base import Span, WorkerFilter
from upsim.world import World


def device_of(worker: Worker) -> Device:
    """The worker's machine."""
    return Device(
        key=worker.id,
        algorithm=worker.algorithm,
        model=worker.model,
        nominal=worker.nominal,
        cell=worker.home,
        weights=worker.weights,
        joined_at=worker.created_at,
        retired_at=worker.retired_at,
    )


@lru_cache(maxsize=4096)
def history_of(worker: Worker) -> History:
    """What was done to the worker by hand."""
    return tuple(Event(at, EventKind(kind), value, profile) for at, kind, value, profile in worker.history)


def sums_of(world: World, account: Account, algorithm: str) -> FleetSums:
    """The sums of the account's workers of an algorithm."""
    everyone = Span(0, 1 << 40)
    found = world.store.list_workers(world.id, account.id, WorkerFilter(algorithm=algorithm), everyone)
    return Tally.of(algorithm, ((device_of(worker), history_of(worker)) for worker in found.items))
