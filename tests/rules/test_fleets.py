"""What an account's workers do together, by the sums that are kept: the same as each of them says, on every store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from upsim import fixture
from upsim.clock import DAY, HOUR, MINUTE, ClockState, Instant, parse_iso
from upsim.fleet.reading import fleet_reading, reading
from upsim.fleet.series import RANGES, series
from upsim.fleet.sums import Tally, changes_of
from upsim.model import Account, PoolTarget, PoolTest, WorldId, WorldRecord
from upsim.rules.devices import device_of, history_of, summands
from upsim.rules.fleets import Fleet
from upsim.rules.machines import Row, Wanted, change_workers, spawn_workers
from upsim.rules.overview import get_overview
from upsim.rules.series import fleet_series, worker_series
from upsim.store.asking import Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.factory import open_store
from upsim.world import World

START = parse_iso("2025-06-01T12:00:10Z")
ALL = Span(0, 1 << 40)


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    at: Instant = START

    def now(self) -> Instant:
        return self.at


def no_pools(world: World, target: PoolTarget) -> PoolTest:
    """Nobody tries a pool here."""
    raise AssertionError(target)


@pytest.fixture
def clock() -> HandClock:
    """The time."""
    return HandClock()


@pytest.fixture
def world(store_url: str, clock: HandClock) -> Iterator[World]:
    """The demo world in a store of each kind."""
    store: Store = open_store(store_url, summands)
    record = WorldRecord(WorldId("w"), "demo", 7, ClockState.real(), START)
    store.create_world(record, fixture.load("demo").content)
    yield World(record, store, no_pools, clock)
    store.close()


@pytest.fixture
def vip(world: World) -> Account:
    """The account of most workers."""
    return next(account for account in world.store.list_accounts(world.id) if account.name == "vip")


def assert_agreement(world: World, account: Account, algorithm: str) -> None:
    """Assert that the kept sums say what the workers themselves say."""
    now = world.now()
    workers = world.store.list_workers(world.id, account.id, WorkerFilter(algorithm=algorithm), ALL).items
    plain = Tally.of(algorithm, [(device_of(worker), history_of(worker)) for worker in workers])
    fleet = Fleet.now(world, account, algorithm, now)
    assert fleet.reading(now) == fleet_reading(world.seed, plain, now)
    assert fleet.listed == len(workers)
    for name in RANGES:
        kept = Fleet.over(world, account, algorithm, name, now)
        assert kept.series(name, now) == series(world.seed, name, plain, now)


def test_the_fleet_and_the_overview_are_the_sums_of_their_workers(world: World, vip: Account) -> None:
    workers = world.store.list_workers(world.id, vip.id, WorkerFilter(), ALL).items
    readings = {one.id: reading(world.seed, device_of(one), history_of(one), world.now()) for one in workers}
    for block in get_overview(world, vip).blocks:
        mine = [readings[one.id] for one in workers if one.algorithm == block.algorithm]
        assert block.workers_total == len(mine)
        assert block.workers_online == sum(one.online for one in mine)
        assert abs(block.hashrate - sum(one.hashrate for one in mine)) <= len(mine) / 2 + 1
    ravens = [one for one in workers if one.algorithm == "kawpow"]
    whole = fleet_series(world, vip, "6h", "kawpow").points
    parts = [worker_series(world, vip, one.id, "6h", None).points for one in ravens]
    for point, *shares in zip(whole, *parts, strict=True):
        assert abs(point.hashrate - sum(share.hashrate for share in shares)) <= (len(ravens) + 1) / 2


def test_sums_follow_what_the_control_plane_does_and_a_clock_that_goes_back(
    world: World, vip: Account, clock: HandClock
) -> None:
    profile = world.store.get_default_profile(world.id, vip.id, "randomx")
    assert profile is not None
    some = [one.id for one in world.store.list_workers(world.id, vip.id, WorkerFilter(algorithm="randomx"), ALL).items]
    clock.at = Instant(START + 20 * MINUTE)
    spawn_workers(world, vip, Row("late-{n}", "x5", profile.id, 7))
    assert_agreement(world, vip, "randomx")
    clock.at = Instant(START + 3 * HOUR)
    for step, wanted in enumerate(Wanted):
        clock.at = Instant(clock.at + 7 * MINUTE + 1)
        change_workers(world, vip, some[step * 4 : step * 4 + 9], wanted, 700)
        assert_agreement(world, vip, "randomx")
    for at in (START, START + DAY, START + 20 * MINUTE, START + 40 * DAY):
        clock.at = Instant(at)
        assert_agreement(world, vip, "randomx")
    copy = replace(world.record, id=WorldId("copy"))
    world.store.copy_content(world.id, copy.id, with_keys=False, record=copy)
    assert_agreement(replace(world, record=copy), vip, "randomx")


def test_what_a_worker_adds_to_the_sums_is_what_it_changes(world: World, vip: Account) -> None:
    one = world.store.list_workers(world.id, vip.id, WorkerFilter(search="flapping"), ALL).items[0]
    (summand,) = summands(one)
    (change,) = changes_of(device_of(one), history_of(one))
    assert (summand.at, summand.place, summand.numbers) == (change.at, change.cell, change.delta.flat)
