"""What readers see of the MongoDB store when a process dies, or another comes, between two of its steps.

The suite for all stores cannot stop a call halfway; this one can, on mongomock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, T0, VIP, WORLD, content, key, oid, profile, record, worker
from upsim.clock import Instant
from upsim.errors import InvalidInput, ProfileHasWorkers
from upsim.model import WorldId
from upsim.store.asking import ProfileChanges, WorkerFilter
from upsim.store.courses import moved
from upsim.store.mongo import MongoStore
from upsim.store.mongo import catalogue as mongo_catalogue

LATER = Instant(T0 + 5000)


class Died(Exception):
    """The process ended here."""


@pytest.fixture
def store() -> Iterator[MongoStore]:
    opened = MongoStore("mongomock:")
    opened.create_world(record(), content())
    yield opened
    opened.close()


def die(*args: object, **kwargs: object) -> None:
    raise Died


def test_workers_of_a_profile_whose_deletion_stopped_halfway_are_on_the_target(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "follow", die)
    with pytest.raises(Died):
        store.delete_profile(WORLD, VIP, oid(201), LATER)
    assert store.get_worker(WORLD, VIP, oid(306)) == moved(worker(306, 201), oid(200), LATER)
    assert store.list_workers(WORLD, VIP, WorkerFilter(profile_id=oid(200)), ALL).total == 8
    assert store.list_workers(WORLD, VIP, WorkerFilter(profile_id=oid(201)), ALL).total == 0
    check_world(store, WORLD)
    # A copy takes the way with it, and so does the next deletion.
    store.copy_content(WORLD, WorldId("w#half"), with_keys=False, record=record("w#half"))
    check_world(store, WorldId("w#half"))
    store.set_default_profile(WORLD, VIP, store.add_profile(WORLD, profile(250, 100), None).id)
    with pytest.raises(Died):
        store.delete_profile(WORLD, VIP, oid(200), LATER)
    assert store.list_workers(WORLD, VIP, WorkerFilter(profile_id=oid(250)), ALL).total == 8
    check_world(store, WORLD)
    assert [one.profile_id for one in store.read_content(WORLD).workers].count(oid(250)) == 8
    # Assigned anew, they are where they were assigned.
    store.add_profile(WORLD, profile(251, 100), None)
    store.assign_workers(WORLD, VIP, [oid(306), oid(300)], oid(251), LATER)
    assert store.list_workers(WORLD, VIP, WorkerFilter(profile_id=oid(251)), ALL).total == 2
    check_world(store, WORLD)


def test_a_worker_forwarded_to_a_profile_keeps_it_from_changing_its_algorithm(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "follow", die)
    with pytest.raises(Died):
        store.delete_profile(WORLD, VIP, oid(201), LATER)
    store.add_profile(WORLD, profile(250, 100), None)
    store.set_default_profile(WORLD, VIP, oid(250))
    store.assign_workers(WORLD, VIP, [oid(number) for number in range(300, 306)], oid(250), LATER)
    changes = ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(102),))
    with pytest.raises(ProfileHasWorkers, match=r"2 worker\(s\)"):
        store.update_profile(WORLD, VIP, oid(200), changes, None)


def during_assignment(store: MongoStore, monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen after an assignment has checked and before it writes."""
    write = store._link.set_each

    def interrupted(*args: Any) -> None:
        monkeypatch.setattr(store._link, "set_each", write)
        happens()
        write(*args)

    monkeypatch.setattr(store._link, "set_each", interrupted)


