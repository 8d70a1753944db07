"""Where the fleet's maths meets the workers that are kept: their devices, their histories, their sums."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

from upsim.clock import FOREVER, Instant
from upsim.fleet import (
    FEEDS,
    CellSum,
    Change,
    Device,
    Event,
    EventKind,
    FleetSums,
    History,
    Snapshot,
    changes_of,
    feed_of,
)
from upsim.model import Account, Worker
from upsim.records import dataclass
from upsim.store.sums import Summand
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


def summands(worker: Worker) -> Iterator[Summand]:
    """What a worker adds to the sums that the store keeps for its account and algorithm: by cell, and by feed."""
    for change in changes_of(device_of(worker), history_of(worker) if worker.history else ()):
        yield Summand(change.at, change.cell, feed_of(change.cell), change.delta.flat)


@dataclass(frozen=True, slots=True)
class KeptSums:
    """The sums of an account's workers of an algorithm, as the store keeps them."""

    world: World
    account: Account
    algorithm: str

    def read(self, cells: Collection[int], since: Instant) -> Snapshot:
        """See FleetSums."""
        found = self.world.store.read_sums(self.world.id, self.account.id, self.algorithm, cells, since)
        feeds = [CellSum()] * FEEDS
        for feed, numbers in found.groups.items():
            feeds[feed] = CellSum.from_flat(numbers)
        return Snapshot(
            feeds,
            {cell: CellSum.from_flat(numbers) for cell, numbers in found.places.items()},
            [Change(at, cell, CellSum.from_flat(numbers)) for at, cell, numbers in found.changes],
        )


def sums_of(world: World, account: Account, algorithm: str) -> FleetSums:
    """The sums of the account's workers of an algorithm."""
    return KeptSums(world, account, algorithm)


def count_workers(world: World, account: Account, algorithm: str) -> int:
    """How many workers of the algorithm the account's lists show: those retired and those still to come included."""
    return world.store.read_sums(world.id, account.id, algorithm, (), world.now()).listed


def next_change(world: World, account: Account, algorithm: str | None, now: Instant) -> Instant:
    """The first instant after now at which a worker comes, goes or changes, of those that are known already.

    Args:
        algorithm: only workers of this one; None takes all.
    """
    mined = [algorithm] if algorithm else world.store.list_algorithms(world.id, account.id)
    later = Instant(now + 1)
    changes = (world.store.read_sums(world.id, account.id, one, (), later).changes for one in mined)
    return min((at for several in changes for at, _, _ in several), default=FOREVER)
