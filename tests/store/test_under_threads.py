"""What holds while eight threads change one world, half of them through a second opening of the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, T0, VIP, account, content, key, oid, pool, profile, record, worker
from tests.store.together import at_once, watched
from upsim.clock import Instant
from upsim.errors import (
    AlreadyExists,
    DefaultProfileKept,
    InvalidInput,
    NotFound,
    PoolInUse,
    ProfileHasWorkers,
    QuotaExceeded,
    UpsimError,
)
from upsim.model import JournalEntry, ObjectId, Worker, WorldId, WorldRecord
from upsim.store.asking import EntryFilter, ProfileChanges, WorkerFilter
from upsim.store.base import Store

THREADS = range(8)
LATER = Instant(T0 + 5000)

Stores = tuple[Store, Store]


def refusals(results: Sequence[object]) -> list[type[UpsimError]]:
    return [type(result) for result in results if isinstance(result, UpsimError)]


def script(stores: Stores, thread: int, steps: int, step: Callable[[Store, Random, int], None]) -> None:
    """One thread's calls: `step` so many times, with its own chance; refusals are part of the game."""
    chance = Random(f"stress:{thread}")
    for number in range(steps):
        try:
            step(stores[thread % 2], chance, 1000 * (thread + 1) + number)
        except (DefaultProfileKept, InvalidInput, NotFound, PoolInUse, ProfileHasWorkers, QuotaExceeded):
            continue


def test_a_quota_of_pools_is_never_passed(stores: Stores, world: WorldId) -> None:
    def add(thread: int) -> object:
        return stores[thread % 2].add_pool(world, pool(400 + thread), 5, profile(500 + thread, 400 + thread))

    results = at_once(partial(add, thread) for thread in THREADS)
    assert refusals(results) == [QuotaExceeded] * 5, "two were there, three more have room"
    check_world(stores[0], world, at_most=5)


def test_a_quota_of_profiles_is_never_passed(stores: Stores, world: WorldId) -> None:
    def add(thread: int) -> object:
        return stores[thread % 2].add_profile(world, profile(500 + thread, 100), 5)

    results = at_once(partial(add, thread) for thread in THREADS)
    assert refusals(results) == [QuotaExceeded] * 5
    check_world(stores[0], world, at_most=5)


def test_a_quota_of_keys_is_never_passed(stores: Stores, world: WorldId) -> None:
    results = at_once(partial(stores[n % 2].add_key, world, key(960 + n), 5) for n in THREADS)
    assert refusals(results) == [QuotaExceeded] * 5
    check_world(stores[0], world)


def test_a_quota_holds_while_pools_come_and_go(stores: Stores, world: WorldId) -> None:
    at_most = 4

    def step(store: Store, chance: Random, number: int) -> None:
        store.add_pool(world, pool(number), at_most, profile(number + 100_000, number))
        if chance.random() < 0.7:
            store.delete_pool(world, VIP, oid(number))

    def watch() -> None:
        assert Counter(one.algorithm for one in stores[0].list_pools(world, VIP, ALL).items)["sha256"] <= at_most

    watched(watch, [partial(script, stores, thread, 12, step) for thread in THREADS])
    check_world(stores[0], world, at_most=at_most)


def test_one_of_many_first_pools_brings_the_default(stores: Stores, world: WorldId) -> None:
    def add(thread: int) -> ObjectId | None:
        first = profile(500 + thread, 400 + thread, algorithm="scrypt")
        return stores[thread % 2].add_pool(world, pool(400 + thread, "scrypt"), None, first)

    added = [result for result in at_once(partial(add, thread) for thread in THREADS) if result is not None]
    default = stores[0].get_default_profile(world, VIP, "scrypt")
    assert default is not None
    assert added == [default.id]
    check_world(stores[0], world)


def test_an_account_name_is_taken_once(stores: Stores, world: WorldId) -> None:
    results = at_once(partial(stores[n % 2].add_account, world, account(50 + n, "same")) for n in THREADS)
    assert refusals(results) == [AlreadyExists] * 7
    check_world(stores[0], world)


def test_a_world_is_created_once(stores: Stores) -> None:
    def create(thread: int) -> None:
        given = content()
        stores[thread % 2].create_world(
            record(seed=thread),
            replace(given, keys=[replace(one, digest=f"{thread}{one.digest[1:]}") for one in given.keys]),
        )

    results = at_once(partial(create, thread) for thread in THREADS)
    assert refusals(results) == [AlreadyExists] * 7
    check_world(stores[0], WorldId("w"))
    assert len(stores[0].list_keys(WorldId("w"))) == 4