def test_an_assignment_to_a_profile_deleted_meanwhile_ends_on_the_target(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    during_assignment(store, monkeypatch, lambda: store.delete_profile(WORLD, VIP, oid(201), LATER))
    store.assign_workers(WORLD, VIP, [oid(300), oid(301)], oid(201), LATER)
    assert store.list_workers(WORLD, VIP, WorkerFilter(profile_id=oid(200)), ALL).total == 8
    check_world(store, WORLD)


def test_an_assignment_to_a_profile_that_changed_its_algorithm_meanwhile_is_undone(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.assign_workers(WORLD, VIP, [oid(306), oid(307)], oid(200), LATER)
    before = list(store.read_content(WORLD).workers)
    changes = ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(102),))
    during_assignment(store, monkeypatch, lambda: store.update_profile(WORLD, VIP, oid(201), changes, None))
    with pytest.raises(InvalidInput, match="is for randomx"):
        store.assign_workers(WORLD, VIP, [oid(300), oid(301)], oid(201), Instant(LATER + 1))
    assert list(store.read_content(WORLD).workers) == before
    check_world(store, WORLD)


def test_an_assignment_that_died_before_a_change_of_algorithm_leaves_workers_on_the_default(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.assign_workers(WORLD, VIP, [oid(306), oid(307)], oid(200), LATER)
    changes = ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(102),))
    during_assignment(store, monkeypatch, lambda: store.update_profile(WORLD, VIP, oid(201), changes, None))
    monkeypatch.setattr(store, "put_back", die)
    with pytest.raises(Died):
        store.assign_workers(WORLD, VIP, [oid(300), oid(301)], oid(201), LATER)
    assert store.list_workers(WORLD, VIP, WorkerFilter(profile_id=oid(200)), ALL).total == 8
    check_world(store, WORLD)
    back = ProfileChanges(LATER, algorithm="sha256", pool_ids=(oid(100),))
    store.update_profile(WORLD, VIP, oid(201), back, None)
    check_world(store, WORLD)


def test_old_forwards_are_dropped_after_their_workers_followed(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mongo_catalogue, "FORWARDS_KEPT", 3)
    with monkeypatch.context() as dying:
        dying.setattr(store, "follow", die)
        with pytest.raises(Died):
            store.delete_profile(WORLD, VIP, oid(201), LATER)
    for number in range(250, 256):
        store.add_profile(WORLD, profile(number, 100), None)
        store.delete_profile(WORLD, VIP, oid(number), LATER)
        check_world(store, WORLD)
    (held,) = store._holdings.find({"account_id": VIP})
    assert [forward[1] for forward in held["forwards"]] == [oid(253), oid(254), oid(255)]
    named = {doc["profile_id"] for doc in store._workers.find({"account_id": VIP})}
    assert named == {oid(200), oid(202)}


@pytest.mark.parametrize("step", ["_put_content", "_open_world", "_copy_docs", "_point_to"])
def test_a_world_whose_making_stopped_halfway_is_not_there_and_can_be_made_again(
    store: MongoStore, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    fresh = WorldId("fresh")

    def make() -> None:
        if step in ("_put_content", "_open_world"):
            store.create_world(record(fresh), replace(content(), keys=[key(980)]))
        else:
            store.copy_content(WORLD, fresh, with_keys=False, record=record(fresh), new_keys=[key(980)])

    with monkeypatch.context() as dying:
        dying.setattr(store, step, die)
        # A process that dies takes nothing back.
        dying.setattr(store, "_drop_content", lambda *tokens: None)
        dying.setattr(store._digests, "delete_many", lambda which: None)
        with pytest.raises(Died):
            make()
    assert store.get_world(fresh) is None
    assert store.find_caller(key(980).digest) is None
    assert store.list_workers(fresh, VIP, WorkerFilter(), ALL).total == 0
    make()
    assert store.list_workers(fresh, VIP, WorkerFilter(), ALL).total == 10
    check_world(store, fresh)
    check_world(store, WORLD)


def test_nothing_of_a_deleted_world_stays_in_the_database(store: MongoStore) -> None:
    store.copy_content(WORLD, WorldId("w#one"), with_keys=True, record=record("w#one"))
    for _ in range(3):
        store.copy_content(WorldId("w#one"), WORLD, with_keys=True)
        store.count_hit(WORLD, VIP, 1)
        store.next_number(WORLD, "pool")
    store.delete_world(WORLD)
    database = store._worlds.database
    assert {name: database[name].count_documents({}) for name in database.list_collection_names()} == dict.fromkeys(
        database.list_collection_names(), 0
    )
