"""What rules are given: one isolated world, with its clock and chance, and the store that keeps it."""

from __future__ import annotations

from typing import Protocol

from upsim.clock import Clock, Instant
from upsim.model import PoolTarget, PoolTest, WorldId, WorldRecord
from upsim.records import dataclass
from upsim.store.base import Store


class PoolTester(Protocol):
    """Tries pools, on the wire."""

    def __call__(self, world: World, target: PoolTarget) -> PoolTest:
        """Try a pool as the world sees it; never takes longer than its deadline, never raises."""


@dataclass(frozen=True, slots=True)
class World:
    """One isolated universe, as one request sees it.

    Attributes:
        wall: the clock of the machine; the world's own is `now`.
    """

    record: WorldRecord
    store: Store
    test_pool: PoolTester
    wall: Clock

    @property
    def id(self) -> WorldId:
        """The world's name."""
        return self.record.id

    @property
    def seed(self) -> int:
        """What the world's chance follows from."""
        return self.record.seed

    def now(self) -> Instant:
        """The world's time. A rule asks once and passes it down."""
        return self.record.clock.at(self.wall.now())


@dataclass(frozen=True, slots=True)
class Universe:
    """All worlds of a process, and what they share.

    Attributes:
        fixture, seed: what a new world has where it is not said.
    """

    store: Store
    test_pool: PoolTester
    wall: Clock
    fixture: str = "demo"
    seed: int = 1

    def world(self, record: WorldRecord) -> World:
        """The world of a record that was just read."""
        return World(record, self.store, self.test_pool, self.wall)
