"""Pools: their fields, lists, quotas, tests, and that one in a profile cannot go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, BASIC, T0, VIP, content, oid, pool, profile
from upsim.clock import Instant
from upsim.errors import ChangedMeanwhile, NotFound, PoolInUse, QuotaExceeded, UpsimError
from upsim.model import Health, HealthStatus, ObjectId, WorldId
from upsim.store.asking import PoolChanges, PoolCounts, Span
from upsim.store.base import Store

LATER = Instant(T0 + 5000)
UNHEALTHY = Health(HealthStatus.UNHEALTHY, LATER, "connectivity: no route", 1, None)


def test_every_field_of_a_pool_comes_back(store: Store, world: WorldId) -> None:
    health = Health(HealthStatus.UNHEALTHY, Instant(T0 - 4), "authorization: unknown worker", 3, 41)
    given = replace(pool(150), name="ü.$x", host="::1", tls=True, username="", password="p\0w", health=health)
    store.add_pool(world, given, None, profile(250, 150))
    assert store.get_pool(world, VIP, oid(150)) == given


def test_pools_are_listed_oldest_first_ties_by_id(store: Store, world: WorldId) -> None:
    store.add_pool(world, pool(152, created_at=5), None, profile(250, 152))
    store.add_pool(world, pool(151, created_at=5), None, profile(250, 151))
    page = store.list_pools(world, VIP, ALL)
    assert [one.id for one in page.items] == [oid(number) for number in (151, 152, 100, 101, 102, 103)]


@pytest.mark.parametrize(
    ("span", "numbers"),
    [
        (Span(0, 2), [100, 101]),
        (Span(2, 2), [102, 103]),
        (Span(3, 2), [103]),
        (Span(4, 2), []),
        (Span(10**15, 2), []),
    ],
)
def test_a_page_is_cut_from_the_list_and_knows_the_total(
    store: Store, world: WorldId, span: Span, numbers: list[int]
) -> None:
    page = store.list_pools(world, VIP, span)
    assert [one.id for one in page.items] == [oid(number) for number in numbers]
    assert page.total == 4


def test_pools_are_filtered_by_algorithm_and_status(store: Store, world: WorldId) -> None:
    store.record_test(world, oid(102), LATER, None, "no route")
    store.record_test(world, oid(100), LATER, 20, None)

    def listed(algorithm: str | None, status: HealthStatus | None) -> list[ObjectId]:
        return [one.id for one in store.list_pools(world, VIP, ALL, algorithm, status).items]

    assert listed("sha256", None) == [oid(100), oid(101)]
    assert listed(None, HealthStatus.UNHEALTHY) == [oid(102)]
    assert listed("sha256", HealthStatus.HEALTHY) == [oid(100)]
    assert listed("sha256", HealthStatus.UNHEALTHY) == []
    assert listed(None, HealthStatus.UNKNOWN) == [oid(101), oid(103)]
    assert listed("scrypt", None) == []


def test_counts_are_by_algorithm_and_health(store: Store, world: WorldId) -> None:
    store.record_test(world, oid(102), LATER, None, "no route")
    store.record_test(world, oid(100), LATER, 20, None)
    assert store.count_pools(world, VIP) == {"sha256": PoolCounts(2, 1, 0), "randomx": PoolCounts(2, 0, 1)}
    assert store.count_pools(world, oid(77)) == {}


def test_another_accounts_pools_are_not_there(store: Store, world: WorldId) -> None:
    assert store.get_pool(world, VIP, oid(110)) is None
    assert store.get_pools(world, VIP, [oid(100), oid(110), oid(77)]) == {oid(100): pool(100)}
    assert store.get_pools(world, VIP, []) == {}
    with pytest.raises(NotFound):
        store.delete_pool(world, VIP, oid(110))
    with pytest.raises(NotFound):
        store.update_pool(world, VIP, oid(110), PoolChanges(LATER, name="mine"), None)
    assert store.get_pool(world, BASIC, oid(110)) == pool(110, account_id=BASIC)


def test_many_pools_are_found_by_id_at_once(store: Store, world: WorldId) -> None:
    ids = [oid(number) for number in range(90, 3000)]
    assert sorted(store.get_pools(world, VIP, ids)) == [oid(number) for number in range(100, 104)]


def test_the_first_pool_of_an_algorithm_brings_a_default_profile(store: Store, world: WorldId) -> None:
    added = store.add_pool(world, pool(150, "scrypt"), None, profile(250, 150, algorithm="scrypt"))
    assert added == oid(250)
    assert store.get_default_profile(world, VIP, "scrypt") == profile(250, 150, algorithm="scrypt", default=True)
    check_world(store, world)


def test_a_further_pool_brings_none(store: Store, world: WorldId) -> None:
    assert store.add_pool(world, pool(150), None, profile(250, 150)) is None
    assert store.get_profiles(world, VIP, [oid(250)]) == {}
    assert store.get_pool(world, VIP, oid(150)) == pool(150)
    check_world(store, world)


def test_an_account_that_holds_nothing_yet_can_begin(store: Store, world: WorldId) -> None:
    newcomer = oid(3)
    given = pool(150, account_id=newcomer)
    assert store.add_pool(world, given, 1, profile(250, 150, account_id=newcomer)) == oid(250)
    assert store.list_pools(world, newcomer, ALL).items == [given]
    with pytest.raises(QuotaExceeded):
        store.add_pool(world, pool(151, account_id=newcomer), 1, profile(251, 151, account_id=newcomer))


def test_a_pool_over_the_quota_of_its_algorithm_is_refused(store: Store, world: WorldId) -> None:
    with pytest.raises(QuotaExceeded, match="2 pools for the algorithm sha256"):
        store.add_pool(world, pool(150), 2, profile(250, 150))
    store.add_pool(world, pool(150), 3, profile(250, 150))
    store.add_pool(world, pool(151, "scrypt"), 1, profile(251, 151, algorithm="scrypt"))
    assert store.list_pools(world, VIP, ALL).total == 6
    check_world(store, world, at_most=3)


def test_a_deleted_pool_frees_its_place(store: Store, world: WorldId) -> None:
    store.add_pool(world, pool(150), 3, profile(250, 150))
    store.delete_pool(world, VIP, oid(150))
    assert store.get_pool(world, VIP, oid(150)) is None
    store.add_pool(world, pool(151), 3, profile(250, 151))
    with pytest.raises(QuotaExceeded):
        store.add_pool(world, pool(152), 3, profile(250, 152))
    check_world(store, world, at_most=3)


def test_a_pool_in_profiles_cannot_be_deleted(store: Store, world: WorldId) -> None:
    with pytest.raises(PoolInUse, match="'profile 200', 'profile 201'"):
        store.delete_pool(world, VIP, oid(101))
    assert store.get_pool(world, VIP, oid(101)) == pool(101)
    assert store.list_holders(world, oid(101)) == ["profile 200", "profile 201"]
    assert store.list_holders(world, oid(77)) == []


def test_an_unknown_pool_cannot_be_deleted(store: Store, world: WorldId) -> None:
    with pytest.raises(NotFound, match="Pool not found"):
        store.delete_pool(world, VIP, oid(77))


def test_a_new_name_leaves_target_and_health(store: Store, world: WorldId) -> None:
    store.record_test(world, oid(100), LATER, None, "connectivity: no route")
    changed = store.update_pool(world, VIP, oid(100), PoolChanges(LATER, name="new"), None)
    assert changed == replace(pool(100), name="new", updated_at=LATER, health=UNHEALTHY)
    assert store.get_pool(world, VIP, oid(100)) == changed


def test_the_values_it_has_already_need_no_test(store: Store, world: WorldId) -> None:
    same = PoolChanges(LATER, host="eu.example", port=3333, tls=False, username="me", password="x")
    assert store.update_pool(world, VIP, oid(100), same, None) == replace(pool(100), updated_at=LATER)


@pytest.mark.parametrize(
    "wish",
    [
        PoolChanges(LATER, host="us.example"),
        PoolChanges(LATER, port=4444),
        PoolChanges(LATER, tls=True),
        PoolChanges(LATER, username="you"),
        PoolChanges(LATER, password=""),
    ],
    ids=["host", "port", "tls", "username", "password"],
)
def test_a_tested_change_makes_the_pool_healthy_and_an_untested_one_is_refused(
    store: Store, world: WorldId, wish: PoolChanges
) -> None:
    store.add_pool(world, pool(150), None, profile(250, 150))
    store.record_test(world, oid(150), LATER, None, "connectivity: no route")
    before = store.get_pool(world, VIP, oid(150))
    for tested in (None, replace(pool(150).target, host="other.example")):
        with pytest.raises(ChangedMeanwhile):
            store.update_pool(world, VIP, oid(150), replace(wish, tested=tested), None)
    assert store.get_pool(world, VIP, oid(150)) == before

    fields = {name: value for name in ("host", "port", "tls", "username", "password")
              if (value := getattr(wish, name)) is not None}  # fmt: skip
    target = replace(pool(150).target, **fields)
    changed = store.update_pool(world, VIP, oid(150), replace(wish, tested=target, latency_ms=12), None)
    healthy = Health(HealthStatus.HEALTHY, LATER, None, 0, 12)
    assert changed == replace(pool(150), **fields, health=healthy, updated_at=LATER)
    assert store.get_pool(world, VIP, oid(150)) == changed
    check_world(store, world)


def test_a_new_algorithm_alone_needs_no_test_and_leaves_the_health(store: Store, world: WorldId) -> None:
    store.add_pool(world, pool(150), None, profile(250, 150))
    store.record_test(world, oid(150), LATER, None, "connectivity: no route")
    changed = store.update_pool(world, VIP, oid(150), PoolChanges(LATER, algorithm="scrypt"), None)
    assert changed == replace(pool(150), algorithm="scrypt", updated_at=LATER, health=UNHEALTHY)
    assert store.get_pool(world, VIP, oid(150)) == changed
    check_world(store, world)


def test_a_pool_in_profiles_keeps_its_algorithm(store: Store, world: WorldId) -> None:
    with pytest.raises(PoolInUse, match="given another algorithm: take it out of profile 'profile 200'"):
        store.update_pool(world, VIP, oid(101), PoolChanges(LATER, algorithm="scrypt"), None)
    assert store.get_pool(world, VIP, oid(101)) == pool(101)


def test_a_new_algorithm_has_a_quota_too(store: Store, world: WorldId) -> None:
    store.add_pool(world, pool(150), None, profile(250, 150))
    wish = PoolChanges(LATER, algorithm="randomx")
    with pytest.raises(QuotaExceeded, match="2 pools for the algorithm randomx"):
        store.update_pool(world, VIP, oid(150), wish, 2)
    assert store.get_pool(world, VIP, oid(150)) == pool(150)
    assert store.update_pool(world, VIP, oid(150), wish, 3).algorithm == "randomx"
    store.add_pool(world, pool(151), 3, profile(251, 151))
    check_world(store, world, at_most=3)


def test_failed_tests_add_up_and_a_good_one_resets_them(store: Store, world: WorldId) -> None:
    for failures in (1, 2, 3):
        tested = store.record_test(world, oid(100), LATER, None, "connectivity: no route")
        assert tested == replace(pool(100), health=replace(UNHEALTHY, consecutive_failures=failures))
    tested = store.record_test(world, oid(100), Instant(LATER + 1), 17, None)
    assert tested == replace(pool(100), health=Health(HealthStatus.HEALTHY, Instant(LATER + 1), None, 0, 17))
    assert store.get_pool(world, VIP, oid(100)) == tested


def test_a_test_of_an_unknown_pool_is_nobodys(store: Store, world: WorldId) -> None:
    assert store.record_test(world, oid(77), LATER, 5, None) is None


@pytest.mark.parametrize(
    "call",
    [
        lambda store, world: store.add_pool(world, pool(150), 2, profile(250, 150)),
        lambda store, world: store.update_pool(world, VIP, oid(100), PoolChanges(LATER, port=1), None),
        lambda store, world: store.update_pool(world, VIP, oid(77), PoolChanges(LATER), None),
        lambda store, world: store.delete_pool(world, VIP, oid(100)),
        lambda store, world: store.delete_pool(world, VIP, oid(77)),
    ],
    ids=["quota", "untested", "update unknown", "in use", "delete unknown"],
)
def test_a_refused_call_leaves_no_trace(store: Store, world: WorldId, call: Callable[[Store, WorldId], object]) -> None:
    with pytest.raises(UpsimError):
        call(store, world)
    held = store.read_content(world)
    assert (list(held.pools), list(held.profiles)) == (list(content().pools), list(content().profiles))
    check_world(store, world)
