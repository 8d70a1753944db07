"""The sums over workers that a store keeps are never anything but the workers' sums, on every engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from tests.store.things import ALL, BASIC, T0, VIP, WORLD, content, oid, profile, record, worker
from upsim.clock import DAY, Instant
from upsim.errors import AlreadyExists, NotFound
from upsim.model import MOVE, ObjectId, Worker, WorldId
from upsim.store.asking import WorkerFilter
from upsim.store.base import Store
from upsim.store.factory import open_store
from upsim.store.mongo import MongoStore
from upsim.store.sums import NO_SUMS, WHOLE, Ledger, Numbers, Summand, Sums, no_sums, read_sums

AGES_AGO = Instant(0)
PLACES = range(20)
PARTS = [oid(number) for number in (200, 201, 202, 203, 210, 220, 299)]
"""The profiles of things.content, one that comes and goes, and one that never was."""


def summing(one: Worker) -> Iterator[Summand]:
    """A worker counts where it is, and moves once, if its cell is not its home, a day after it joined.

    Its parts are the profiles it was on, each from its assignment on.
    """
    numbers = (1, int(one.id, 16), -(10**17))
    opposite = tuple(-number for number in numbers)
    here = WHOLE if any(kind == MOVE for _, kind, _, _ in one.history) else one.profile_id
    yield Summand(one.created_at, one.home, one.home % 2, numbers, here)
    for at, kind, _, target in one.history:
        if kind == MOVE:
            yield Summand(at, one.home, one.home % 2, opposite, here)
            yield Summand(at, one.home, one.home % 2, numbers, target)
            here = target
    if one.cell != one.home:
        moved = Instant(one.created_at + DAY)
        yield Summand(moved, one.home, one.home % 2, opposite, here)
        yield Summand(moved, one.cell, one.cell % 2, numbers, here)


@pytest.fixture
def summed(store_url: str) -> Iterator[Store]:
    """A new store that keeps sums, of each kind in turn, with the world of things.content."""
    opened = open_store(store_url, summing)
    opened.create_world(record(), content())
    yield opened
    opened.close()


def to_cell(cell: int, one: Worker) -> Worker:
    """The worker, moved."""
    return replace(one, cell=cell)


def plain_sums(store: Store, world: WorldId, account_id: ObjectId, algorithm: str, part: str) -> Sums:
    """The sums, added up worker by worker."""
    found = store.list_workers(world, account_id, WorkerFilter(algorithm=algorithm), ALL).items
    ledger = Ledger()
    for one in found:
        ledger.listed += part == WHOLE
        for at, place, group, numbers, its_part in summing(one):
            if part in (WHOLE, its_part):
                ledger.add(at, place, group, numbers)
    days = [ledger.day(day) for day in sorted(ledger.days)]
    return read_sums(ledger.head(), days, AGES_AGO)


def whole(store: Store, algorithm: str = "sha256", world: WorldId = WORLD, since: Instant = AGES_AGO) -> Sums:
    """What all the VIP's workers of an algorithm add up to."""
    return store.read_sums(world, VIP, algorithm, since)[WHOLE]