def test_there_are_never_two_defaults_and_never_none(stores: Stores, world: WorldId) -> None:
    def step(store: Store, chance: Random, number: int) -> None:
        profiles = [one.id for one in store.list_profiles(world, VIP, ALL, "sha256").items]
        what = chance.random()
        if what < 0.4:
            store.set_default_profile(world, VIP, chance.choice(profiles))
        elif what < 0.7:
            store.add_profile(world, profile(number, 100, default=chance.random() < 0.5), 8)
        else:
            store.delete_profile(world, VIP, chance.choice(profiles), LATER)

    def watch() -> None:
        for store in stores:
            page = store.list_profiles(world, VIP, ALL)
            marked = Counter(one.algorithm for one in page.items if one.is_default)
            assert marked == {"sha256": 1, "randomx": 1}
            default = store.get_default_profile(world, VIP, "sha256")
            assert default is not None
            assert default.is_default

    watched(watch, [partial(script, stores, thread, 15, step) for thread in THREADS])
    check_world(stores[0], world, at_most=8)


def test_a_worker_is_always_on_a_profile_that_exists(stores: Stores, world: WorldId) -> None:
    workers = [oid(number) for number in range(300, 308)]

    def step(store: Store, chance: Random, number: int) -> None:
        profiles = [one.id for one in store.list_profiles(world, VIP, ALL, "sha256").items]
        what = chance.random()
        if what < 0.25:
            store.add_profile(world, profile(number, 100), 8)
        elif what < 0.35:
            store.set_default_profile(world, VIP, chance.choice(profiles))
        elif what < 0.6:
            store.delete_profile(world, VIP, chance.choice(profiles), LATER)
        elif what < 0.65:
            store.add_workers(world, [worker(number, int(chance.choice(profiles), 16))])
        else:
            store.assign_workers(world, VIP, chance.sample(workers, 3), chance.choice(profiles), LATER)

    def watch() -> None:
        for store in stores:
            page = store.list_workers(world, VIP, WorkerFilter(algorithm="sha256"), ALL)
            assert {one.id for one in page.items} >= set(workers)
            known = store.get_profiles(world, VIP, {one.profile_id for one in page.items})
            for one in page.items:
                if one.profile_id in known:
                    assert known[one.profile_id].algorithm == one.algorithm
                    continue
                # Its profile was deleted since: then whoever asks now is told another.
                again = store.get_worker(world, VIP, one.id)
                assert again is not None
                assert again.profile_id != one.profile_id

    watched(watch, [partial(script, stores, thread, 12, step) for thread in THREADS])
    check_world(stores[0], world, at_most=8)


def test_a_pool_in_a_profile_never_goes(stores: Stores, world: WorldId) -> None:
    def step(store: Store, chance: Random, number: int) -> None:
        pools = [one.id for one in store.list_pools(world, VIP, ALL, "sha256").items]
        what = chance.random()
        if what < 0.35:
            store.add_pool(world, pool(number), None, profile(number + 100_000, number))
        elif what < 0.65:
            store.delete_pool(world, VIP, chance.choice(pools))
        else:
            held = tuple(chance.sample(pools, min(2, len(pools))))
            store.update_profile(world, VIP, oid(201), ProfileChanges(LATER, pool_ids=held), None)

    def watch() -> None:
        for store in stores:
            held = store.get_profiles(world, VIP, [oid(201)])[oid(201)].pool_ids
            if store.get_pools(world, VIP, held).keys() != set(held):
                again = store.get_profiles(world, VIP, [oid(201)])[oid(201)].pool_ids
                assert again != held, "a pool of the profile was gone"

    watched(watch, [partial(script, stores, thread, 12, step) for thread in THREADS])
    check_world(stores[0], world)


def test_an_assignment_and_a_change_of_algorithm_never_both_happen(stores: Stores, world: WorldId) -> None:
    def assign(store: Store) -> None:
        store.assign_workers(world, VIP, [oid(300), oid(301)], oid(201), LATER)

    def change(store: Store) -> object:
        changes = ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(102),))
        return store.update_profile(world, VIP, oid(201), changes, None)

    for _ in range(6):
        stores[0].assign_workers(world, VIP, [oid(number) for number in range(300, 308)], oid(200), LATER)
        calls: list[Callable[[], object]] = [partial(assign, stores[0]), partial(change, stores[1])]
        (refused,) = refusals(at_once(calls))
        check_world(stores[0], world)
        assert refused in (InvalidInput, ProfileHasWorkers)
        if refused is InvalidInput:
            back = ProfileChanges(LATER, algorithm="sha256", pool_ids=(oid(101),))
            stores[0].update_profile(world, VIP, oid(201), back, None)


def test_hits_are_counted_exactly(stores: Stores, world: WorldId) -> None:
    def hit(thread: int) -> list[int]:
        return [stores[thread % 2].count_hit(world, VIP, 5) for _ in range(25)]

    counts = [count for counted in at_once(partial(hit, thread) for thread in THREADS) for count in _list(counted)]
    assert sorted(counts) == list(range(1, 201))
    assert stores[0].get_hits(world, VIP, 5) == 200


def test_hits_of_a_window_that_opens_are_counted_exactly(stores: Stores, world: WorldId) -> None:
    for window in range(10):
        counts = at_once(partial(stores[n % 2].count_hit, world, VIP, window) for n in THREADS)
        assert sorted(_ints(counts)) == list(range(1, 9))


def test_no_number_is_given_twice(stores: Stores, world: WorldId) -> None:
    def draw(thread: int) -> list[int]:
        return [stores[thread % 2].next_number(world, "pool") for _ in range(25)]

    numbers = [number for drawn in at_once(partial(draw, thread) for thread in THREADS) for number in _list(drawn)]
    assert sorted(numbers) == list(range(200))


