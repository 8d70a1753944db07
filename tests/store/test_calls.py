"""What calls leave in a SQLite file: counted and noted in one order, whoever appends, or is killed over it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.store.test_tallies import entry
from tests.store.things import BASIC, VIP, WORLD, content, record
from upsim.model import WorldId
from upsim.store.asking import EntryFilter
from upsim.store.base import Store
from upsim.store.factory import open_store
from upsim.store.sqlite import calls

UrlFor = Callable[[str], str]
KEEP = 10_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with the world of things.content, and no log yet."""
    place = tmp_path / "u.db"
    with closing(open_store(f"sqlite:{place}")) as store:
        store.create_world(record(), content())
    return place


@pytest.fixture
def store(file: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:{file}")) as opened:
        yield opened


@pytest.fixture
def other(file: Path) -> Iterator[Store]:
    """The same database, as another process has it."""
    with closing(open_store(f"sqlite:{file}")) as opened:
        yield opened


def logs(file: Path) -> list[Path]:
    return sorted(file.parent.glob("u.db-calls-*"))


def paths(store: Store) -> list[str]:
    return [one.path for one in store.list_entries(WORLD, EntryFilter(), 10_000)]


def test_each_is_told_a_number_of_its_own_and_finds_what_the_other_noted(store: Store, other: Store) -> None:
    told = [one.count_hit(WORLD, VIP, 5) for _ in range(20) for one in (store, other, other)]
    assert told == list(range(1, 61))
    store.add_entry(WORLD, entry(1), KEEP)
    other.add_entry(WORLD, entry(2), KEEP)
    assert paths(store) == paths(other) == ["/v1/pools/1", "/v1/pools/2"]
    assert other.get_hits(WORLD, VIP, 5) == 60


def test_logs_come_and_go_and_nothing_is_lost_or_told_twice(
    store: Store, other: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_UNSETTLED_BYTES", 300)
    monkeypatch.setattr(calls, "_LONGEST_BYTES", 1_000)
    names = set()
    for number in range(200):
        one = (store, other)[number * number % 3 % 2]
        assert one.count_hit(WORLD, VIP, 5) == number + 1
        one.add_entry(WORLD, entry(number), KEEP)
        names |= {each.name for each in logs(file)}
        assert len(logs(file)) <= 1
    assert len(names) > 10
    assert paths(store) == [f"/v1/pools/{number}" for number in range(200)]
    store.close()
    assert other.count_hit(WORLD, VIP, 5) == 201
    other.close()
    assert logs(file) == []
    with closing(open_store(f"sqlite:{file}")) as again:
        assert again.get_hits(WORLD, VIP, 5) == 201
        assert len(paths(again)) == 200


def test_windows_that_come_again_begin_again(store: Store, file: Path) -> None:
    assert [store.count_hit(WORLD, VIP, window) for window in (5, 5)] == [1, 2]
    assert len(paths(store)) == 0  # which settles
    assert [store.count_hit(WORLD, VIP, window) for window in (5, 6, 5)] == [3, 1, 1]
    store.close()
    with closing(open_store(f"sqlite:{file}")) as again:
        assert again.count_hit(WORLD, VIP, 5) == 2


def test_a_reset_by_one_is_a_reset_for_all(store: Store, other: Store) -> None:
    store.copy_content(WORLD, WorldId("default#start"), with_keys=False, record=record(WorldId("default#start")))
    for one in (store, other):
        one.count_hit(WORLD, VIP, 5)
        one.add_entry(WORLD, entry(1), KEEP)
    store.copy_content(WorldId("default#start"), WORLD, with_keys=False)
    assert (other.get_hits(WORLD, VIP, 5), other.last_entry(WORLD)) == (0, 0)
    assert [one.count_hit(WORLD, VIP, 5) for one in (other, store)] == [1, 2]
    other.add_entry(WORLD, entry(2), KEEP)
    assert paths(store) == ["/v1/pools/2"]


def test_the_half_of_a_piece_that_a_full_disk_left_is_passed_over(store: Store, other: Store, file: Path) -> None:
    store.count_hit(WORLD, VIP, 5)
    (log,) = logs(file)
    halves = [b'\n["hit", "default", "x', b'\n["entry", "default", 100]\t["GET","/v1/po\xff', bytes(5000)]
    for number, half in enumerate(halves):
        with log.open("ab") as end:
            end.write(half)
        other.add_entry(WORLD, entry(number), KEEP)
        assert store.count_hit(WORLD, VIP, 5) == number + 2
    assert paths(store) == ["/v1/pools/0", "/v1/pools/1", "/v1/pools/2"]


def test_a_log_that_was_ended_by_one_who_was_killed_over_it_is_followed_by_the_next(
    store: Store, other: Store, file: Path
) -> None:
    for one in (store, other):
        one.count_hit(WORLD, VIP, 5)
    (log,) = logs(file)
    with log.open("ab") as end:
        end.write(b'\n["last"]\t\n')
    assert [one.count_hit(WORLD, VIP, 5) for one in (store, other, store)] == [3, 4, 5]
    other.add_entry(WORLD, entry(1), KEEP)
    assert paths(store) == ["/v1/pools/1"]
    assert logs(file) != [log]


def test_a_log_that_somebody_removed_takes_with_it_what_was_not_settled(store: Store, file: Path) -> None:
    assert store.count_hit(WORLD, VIP, 5) == 1
    store.add_entry(WORLD, entry(1), KEEP)
    assert paths(store) == ["/v1/pools/1"]
    store.count_hit(WORLD, VIP, 5)
    (log,) = logs(file)
    log.unlink()
    with closing(open_store(f"sqlite:{file}")) as later:
        assert later.count_hit(WORLD, VIP, 5) == 2
        assert store.count_hit(WORLD, BASIC, 5) == 1  # who has it open goes on in it
        assert paths(store) == ["/v1/pools/1"]
        assert [one.count_hit(WORLD, VIP, 5) for one in (store, later)] == [3, 4]  # until it looks for the one in use


@pytest.mark.parametrize("number", [float("inf"), float("nan"), 10**400, 1.5])
def test_any_number_that_a_body_can_have_is_noted(store: Store, number: float) -> None:
    store.add_entry(WORLD, replace(entry(1), body={"hashrate": number}), KEEP)
    store.add_entry(WORLD, entry(2), KEEP)
    found = store.list_entries(WORLD, EntryFilter(), 9)
    assert [one.seq for one in found] == [1, 2]
    assert found[0].body is not None
    json.dumps(found[0].body, allow_nan=False)


def test_an_entry_may_be_longer_than_what_is_settled_at_once(store: Store, other: Store) -> None:
    long = "x" * 200_000
    store.add_entry(WORLD, replace(entry(1), query=long), KEEP)
    other.add_entry(WORLD, entry(2), KEEP)
    assert [one.query for one in other.list_entries(WORLD, EntryFilter(), 9)] == [long, "page=1"]


def test_no_log_stays_beside_a_file_of_any_name(tmp_path: Path) -> None:
    with closing(open_store(f"sqlite:{tmp_path / 'farm [1]*.db'}")) as store:
        store.create_world(record(), content())
        store.count_hit(WORLD, VIP, 5)
        assert len([*tmp_path.iterdir()]) > 1
    assert [file.name for file in tmp_path.iterdir()] == ["farm [1]*.db"]


def test_who_may_not_read_the_database_may_not_read_its_log(file: Path) -> None:
    file.chmod(0o600)
    with closing(open_store(f"sqlite:{file}")) as store:
        store.count_hit(WORLD, VIP, 5)
        (log,) = logs(file)
        assert log.stat().st_mode & 0o777 == 0o600
