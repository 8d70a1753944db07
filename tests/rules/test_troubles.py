"""What the health of pools does to hashrate: of a worker, of the fleet, now and over time, on every store."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.rules.farm import MINED, START, Farm, no_pools
from upsim.clock import Instant
from upsim.fleet.troubles import FAILOVER_MS
from upsim.model import WorldId, WorldRecord
from upsim.rules.devices import summands
from upsim.rules.overview import get_overview
from upsim.rules.pools import delete_pool
from upsim.rules.profiles import delete_profile, update_profile
from upsim.rules.series import fleet_series, worker_series
from upsim.rules.workers import assign_workers, get_worker
from upsim.store.asking import ProfileChanges
from upsim.store.factory import open_store
from upsim.world import World


@pytest.fixture
def farm(store_url: str) -> Iterator[Farm]:
    """The farm, in a store of each kind."""
    store = open_store(store_url, summands)
    yield Farm(store)
    store.close()


def test_a_profile_without_a_healthy_pool_mines_nothing_until_there_is_one(farm: Farm) -> None:
    (one, *_), (other, *_) = farm.workers[1], farm.workers[0]
    assert farm.view(one).reading.hashrate > 0
    farm.test_pool(1, fails=True)
    shown = farm.view(one)
    assert (shown.reading.online, shown.reading.hashrate, shown.pool) == (True, 0, None)
    assert farm.view(other).reading.hashrate > 0
    farm.check()
    farm.pass_minutes(20)
    assert farm.view(one).reading.shares == shown.reading.shares
    farm.check()
    points = worker_series(farm.world, farm.account, one, "1h", None).points
    assert [point.hashrate == 0 for point in points] == [False] * 40 + [True] * 20
    farm.test_pool(1, fails=False)
    again = farm.view(one)
    assert again.reading.hashrate > 0
    assert again.pool is not None
    farm.pass_minutes(20)
    assert sum(farm.view(one).reading.shares) > sum(shown.reading.shares)
    assert worker_series(farm.world, farm.account, one, "1h", None).points[-1].hashrate > 0
    farm.check()


def test_failover_to_the_next_healthy_pool_is_a_dip_and_so_is_the_way_back(farm: Farm) -> None:
    one = farm.workers[0][0]
    before = farm.view(one)
    farm.pass_minutes(10)
    farm.test_pool(0, fails=True)
    during = farm.view(one)
    assert during.pool is not None
    assert before.pool is not None
    assert (before.pool.id, during.pool.id) == (farm.pools[0].id, farm.pools[1].id)
    assert 0 < during.reading.hashrate < before.reading.hashrate / 2
    farm.check()
    farm.clock.at = Instant(farm.clock.at + FAILOVER_MS)
    assert farm.view(one).reading.hashrate > before.reading.hashrate * 0.8
    farm.pass_minutes(9)
    farm.test_pool(0, fails=False)
    assert farm.view(one).reading.hashrate < before.reading.hashrate / 2
    farm.pass_minutes(10)
    rates = [point.hashrate for point in worker_series(farm.world, farm.account, one, "1h", None).points]
    usual = sum(rates[:20]) / 20
    low = [minute for minute, rate in enumerate(rates) if rate < usual * 0.8]
    assert len(low) in (3, 4)
    farm.check()


def test_nothing_that_happens_to_pools_changes_what_was_before(farm: Farm) -> None:
    everybody = [worker_id for ids in farm.workers for worker_id in ids]
    before = [worker_series(farm.world, farm.account, one, "1h", None) for one in everybody]
    fleet = fleet_series(farm.world, farm.account, "1h", MINED)
    shares = [farm.view(one).reading.shares for one in everybody]
    for number in range(2):
        farm.test_pool(number, fails=True)
    assert [worker_series(farm.world, farm.account, one, "1h", None) for one in everybody] == before
    assert fleet_series(farm.world, farm.account, "1h", MINED) == fleet
    assert [farm.view(one).reading.shares for one in everybody] == shares


def test_a_worker_moved_to_a_profile_without_a_healthy_pool_stops_and_only_then(farm: Farm) -> None:
    one = farm.workers[0][0]
    farm.test_pool(1, fails=True)
    farm.pass_minutes(15)
    before = worker_series(farm.world, farm.account, one, "1h", None).points
    assert min(point.hashrate for point in before) > 0
    assign_workers(farm.world, farm.account, [one], farm.profiles[1].id)
    moved = farm.view(one)
    assert (moved.reading.online, moved.reading.hashrate, moved.pool) == (True, 0, None)
    farm.check()
    assert worker_series(farm.world, farm.account, one, "1h", None).points == before
    farm.pass_minutes(15)
    assert farm.view(one).reading.shares == moved.reading.shares
    points = worker_series(farm.world, farm.account, one, "1h", None).points
    assert [point.hashrate == 0 for point in points] == [False] * 45 + [True] * 15
    assign_workers(farm.world, farm.account, [one], farm.profiles[0].id)
    assert farm.view(one).reading.hashrate > 0
    farm.pass_minutes(5)
    farm.check()


def test_what_a_deleted_profile_was_through_stays_in_the_past_of_its_workers(farm: Farm) -> None:
    farm.test_pool(1, fails=True)
    farm.pass_minutes(30)
    one = farm.workers[1][0]
    before = farm.view(one).reading.shares
    delete_profile(farm.world, farm.account, farm.profiles[1].id)
    assert farm.view(one).reading.shares == before
    assert farm.view(one).reading.hashrate > 0
    farm.check()
    farm.pass_minutes(10)
    points = worker_series(farm.world, farm.account, one, "1h", None).points
    assert [point.hashrate == 0 for point in points] == [False] * 20 + [True] * 30 + [False] * 10
    farm.check()


def test_other_pools_for_a_profile_end_its_trouble_at_once(farm: Farm) -> None:
    farm.test_pool(1, fails=True)
    farm.pass_minutes(5)
    one = farm.workers[1][0]
    assert farm.view(one).reading.hashrate == 0
    changes = ProfileChanges(farm.clock.at, pool_ids=(farm.pools[0].id,))
    update_profile(farm.world, farm.account, farm.profiles[1].id, changes)
    shown = farm.view(one)
    assert shown.reading.hashrate > 0
    assert shown.pool is not None
    assert shown.pool.id == farm.pools[0].id
    farm.check()


def test_where_the_clock_is_set_back_it_has_not_happened(farm: Farm) -> None:
    one = farm.workers[1][0]
    earlier = farm.view(one)
    farm.pass_minutes(30)
    farm.test_pool(1, fails=True)
    assert farm.view(one).pool is None
    farm.clock.at = START
    assert farm.view(one) == replace(earlier, pool=farm.view(one).pool)
    assert farm.view(one).pool is not None
    farm.check()
    assign_workers(farm.world, farm.account, [farm.workers[0][0]], farm.profiles[1].id)
    farm.check()
    farm.pass_minutes(31)
    assert farm.view(farm.workers[0][0]).reading.hashrate == 0
    farm.check()


def test_a_worker_that_mines_names_a_pool_of_its_profile_also_where_the_clock_was_set_back(farm: Farm) -> None:
    moved, stays = farm.workers[0][:2]
    farm.pass_minutes(30)
    assign_workers(farm.world, farm.account, [moved], farm.profiles[1].id)
    default = farm.world.store.get_default_profile(farm.world.id, farm.account.id, MINED)
    assert default is not None
    for profile in (default, farm.profiles[0]):  # all that hold the first pool
        changes = ProfileChanges(farm.clock.at, pool_ids=(farm.pools[1].id,))
        update_profile(farm.world, farm.account, profile.id, changes)
    farm.clock.at = START
    for pool_is_gone in (False, True):
        if pool_is_gone:
            delete_pool(farm.world, farm.account, farm.pools[0].id)
        for one, profile in ((moved, farm.profiles[1]), (stays, farm.profiles[0])):
            shown = farm.view(one)
            assert shown.reading.hashrate > 0
            assert shown.worker.profile_id == profile.id
            assert shown.pool is not None
            assert shown.pool.id == farm.pools[1].id
        farm.check()


def test_a_worker_whose_profile_of_then_is_forgotten_names_a_pool_of_the_one_it_has(farm: Farm) -> None:
    one = farm.workers[1][0]
    farm.test_pool(0, fails=True)
    farm.pass_minutes(30)
    delete_profile(farm.world, farm.account, farm.profiles[1].id)
    assert farm.view(one).pool is None
    farm.clock.at = START
    shown = farm.view(one)
    assert shown.reading.hashrate > 0
    assert shown.pool is not None
    assert shown.pool.id == farm.pools[0].id
    farm.check()


def test_a_copy_of_the_world_has_its_troubles(farm: Farm) -> None:
    farm.test_pool(1, fails=True)
    assign_workers(farm.world, farm.account, farm.workers[0][:2], farm.profiles[1].id)
    farm.pass_minutes(25)
    copied = replace(farm.world.record, id=WorldId("copy"))
    farm.world.store.copy_content(farm.world.id, copied.id, with_keys=False, record=copied)
    mine, copy = farm.world, World(copied, farm.world.store, no_pools, farm.clock)
    for world in (copy, World(_made_anew(farm), farm.world.store, no_pools, farm.clock)):
        assert get_overview(world, farm.account) == get_overview(mine, farm.account)
        for name in ("1h", "24h"):
            assert fleet_series(world, farm.account, name, MINED) == fleet_series(mine, farm.account, name, MINED)
        for one in farm.workers[0]:
            assert get_worker(world, farm.account, one) == get_worker(mine, farm.account, one)


def _made_anew(farm: Farm) -> WorldRecord:
    record = replace(farm.world.record, id=WorldId("anew"))
    content = farm.world.store.read_content(farm.world.id)
    farm.world.store.create_world(record, replace(content, keys=()))
    return record