def significant(sums: Sums) -> tuple[object, ...]:
    """What counts: sums and changes that are not nothing."""

    def kept(numbers: dict[int, Numbers]) -> dict[int, Numbers]:
        return {key: value for key, value in numbers.items() if any(value)}

    changes: defaultdict[tuple[Instant, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for at, place, numbers in sums.changes:
        changes[at, place] = [a + b for a, b in zip(changes[at, place], numbers, strict=True)]
    return sums.listed, kept(dict(sums.groups)), kept(dict(sums.places)), {k: v for k, v in changes.items() if any(v)}


def assert_sums(store: Store, world: WorldId = WORLD) -> None:
    """Assert that what is kept is what there is, as a whole and profile by profile, deleted ones too."""
    for account_id in (VIP, BASIC):
        for algorithm in ("sha256", "randomx"):
            kept = store.read_sums(world, account_id, algorithm, AGES_AGO, PARTS)
            assert kept.keys() == {WHOLE, *PARTS}
            for part, sums in kept.items():
                assert significant(sums) == significant(plain_sums(store, world, account_id, algorithm, part)), part
                assert list(sums.changes) == sorted(sums.changes)
            assert significant(store.read_sums(world, account_id, algorithm, AGES_AGO)[WHOLE]) == significant(
                kept[WHOLE]
            )


def test_a_new_world_has_the_sums_of_its_workers(summed: Store) -> None:
    assert_sums(summed)
    found = whole(summed)
    assert found.listed == 8
    assert found.places == {3: (8, sum(range(300, 308)), -8 * 10**17)}
    assert len(found.changes) == 8


def test_only_the_changes_asked_for_are_told(summed: Store) -> None:
    after = Instant(T0 + 305)
    found = whole(summed, since=after)
    assert [at for at, _, _ in found.changes] == [T0 + 305, T0 + 306, T0 + 307]
    assert not whole(summed, since=Instant(T0 + 7 * DAY)).changes


def test_an_account_without_workers_of_the_algorithm_has_no_sums(summed: Store) -> None:
    assert significant(whole(summed, "scrypt")) == significant(NO_SUMS)
    assert significant(whole(summed, world=WorldId("nowhere"))) == significant(NO_SUMS)


@pytest.mark.parametrize("seed", range(3))
def test_sums_follow_whatever_is_done_to_workers(summed: Store, seed: int) -> None:
    """Some fifty steps by chance, the sums asked for after each, so that none is seen that should have gone."""
    random = Random(seed)
    number = 400
    for _ in range(50):
        known = summed.list_workers(WORLD, VIP, WorkerFilter(), ALL).items
        some = [one.id for one in random.sample(known, random.randrange(1, 6))]
        match random.randrange(6):
            case 0:
                day = Instant(T0 + random.randrange(-5, 5) * DAY)
                more = [worker(number + i, 200, created_at=day, cell=random.choice(PLACES)) for i in range(3)]
                summed.add_workers(WORLD, more)
                number += 3
            case 1:
                summed.change_workers(WORLD, VIP, some, partial(to_cell, random.choice(PLACES)))
            case 2:
                mine = [one.id for one in known if one.algorithm == "sha256" and one.id in some]
                target = random.choice(summed.list_profiles(WORLD, VIP, ALL, "sha256").items)
                summed.assign_workers(WORLD, VIP, mine, target.id, Instant(T0 + random.randrange(5 * DAY)))
            case 3:
                summed.copy_content(WORLD, WorldId("w#saved"), with_keys=True, record=record("w#saved"))
                assert_sums(summed, WorldId("w#saved"))
            case 4 if summed.get_world(WorldId("w#saved")):
                summed.copy_content(WorldId("w#saved"), WORLD, with_keys=True)
            case 5:
                if oid(220) in summed.get_profiles(WORLD, VIP, [oid(220)]):
                    summed.delete_profile(WORLD, VIP, oid(220), Instant(T0 + random.randrange(5 * DAY)))
                else:
                    summed.add_profile(WORLD, profile(220, 100), None)
        assert_sums(summed)


def test_what_is_refused_leaves_the_sums_as_they_were(summed: Store) -> None:
    before = whole(summed)
    with pytest.raises(AlreadyExists):
        summed.add_workers(WORLD, [worker(500, 200), worker(300, 200)])
    with pytest.raises(NotFound):
        summed.add_workers(WORLD, [worker(501, 200), worker(502, 299)])
    with pytest.raises(NotFound):
        summed.change_workers(WORLD, VIP, [oid(300), oid(999)], lambda one: replace(one, cell=7))

    def fail(one: Worker) -> Worker:
        raise ValueError(one.id)

    with pytest.raises(ValueError, match=oid(301)):
        summed.change_workers(WORLD, VIP, [oid(301)], fail)
    assert significant(whole(summed)) == significant(before)
    assert_sums(summed)


def test_a_world_made_anew_does_not_have_the_sums_of_the_one_before(summed: Store) -> None:
    summed.change_workers(WORLD, VIP, [oid(300)], lambda one: replace(one, cell=7))
    summed.delete_world(WORLD)
    assert significant(whole(summed)) == significant(NO_SUMS)
    summed.create_world(record(), replace(content(), workers=[worker(300, 200)]))
    assert_sums(summed)


def test_sums_are_kept_where_the_store_is(store_url: str) -> None:
    if store_url.endswith(":"):
        first = second = open_store(store_url, summing)
    else:
        first, second = open_store(store_url, summing), open_store(store_url, summing)
    first.create_world(record(), content())
    assert_sums(second)
    second.change_workers(WORLD, VIP, [oid(303)], lambda one: replace(one, cell=9))
    assert_sums(first)
    second.close()
    if second is not first:
        first.close()


def test_a_store_that_was_not_told_what_workers_add_up_to_keeps_nothing(store: Store) -> None:
    store.create_world(record(), content())
    found = whole(store)
    assert (found.groups, found.places, list(found.changes)) == ({}, {}, [])
    assert list(no_sums(worker(1, 2))) == []


@pytest.mark.parametrize("kind", ["mongomock", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def test_a_process_that_died_while_it_changed_workers_leaves_sums_that_are_right(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """MongoDB has no transaction for it: from then on they are added up each time, until the world is reset."""
    store = open_store(request.getfixturevalue("url_for")(kind), summing)
    assert isinstance(store, MongoStore)
    store.create_world(record(), content())
    assert_sums(store)

    class Died(BaseException):
        pass

    def die(one: Worker) -> Worker:
        # As kill -9 does: what was announced stays announced, and some workers are changed already.
        store._sums.update_one({"_id": store._content_of(WORLD)}, {"$set": {"changing_workers.somebody": True}})
        store._workers.update_one({"id": oid(305)}, {"$set": {"cell": 11}})
        raise Died

    with pytest.raises(Died):
        store.change_workers(WORLD, VIP, [oid(304), oid(305)], die)
    assert_sums(store)
    store._workers.update_one({"id": oid(304)}, {"$set": {"cell": 12}})
    assert_sums(store)
    store.copy_content(WORLD, WorldId("copy"), with_keys=False, record=record("copy"))
    assert_sums(store, WorldId("copy"))
    store.close()
