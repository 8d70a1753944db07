"""Worlds: created whole, changed one by one, copied, reset and deleted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, BASIC, T0, VIP, WORLD, account, content, key, oid, pool, profile, record, worker
from upsim.clock import ClockState, Instant
from upsim.errors import AlreadyExists, NotFound
from upsim.model import HealthStatus, JournalEntry, Tier, WorldId, WorldRecord
from upsim.store.asking import WorkerFilter
from upsim.store.base import Store
from upsim.store.content import Content

SNAPSHOT = WorldId("w#before")


def entry() -> JournalEntry:
    return JournalEntry(0, Instant(T0), 5, "GET", "/v1/pools", "", None, None, 200, "rule")


def spoil(store: Store, world: WorldId) -> None:
    """Change everything a reset has to bring back."""
    store.add_account(world, account(7))
    store.set_tier(world, BASIC, Tier.VIP, Instant(T0 + 5), Instant(T0))
    store.add_pool(world, pool(150, "scrypt"), None, profile(250, 150, algorithm="scrypt"))
    store.record_test(world, oid(100), Instant(T0 + 9), None, "no route")
    store.set_default_profile(world, VIP, oid(201))
    store.delete_profile(world, VIP, oid(200), Instant(T0 + 10))
    store.delete_pool(world, VIP, oid(100))
    store.assign_workers(world, VIP, [oid(308)], oid(203), Instant(T0 + 11))
    store.change_workers(world, VIP, [oid(300)], lambda one: replace(one, cell=8))
    store.add_workers(world, [worker(350, 201)])
    store.next_number(world, "pool")
    store.count_hit(world, VIP, 3)
    store.add_entry(world, entry(), 100)


def test_a_created_world_holds_exactly_its_content(store: Store, world: WorldId) -> None:
    given = content()
    held = store.read_content(world)
    assert list(held.accounts) == list(given.accounts)
    assert list(held.keys) == list(given.keys)
    assert list(held.pools) == list(given.pools)
    assert list(held.profiles) == list(given.profiles)
    assert list(held.workers) == list(given.workers)
    check_world(store, world)


def test_every_field_of_a_record_comes_back(store: Store) -> None:
    options = {"a.b": [1, None, "$x"], "nested": {"deep": {"er": 1.5}}, "on": True}
    wanted = record(
        seed=-(2**62),
        clock=ClockState(Instant(T0), Instant(T0 - 5), 0.25),
        expires_at=Instant(T0 + 9),
        generation=3,
        revision=4,
        options=options,
    )
    store.create_world(wanted, Content())
    assert store.get_world(WORLD) == wanted


def test_a_world_that_is_not_there_is_none_and_holds_nothing(store: Store) -> None:
    gone = WorldId("gone")
    assert store.get_world(gone) is None
    assert store.list_accounts(gone) == []
    assert store.list_keys(gone) == []
    assert store.list_copies(gone) == []
    assert store.list_pools(gone, VIP, ALL).total == 0
    assert store.list_profiles(gone, VIP, ALL).total == 0
    assert store.list_workers(gone, VIP, WorkerFilter(), ALL).total == 0
    held = store.read_content(gone)
    assert [*held.accounts, *held.keys, *held.pools, *held.profiles, *held.workers] == []
    assert store.get_hits(gone, VIP, 1) == 0
    assert store.last_entry(gone) == 0
    assert store.delete_world(gone) is False


def test_an_id_that_is_taken_is_refused_and_nothing_changes(store: Store, world: WorldId) -> None:
    with pytest.raises(AlreadyExists, match="World 'w'"):
        store.create_world(record(seed=99), Content(accounts=[account(50)]))
    assert store.get_world(world) == record()
    assert store.list_accounts(world) == list(content().accounts)


def test_a_content_that_contradicts_itself_creates_nothing(store: Store) -> None:
    with pytest.raises(AlreadyExists, match="Account"):
        store.create_world(record(), Content(accounts=[account(1, "same"), account(2, "same")], keys=[key()]))
    assert store.get_world(WORLD) is None
    assert store.list_accounts(WORLD) == []
    assert store.find_caller(key().digest) is None
    store.create_world(record(), content())
    check_world(store, WORLD)


def test_a_key_that_opens_another_world_is_refused(store: Store, world: WorldId) -> None:
    with pytest.raises(AlreadyExists, match="API key"):
        store.create_world(record("other"), Content(accounts=[account(1)], keys=[key(900)]))
    assert store.get_world(WorldId("other")) is None
    found = store.find_caller(key(900).digest)
    assert found is not None
    assert found.world.id == world


def test_worlds_are_listed_oldest_first_ties_by_id_without_hidden_ones(store: Store) -> None:
    for name, at in (("c", 2), ("b", 1), ("a", 2), ("b#1", 0), ("b#0", 3)):
        store.create_world(record(name, created_at=T0 + at), Content())
    assert [one.id for one in store.list_worlds()] == ["b", "a", "c"]
    assert [one.id for one in store.list_copies(WorldId("b"))] == ["b#1", "b#0"]
    assert store.list_copies(WorldId("a")) == []


def test_change_world_replaces_the_record(store: Store, world: WorldId) -> None:
    changed = store.change_world(world, lambda old: replace(old, revision=old.revision + 1, options={"fault": 1}))
    assert changed == record(revision=1, options={"fault": 1})
    assert store.get_world(world) == changed
    found = store.find_caller(key().digest)
    assert found is not None
    assert found.world == changed


def test_change_world_of_an_unknown_world_is_refused(store: Store) -> None:
    with pytest.raises(NotFound, match="World not found: gone"):
        store.change_world(WorldId("gone"), lambda old: old)


def test_a_change_that_fails_changes_nothing(store: Store, world: WorldId) -> None:
    def change(old: WorldRecord) -> WorldRecord:
        raise ArithmeticError(old.id)

    with pytest.raises(ArithmeticError):
        store.change_world(world, change)
    assert store.get_world(world) == record()


def test_worlds_with_the_same_ids_in_them_never_meet(store: Store, world: WorldId) -> None:
    other = WorldId("other")
    store.create_world(record(other), replace(content(), keys=[key(950)]))
    spoil(store, other)
    assert list(store.read_content(world).workers) == list(content().workers)
    assert list(store.read_content(world).pools) == list(content().pools)
    assert store.get_hits(world, VIP, 3) == 0
    assert store.last_entry(world) == 0
    check_world(store, world)
    check_world(store, other)


def test_a_deleted_world_is_gone_with_its_copies_and_keys(store: Store, world: WorldId) -> None:
    other = WorldId("other")
    store.create_world(record(other), Content(accounts=[account(1)], keys=[key(950)]))
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    assert store.delete_world(world) is True
    assert store.delete_world(world) is False
    assert store.get_world(world) is None
    assert store.get_world(SNAPSHOT) is None
    assert store.list_accounts(world) == []
    assert store.list_workers(world, VIP, WorkerFilter(), ALL).total == 0
    assert store.find_caller(key(900).digest) is None
    assert store.find_caller(key(950).digest) is not None
    check_world(store, other)


def test_a_world_can_be_created_again_where_one_was_deleted(store: Store, world: WorldId) -> None:
    spoil(store, world)
    store.delete_world(world)
    store.create_world(record(), content())
    assert list(store.read_content(world).workers) == list(content().workers)
    assert store.get_hits(world, VIP, 3) == 0
    assert store.next_number(world, "pool") == 0
    assert store.last_entry(world) == 0
    check_world(store, world)


@pytest.mark.parametrize("way", ["create", "copy"])
def test_what_calls_under_way_left_of_a_deleted_world_is_not_its_successors(
    store: Store, world: WorldId, way: str
) -> None:
    template = WorldId("t#template")
    store.create_world(record(template), content())
    store.delete_world(world)
    late: list[Callable[[], object]] = [
        lambda: store.add_account(world, account(1)),
        lambda: store.add_pool(world, pool(100), None, profile(200, 100)),
        lambda: store.add_workers(world, [worker(300, 200)]),
        lambda: store.add_key(world, key(900)),
        lambda: store.count_hit(world, VIP, 3),
        lambda: store.next_number(world, "pool"),
        lambda: store.add_entry(world, entry(), 100),
    ]
    for call in late:
        with suppress(NotFound):
            call()
    if way == "create":
        store.create_world(record(), content())
    else:
        store.copy_content(template, world, with_keys=True, record=record())
    assert list(store.read_content(world).workers) == list(content().workers)
    assert store.list_keys(world) == list(content().keys)
    assert store.get_hits(world, VIP, 3) == 0
    assert store.next_number(world, "pool") == 0
    assert store.last_entry(world) == 0
    check_world(store, world)


def test_a_snapshot_is_restored_whole(store: Store, world: WorldId) -> None:
    store.next_number(world, "pool")
    before = store.read_content(world)
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    spoil(store, world)
    store.revoke_key(world, oid(900), Instant(T0 + 3))
    store.add_key(world, key(960))
    store.copy_content(SNAPSHOT, world, with_keys=True)
    assert store.read_content(world) == before
    assert store.find_caller(key(960).digest) is None
    assert store.next_number(world, "pool") == 1, "a numbered sequence is content"
    assert store.get_hits(world, VIP, 3) == 0, "hits are forgotten"
    assert store.last_entry(world) == 0, "so is the journal"
    check_world(store, world)


def test_a_world_can_be_reset_again_and_again(store: Store, world: WorldId) -> None:
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    before = store.read_content(world)
    for _ in range(4):
        spoil(store, world)
        check_world(store, world)
        store.copy_content(SNAPSHOT, world, with_keys=True)
        assert store.read_content(world) == before
    check_world(store, world)


def test_a_copy_and_its_source_go_separate_ways(store: Store, world: WorldId) -> None:
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    spoil(store, world)
    store.count_hit(SNAPSHOT, VIP, 3)
    assert list(store.read_content(SNAPSHOT).workers) == list(content().workers)
    assert store.get_hits(world, VIP, 3) == 1


def test_the_keys_of_a_hidden_copy_open_nothing(store: Store, world: WorldId) -> None:
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    second = WorldId("w#second")
    store.copy_content(SNAPSHOT, second, with_keys=True, record=record(second))
    for given in content().keys:
        found = store.find_caller(given.digest)
        assert found is not None
        assert found.world.id == world
    hidden = store.list_keys(SNAPSHOT) + store.list_keys(second)
    assert len({one.digest for one in hidden}) == len(hidden)
    assert all(len(one.digest) > 64 for one in hidden)
    store.copy_content(second, world, with_keys=True)
    assert store.list_keys(world) == list(content().keys), "and come back as they were"


def test_the_keys_of_a_hidden_world_created_with_some_open_nothing(store: Store) -> None:
    template = WorldId("w#template")
    store.create_world(record(template), content())
    assert store.find_caller(key(900).digest) is None
    assert [one.id for one in store.list_keys(template)] == [one.id for one in content().keys]
    store.copy_content(template, WORLD, with_keys=True, record=record())
    assert store.find_caller(key(900).digest) is not None
    check_world(store, WORLD)


def test_a_reset_without_keys_keeps_the_issued_ones_and_revives_them(store: Store) -> None:
    issued = [key(900, issued=True), key(901, issued=True)]
    store.create_world(record(), replace(content(), keys=issued))
    store.copy_content(WORLD, SNAPSHOT, with_keys=False, record=record(SNAPSHOT))
    assert store.list_keys(SNAPSHOT) == []
    store.add_key(WORLD, key(960))
    store.revoke_key(WORLD, oid(900), Instant(T0 + 3))
    store.copy_content(SNAPSHOT, WORLD, with_keys=False)
    assert store.list_keys(WORLD) == issued
    assert store.find_caller(key(960).digest) is None
    check_world(store, WORLD)


def test_a_key_made_anew_under_an_old_id_opens_by_its_own_secret_only(store: Store, world: WorldId) -> None:
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    store.add_key(world, key(960))
    store.copy_content(SNAPSHOT, world, with_keys=True)
    store.add_key(world, key(960, digest=key(961).digest))
    assert store.find_caller(key(960).digest) is None
    assert store.find_caller(key(961).digest) is not None
    check_world(store, world)


def test_a_copy_creates_its_target_with_a_record_and_new_keys(store: Store, world: WorldId) -> None:
    store.copy_content(world, SNAPSHOT, with_keys=False, record=record(SNAPSHOT))
    fresh = WorldId("fresh")
    store.copy_content(SNAPSHOT, fresh, with_keys=False, record=record(fresh, seed=8), new_keys=[key(970)])
    assert store.get_world(fresh) == record(fresh, seed=8)
    assert store.list_keys(fresh) == [key(970)]
    assert [one.id for one in store.list_worlds()] == ["fresh", "w"]
    found = store.find_caller(key(970).digest)
    assert found is not None
    assert (found.world.id, found.account) == (fresh, account(1))
    check_world(store, fresh)


def test_a_copy_replaces_the_record_in_the_same_step(store: Store, world: WorldId) -> None:
    store.copy_content(world, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    store.copy_content(SNAPSHOT, world, with_keys=True, record=record(generation=5))
    assert store.get_world(world) == record(generation=5)
    assert store.get_world(SNAPSHOT) == record(SNAPSHOT)


def test_new_keys_join_those_that_a_reset_keeps(store: Store) -> None:
    store.create_world(record(), replace(content(), keys=[key(900, issued=True)]))
    store.copy_content(WORLD, SNAPSHOT, with_keys=True, record=record(SNAPSHOT))
    store.copy_content(SNAPSHOT, WORLD, with_keys=False, new_keys=[key(970)])
    assert store.list_keys(WORLD) == [key(900, issued=True), key(970)]
    check_world(store, WORLD)


@pytest.mark.parametrize(("source", "target"), [("gone", "w"), ("w", "gone")])
def test_a_copy_of_or_to_nothing_is_refused(store: Store, world: WorldId, source: str, target: str) -> None:
    with pytest.raises(NotFound, match="World not found: gone"):
        store.copy_content(WorldId(source), WorldId(target), with_keys=True)
    assert store.read_content(world).pools == content().pools


def test_keys_of_a_living_world_are_not_copied_to_another(store: Store, world: WorldId) -> None:
    other = WorldId("other")
    with pytest.raises(AlreadyExists, match="API key"):
        store.copy_content(world, other, with_keys=True, record=record(other))
    assert store.get_world(other) is None
    check_world(store, world)


def test_tests_and_tiers_are_copied_too(store: Store, world: WorldId) -> None:
    store.record_test(world, oid(100), Instant(T0 + 9), None, "no route")
    store.set_tier(world, BASIC, Tier.VIP, Instant(T0 + 5), Instant(T0))
    store.copy_content(world, SNAPSHOT, with_keys=False, record=record(SNAPSHOT))
    copied = store.get_pool(SNAPSHOT, VIP, oid(100))
    assert copied is not None
    assert copied.health.status is HealthStatus.UNHEALTHY
    assert store.list_accounts(SNAPSHOT) == store.list_accounts(world)
