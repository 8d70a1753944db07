"""Hits, numbered sequences and the journal."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests.store.things import BASIC, T0, VIP, record
from upsim.clock import Instant
from upsim.model import JournalEntry, WorldId
from upsim.store.asking import EntryFilter
from upsim.store.base import Store
from upsim.store.content import Content

KEEP = 10_000


def test_hits_of_a_window_are_counted_one_by_one(store: Store, world: WorldId) -> None:
    assert store.get_hits(world, VIP, 5) == 0
    assert [store.count_hit(world, VIP, 5) for _ in range(4)] == [1, 2, 3, 4]
    assert store.get_hits(world, VIP, 5) == 4


def test_accounts_are_counted_apart(store: Store, world: WorldId) -> None:
    store.count_hit(world, VIP, 5)
    assert store.count_hit(world, BASIC, 5) == 1
    assert store.get_hits(world, VIP, 5) == 1


@pytest.mark.parametrize("other", [6, 4, 0, -1, 2**40])
def test_another_window_starts_again_at_1(store: Store, world: WorldId, other: int) -> None:
    store.count_hit(world, VIP, 5)
    store.count_hit(world, VIP, 5)
    assert store.count_hit(world, VIP, other) == 1
    assert store.get_hits(world, VIP, 5) == 0
    assert store.count_hit(world, VIP, 5) == 1


def test_numbers_run_from_0_for_each_name(store: Store, world: WorldId) -> None:
    assert [store.next_number(world, "pool") for _ in range(3)] == [0, 1, 2]
    assert store.next_number(world, "a/b.$c") == 0
    assert store.next_number(world, "pool") == 3


def entry(number: int = 0) -> JournalEntry:
    """Entries that differ by method, path, status, account and what decided."""
    return JournalEntry(
        seq=0,
        at=Instant(T0 + number),
        duration_us=number,
        method=("GET", "POST")[number % 2],
        path=f"/v1/pools/{number}",
        query="page=1",
        account=(None, "vip")[number % 2],
        key="up_k_demo…",
        status=(200, 403, None)[number % 3],
        decided=("rule", "scope", "fault")[number % 3],
    )


@pytest.fixture
def journal(store: Store, world: WorldId) -> list[JournalEntry]:
    """Twelve entries in the world's journal."""
    for number in range(12):
        store.add_entry(world, entry(number), KEEP)
    return [replace(entry(number), seq=number + 1) for number in range(12)]


def test_an_empty_journal_ends_at_0(store: Store, world: WorldId) -> None:
    assert store.last_entry(world) == 0
    assert store.list_entries(world, EntryFilter(), 10) == []
    assert store.count_entries(world, EntryFilter()) == 0


def test_every_field_of_an_entry_comes_back_with_its_number(store: Store, world: WorldId) -> None:
    body = {"a.b": None, "$set": [1, "x"], "nested": {"port": 3333}}
    full = replace(entry(), clause="R-7", fault="f1", body=body, error="pool_id: not an id")
    store.add_entry(world, full, KEEP)
    assert store.list_entries(world, EntryFilter(), 10) == [replace(full, seq=1)]


def test_entries_come_in_order_or_from_the_end(store: Store, world: WorldId, journal: list[JournalEntry]) -> None:
    assert store.list_entries(world, EntryFilter(), 100) == journal
    assert store.list_entries(world, EntryFilter(), 3) == journal[:3]
    assert store.list_entries(world, EntryFilter(), 3, newest_first=True) == journal[:-4:-1]
    assert store.list_entries(world, EntryFilter(), 0) == []
    assert store.last_entry(world) == 12


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (EntryFilter(since=10), [11, 12]),
        (EntryFilter(since=12), []),
        (EntryFilter(method="POST"), [2, 4, 6, 8, 10, 12]),
        (EntryFilter(status=403), [2, 5, 8, 11]),
        (EntryFilter(account="vip", decided="fault"), [6, 12]),
        (EntryFilter(path="/v1/pools/1"), [2]),
        (EntryFilter(path="/v1/pools/1*"), [2, 11, 12]),
        (EntryFilter(path="*/pools/*0"), [1, 11]),
        (EntryFilter(path="/v1/pools/?"), []),
        (EntryFilter(path="/v1/pools/[12]"), []),
        (EntryFilter(path="pools/1"), []),
        (EntryFilter(path="/V1/pools/1"), []),
        (EntryFilter(path="*"), list(range(1, 13))),
    ],
)
def test_a_filter_keeps_what_it_names(
    store: Store, world: WorldId, journal: list[JournalEntry], which: EntryFilter, numbers: list[int]
) -> None:
    assert [one.seq for one in store.list_entries(world, which, 100)] == numbers
    assert store.count_entries(world, which) == len(numbers)


def test_a_path_is_taken_as_it_stands_but_for_the_star(store: Store, world: WorldId) -> None:
    for path in ("/v1/[x]", "/v1/x", "/v1/a.b", "/v1/a+b", "/v1/axb"):
        store.add_entry(world, replace(entry(), path=path), KEEP)
    assert [one.path for one in store.list_entries(world, EntryFilter(path="/v1/[x]"), 9)] == ["/v1/[x]"]
    assert [one.path for one in store.list_entries(world, EntryFilter(path="/v1/a.b"), 9)] == ["/v1/a.b"]
    assert [one.path for one in store.list_entries(world, EntryFilter(path="*a+*"), 9)] == ["/v1/a+b"]


def test_a_cleared_journal_never_gives_a_number_again(
    store: Store, world: WorldId, journal: list[JournalEntry]
) -> None:
    store.clear_journal(world)
    store.clear_journal(world)
    assert store.count_entries(world, EntryFilter()) == 0
    assert store.last_entry(world) == 12
    store.add_entry(world, entry(), KEEP)
    assert [one.seq for one in store.list_entries(world, EntryFilter(since=12), 9)] == [13]


def test_a_journal_is_bounded(store: Store, world: WorldId) -> None:
    keep, little_more = 20, 128
    for number in range(300):
        store.add_entry(world, entry(number), keep)
    kept = store.list_entries(world, EntryFilter(), 1000)
    assert keep <= len(kept) <= keep + little_more
    assert [one.seq for one in kept] == list(range(301 - len(kept), 301))


def test_journals_of_two_worlds_never_meet(store: Store, world: WorldId, journal: list[JournalEntry]) -> None:
    other = WorldId("other")
    store.create_world(record(other), Content())
    store.add_entry(other, entry(5), KEEP)
    assert [one.seq for one in store.list_entries(other, EntryFilter(), 9)] == [1]
    store.clear_journal(world)
    assert store.count_entries(other, EntryFilter()) == 1


def test_what_is_counted_and_noted_together_is_there_afterwards(store: Store, world: WorldId) -> None:
    with store.together or nullcontext():
        assert [store.count_hit(world, VIP, 5) for _ in range(2)] == [1, 2]
        assert store.next_number(world, "pool") == 0
        store.add_entry(world, entry(1), KEEP)
    assert store.get_hits(world, VIP, 5) == 2
    assert store.next_number(world, "pool") == 1
    assert store.count_entries(world, EntryFilter()) == 1