def test_no_entry_of_the_journal_is_lost(stores: Stores, world: WorldId) -> None:
    def write(thread: int) -> None:
        for number in range(10):
            entry = JournalEntry(0, LATER, number, "GET", f"/{thread}/{number}", "", None, None, 200, "rule")
            stores[thread % 2].add_entry(world, entry, 1000)

    at_once(partial(write, thread) for thread in THREADS)
    entries = stores[0].list_entries(world, EntryFilter(), 1000)
    assert [one.seq for one in entries] == list(range(1, 81))
    assert len({one.path for one in entries}) == 80


def test_no_change_of_a_world_is_lost(stores: Stores, world: WorldId) -> None:
    def bump(old: WorldRecord) -> WorldRecord:
        return replace(old, revision=old.revision + 1)

    def change(thread: int) -> None:
        for _ in range(10):
            stores[thread % 2].change_world(world, bump)

    assert refusals(at_once(partial(change, thread) for thread in THREADS)) == []
    changed = stores[0].get_world(world)
    assert changed is not None
    assert changed.revision == 80


def test_no_change_of_a_worker_is_lost(stores: Stores, world: WorldId) -> None:
    def bump(old: Worker) -> Worker:
        return replace(old, cell=old.cell + 1, history=(*old.history, (LATER, "cell", old.cell, "")))

    def change(thread: int) -> None:
        for _ in range(5):
            stores[thread % 2].change_workers(world, VIP, [oid(300), oid(301), oid(308)], bump)

    assert refusals(at_once(partial(change, thread) for thread in THREADS)) == []
    for number in (300, 301, 308):
        changed = stores[0].get_worker(world, VIP, oid(number))
        assert changed is not None
        assert changed.cell == 3 + 40
        assert [entry[2] for entry in changed.history[1:]] == list(range(3, 43))


def test_no_failed_test_of_a_pool_is_lost(stores: Stores, world: WorldId) -> None:
    def test(thread: int) -> None:
        for _ in range(10):
            stores[thread % 2].record_test(world, oid(100), LATER, None, "no route")

    at_once(partial(test, thread) for thread in THREADS)
    tested = stores[0].get_pool(world, VIP, oid(100))
    assert tested is not None
    assert tested.health.consecutive_failures == 80


def test_a_reset_is_seen_whole_or_not_at_all(stores: Stores, world: WorldId) -> None:
    template = WorldId("w#template")
    stores[0].copy_content(world, template, with_keys=True, record=record(template))

    def reset() -> None:
        for _ in range(6):
            stores[0].copy_content(template, world, with_keys=True)

    def write() -> None:
        chance = Random("reset")
        for number in range(40):
            try:
                stores[1].add_pool(world, pool(1000 + number), None, profile(2000 + number, 1000 + number))
                stores[1].delete_profile(world, VIP, oid(201), LATER)
                stores[1].assign_workers(world, VIP, [oid(308)], oid(chance.choice([202, 203])), LATER)
            except NotFound:
                continue

    def watch() -> None:
        for store in stores:
            assert store.list_workers(world, VIP, WorkerFilter(), ALL).total == 10
            assert {one.id for one in store.list_pools(world, VIP, ALL).items} >= {oid(100), oid(101)}
            default = store.get_default_profile(world, VIP, "sha256")
            assert default is not None
            assert default.id == oid(200)
            found = store.find_caller(key(900).digest)
            assert found is not None
            assert found.account == account(1)

    assert refusals(watched(watch, [reset, write])) == []
    check_world(stores[0], world)


@pytest.mark.parametrize("rounds", [4])
def test_worlds_come_and_go_beside_each_other(stores: Stores, world: WorldId, rounds: int) -> None:
    template = WorldId("t#template")
    stores[0].create_world(record(template), replace(content(), keys=[]))

    def live(thread: int) -> None:
        store = stores[thread % 2]
        name = WorldId(f"world-{thread}")
        for turn in range(rounds):
            own = key(10_000 + 100 * thread + turn)
            store.copy_content(template, name, with_keys=False, record=record(name), new_keys=[own])
            found = store.find_caller(own.digest)
            assert found is not None
            assert found.world.id == name
            store.delete_profile(name, VIP, oid(201), LATER)
            assert store.list_workers(name, VIP, WorkerFilter(profile_id=oid(200)), ALL).total == 8
            assert store.delete_world(name)
            assert store.find_caller(own.digest) is None

    assert refusals(at_once(partial(live, thread) for thread in THREADS)) == []
    assert [one.id for one in stores[0].list_worlds()] == [world]
    check_world(stores[0], world)
    assert list(stores[0].read_content(template).workers) == list(content().workers)


def _list(result: list[int] | UpsimError) -> list[int]:
    assert isinstance(result, list)
    return result


def _ints(results: list[int | UpsimError]) -> list[int]:
    numbers = [result for result in results if isinstance(result, int)]
    assert len(numbers) == len(results)
    return numbers
