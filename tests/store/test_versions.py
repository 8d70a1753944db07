"""A world's version: a new one whenever anything of the world was changed, and the same as long as nothing was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.store.things import ALL, BASIC, T0, VIP, WORLD, account, content, key, oid, pool, profile, record, worker
from upsim.clock import Instant
from upsim.errors import DefaultProfileKept, NotFound, QuotaExceeded, StoreUnavailable
from upsim.model import JournalEntry, Mined, Tier, Version, WorldId
from upsim.store.asking import EntryFilter, PoolChanges, ProfileChanges, WorkerFilter
from upsim.store.base import Store
from upsim.store.content import Content
from upsim.store.mongo import MongoStore

LATER = Instant(T0 + 5000)
OTHER = WorldId("other")
MINED = Mined(oid(300), VIP, "sha256", 1, 0, 0, 5, ((0, 7, 5),), T0)
ENTRY = JournalEntry(0, T0, 1, "GET", "/v1/pools", "", None, None, 200, "rule")

Calls = dict[str, Callable[[Store], Any]]


def _forget_work(store: Store) -> None:
    store.add_mined(WORLD, [MINED])
    store.forget_work(WORLD, [(9, 9)])


CHANGES: Final[Calls] = {
    "change_world": lambda store: store.change_world(WORLD, lambda known: replace(known, seed=known.seed + 1)),
    "copy_content": lambda store: store.copy_content(OTHER, WORLD, with_keys=False),
    "add_account": lambda store: store.add_account(WORLD, account(50)),
    "set_tier": lambda store: store.set_tier(WORLD, VIP, Tier.BASIC, LATER, LATER),
    "add_key": lambda store: store.add_key(WORLD, key(950)),
    "revoke_key": lambda store: store.revoke_key(WORLD, oid(910), LATER),
    "add_pool": lambda store: store.add_pool(WORLD, pool(400), None, profile(500, 400)),
    "update_pool": lambda store: store.update_pool(WORLD, VIP, oid(100), PoolChanges(LATER, name="new"), None),
    "record_test": lambda store: store.record_test(WORLD, oid(100), LATER, None, "failed"),
    "delete_pool": lambda store: store.delete_pool(WORLD, VIP, oid(150)),
    "add_profile": lambda store: store.add_profile(WORLD, profile(500, 100), None),
    "update_profile": lambda store: store.update_profile(WORLD, VIP, oid(201), ProfileChanges(LATER, name="n"), None),
    "delete_profile": lambda store: store.delete_profile(WORLD, VIP, oid(201), LATER),
    "set_default_profile": lambda store: store.set_default_profile(WORLD, VIP, oid(201)),
    "add_workers": lambda store: store.add_workers(WORLD, [worker(600, 200)]),
    "change_workers": lambda store: store.change_workers(
        WORLD, VIP, [oid(300)], lambda known: replace(known, nominal=known.nominal * 2)
    ),
    "add_mined": lambda store: store.add_mined(WORLD, [MINED]),
    "forget_work": _forget_work,
    "assign_workers": lambda store: store.assign_workers(WORLD, VIP, [oid(300)], oid(201), LATER),
}
"""A call of each method that changes a world."""

READS: Final[Calls] = {
    "get_world": lambda store: store.get_world(WORLD),
    "list_worlds": lambda store: store.list_worlds(),
    "list_copies": lambda store: store.list_copies(WORLD),
    "read_content": lambda store: store.read_content(WORLD),
    "find_caller": lambda store: store.find_caller(key(900).digest),
    "list_accounts": lambda store: store.list_accounts(WORLD),
    "list_keys": lambda store: store.list_keys(WORLD),
    "count_hit": lambda store: store.count_hit(WORLD, VIP, 1),
    "get_hits": lambda store: store.get_hits(WORLD, VIP, 1),
    "next_number": lambda store: store.next_number(WORLD, "ids"),
    "list_pools": lambda store: store.list_pools(WORLD, VIP, ALL),
    "count_pools": lambda store: store.count_pools(WORLD, VIP),
    "get_pool": lambda store: store.get_pool(WORLD, VIP, oid(100)),
    "get_pools": lambda store: store.get_pools(WORLD, VIP, [oid(100)]),
    "list_holders": lambda store: store.list_holders(WORLD, oid(100)),
    "list_profiles": lambda store: store.list_profiles(WORLD, VIP, ALL),
    "get_profiles": lambda store: store.get_profiles(WORLD, VIP, [oid(200)]),
    "get_courses": lambda store: store.get_courses(WORLD, VIP),
    "get_default_profile": lambda store: store.get_default_profile(WORLD, VIP, "sha256"),
    "list_workers": lambda store: store.list_workers(WORLD, VIP, WorkerFilter(), ALL),
    "get_tracks": lambda store: store.get_tracks(WORLD, ["0" * 24]),
    "list_algorithms": lambda store: store.list_algorithms(WORLD, VIP),
    "get_worker": lambda store: store.get_worker(WORLD, VIP, oid(300)),
    "get_places": lambda store: store.get_places(WORLD, VIP, [oid(300)]),
    "get_measured": lambda store: store.get_measured(WORLD, [oid(300)], 0),
    "read_work": lambda store: store.read_work(WORLD, oid(300), 0, 0),
    "list_measured": lambda store: store.list_measured(WORLD),
    "read_sums": lambda store: store.read_sums(WORLD, VIP, "sha256", T0),
    "add_entry": lambda store: store.add_entry(WORLD, ENTRY, 10),
    "list_entries": lambda store: store.list_entries(WORLD, EntryFilter(), 10),
    "count_entries": lambda store: store.count_entries(WORLD, EntryFilter()),
    "last_entry": lambda store: store.last_entry(WORLD),
    "clear_journal": lambda store: store.clear_journal(WORLD),
}
"""A call of each method that reads or counts."""

ENDS: Final = {"create_world", "delete_world", "close"}
"""What there is besides: before it, or after it, there is no version."""


def version_of(store: Store) -> Version:
    """The version that a caller of the world is told."""
    caller = store.find_caller(key(900).digest)
    assert caller is not None
    assert caller.version is not None
    return caller.version


@pytest.fixture
def other(store: Store, world: WorldId) -> WorldId:
    """A second world, with nothing in it; the first has a pool besides that no profile holds."""
    store.add_pool(WORLD, pool(150), None, profile(250, 150))
    store.create_world(record(OTHER), Content())
    return OTHER


def test_every_method_of_the_store_is_known_here() -> None:
    methods = {name for name, value in vars(Store).items() if callable(value) and not name.startswith("_")}
    assert methods == CHANGES.keys() | READS.keys() | ENDS


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_gives_a_new_version(store: Store, other: WorldId, name: str) -> None:
    before = version_of(store)
    if name == "copy_content":  # the keys that a copy leaves a world are those it was issued with
        store.copy_content(WORLD, OTHER, with_keys=False)
        store.copy_content(OTHER, WORLD, with_keys=False, new_keys=[replace(key(), id=oid(999))])
    else:
        CHANGES[name](store)
    assert version_of(store) != before


@pytest.mark.parametrize("name", READS)
def test_reading_and_counting_leave_the_version(store: Store, other: WorldId, name: str) -> None:
    before = version_of(store)
    READS[name](store)
    assert version_of(store) == before


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_another_world_leaves_the_version(store: Store, other: WorldId, name: str) -> None:
    store.copy_content(WORLD, OTHER, with_keys=False, new_keys=[key(970)])
    before = store.find_caller(key(970).digest)
    CHANGES[name](store)
    after = store.find_caller(key(970).digest)
    assert before is not None
    assert after is not None
    assert before.version == after.version


@pytest.mark.parametrize(
    ("refused", "call"),
    [
        (NotFound, lambda store: store.delete_pool(WORLD, VIP, oid(999))),
        (DefaultProfileKept, lambda store: store.delete_profile(WORLD, VIP, oid(200), LATER)),
        (QuotaExceeded, lambda store: store.add_pool(WORLD, pool(400), 1, profile(500, 400))),
        (NotFound, lambda store: store.assign_workers(WORLD, BASIC, [oid(300)], oid(200), LATER)),
    ],
)
def test_after_a_refusal_there_is_a_version(
    store: Store, world: WorldId, refused: type[Exception], call: Callable[[Store], None]
) -> None:
    with pytest.raises(refused):
        call(store)
    assert version_of(store)


def test_no_version_comes_again(store: Store, world: WorldId) -> None:
    """Not even in a world that ends and begins anew under its name, with the same in it."""
    seen = [version_of(store)]
    for number in range(5):
        store.update_pool(WORLD, VIP, oid(100), PoolChanges(LATER, name=f"name {number % 2}"), None)
        seen.append(version_of(store))
    for _ in range(3):
        store.delete_world(WORLD)
        store.create_world(record(), content())
        seen.append(version_of(store))
    assert len(set(seen)) == len(seen)


def test_a_change_that_lost_its_server_leaves_no_version_until_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """On MongoDB, whose changes are several steps."""
    store = MongoStore("mongomock:")
    store.create_world(record(), content())

    class Lost(Exception):
        """The server is not there any more."""

    def lose(*_: object) -> None:
        raise Lost

    def die_in_a_change() -> Version | None:
        with monkeypatch.context() as patch:
            patch.setattr(store._link, "lost", (Lost,))
            patch.setattr(store, "follow", lose)
            with pytest.raises(StoreUnavailable):
                store.delete_profile(WORLD, VIP, oid(201), LATER)
        store._link._reach.found()
        caller = store.find_caller(key(900).digest)
        assert caller is not None
        return caller.version

    assert die_in_a_change() is None
    # The next change of the same process makes up for it ...
    store.add_profile(WORLD, profile(201, 101), None)
    assert version_of(store)
    # ... and where that process is gone, the next content.
    assert die_in_a_change() is None
    store._lost_marks.clear()
    saved = WorldId(f"{WORLD}#saved")
    store.copy_content(WORLD, saved, with_keys=True, record=record(saved))
    store.copy_content(saved, WORLD, with_keys=True)
    assert version_of(store)
    store.close()
