"""A small farm to do things to: two pools, two profiles, a few workers on each, in a store of any kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from upsim.clock import HOUR, MINUTE, ClockState, Instant, parse_iso
from upsim.model import (
    Account,
    Health,
    ObjectId,
    Pool,
    PoolTarget,
    PoolTest,
    Profile,
    Tier,
    Worker,
    WorldId,
    WorldRecord,
)
from upsim.rules.machines import Row, Wanted, change_workers, spawn_workers
from upsim.rules.overview import get_overview
from upsim.rules.series import fleet_series, worker_series
from upsim.rules.workers import WorkerView, get_worker
from upsim.store.asking import Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.content import Content
from upsim.world import World

START = parse_iso("2025-06-01T12:00:00Z")
ALL = Span(0, 1 << 40)
MINED = "kawpow"


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    at: Instant = START

    def now(self) -> Instant:
        return self.at


def no_pools(world: World, target: PoolTarget) -> PoolTest:
    """Nobody tries a pool here."""
    raise AssertionError(target)


class Farm:
    """Two pools, two profiles (both pools; the second pool alone), and four workers on each."""

    def __init__(self, store: Store) -> None:
        begun = Instant(START - 2 * HOUR)
        self.account = Account(ObjectId("a" * 24), "farm", Tier.VIP, begun)
        self.clock = HandClock(begun)
        record = WorldRecord(WorldId("w"), "farm", 7, ClockState.real(), begun)
        store.create_world(record, Content([self.account]))
        world = self.world = World(record, store, no_pools, self.clock)
        self.pools: list[Pool] = []
        self.profiles: list[Profile] = []
        for number in range(2):
            pool_id = ObjectId(f"{number + 1:024x}")
            name = f"pool {number}"
            pool = Pool(
                pool_id, self.account.id, name, MINED, "a.example", 3333, False, "me", "x", Health(), begun, begun
            )
            profile = Profile(
                ObjectId(f"{number + 9:024x}"), self.account.id, f"p{number}", MINED, (pool_id,), False, begun, begun
            )
            world.store.add_pool(world.id, pool, None, profile)
            self.pools.append(pool)
        for number, held in enumerate(((0, 1), (1,))):
            ids = tuple(self.pools[one].id for one in held)
            profile_id = ObjectId(f"{number + 17:024x}")
            profile = Profile(profile_id, self.account.id, f"q{number}", MINED, ids, False, begun, begun)
            self.profiles.append(world.store.add_profile(world.id, profile, None))
        self.workers = [
            spawn_workers(world, self.account, Row(f"{profile.name}-{{n}}", "rtx-3080-rvn", profile.id, 4))
            for profile in self.profiles
        ]
        for ids_of in self.workers:
            change_workers(world, self.account, ids_of, Wanted.ONLINE, 1000)
        self.clock.at = START

    def test_pool(self, number: int, *, fails: bool) -> None:
        error = "connectivity: refused" if fails else None
        latency = None if fails else 20
        self.world.store.record_test(self.world.id, self.pools[number].id, self.clock.at, latency, error)

    def view(self, worker_id: ObjectId) -> WorkerView:
        return get_worker(self.world, self.account, worker_id)

    def pass_minutes(self, minutes: int) -> None:
        self.clock.at = Instant(self.clock.at + minutes * MINUTE)

    def all_workers(self) -> Sequence[Worker]:
        which = WorkerFilter(algorithm=MINED)
        return self.world.store.list_workers(self.world.id, self.account.id, which, ALL).items

    def check(self) -> None:
        """Assert that parts are the whole, that offline is 0, and that who mines says on what."""
        workers = self.all_workers()
        views = [self.view(worker.id) for worker in workers]
        block = next(one for one in get_overview(self.world, self.account).blocks if one.algorithm == MINED)
        assert block.workers_online == sum(view.reading.online for view in views)
        assert abs(block.hashrate - sum(view.reading.hashrate for view in views)) <= (len(views) + 1) / 2
        for view in views:
            assert (view.pool is None) == (view.reading.hashrate == 0)
        for name in ("1h", "24h"):
            whole = fleet_series(self.world, self.account, name, MINED).points
            parts = [worker_series(self.world, self.account, worker.id, name, None).points for worker in workers]
            for point, *shares in zip(whole, *parts, strict=True):
                assert abs(point.hashrate - sum(share.hashrate for share in shares)) <= (len(parts) + 1) / 2
