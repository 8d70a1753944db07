"""Measured workers: counters, work by blocks and their account's sums, kept exactly by every engine."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from tests.store.things import T0, VIP, WORLD, content, oid, record, worker
from upsim.clock import Instant
from upsim.errors import NotFound
from upsim.model import MEASURED, Measured, Mined, ObjectId, Worker, WorldId
from upsim.store.base import Store
from upsim.store.content import Content, Work

CAME = Instant(T0 + 1_000)
HOME = 548
HERE = 544


def measured(number: int, *, here: bool = True, at: Instant = CAME, profile: int = 200) -> Worker:
    kind = "online" if here else "offline"
    return replace(
        worker(number, profile),
        model=MEASURED,
        nominal=0,
        home=HOME,
        cell=HERE if here else HOME,
        updated_at=at,
        history=((at, kind, 1000, ""),),
    )


def mined(number: int, *blocks: tuple[int, int, int], accepted: int = 1, algorithm: str = "sha256") -> Mined:
    work = sum(units for level, _, units in blocks if level == 0)
    at = Instant(T0 + 5_000 + accepted)
    return Mined(oid(number), VIP, algorithm, accepted, 2, 3, work, tuple(blocks), at)


def test_what_is_added_adds_up_for_the_worker_and_its_account(store: Store, world: WorldId) -> None:
    store.add_workers(world, [measured(600), measured(601)])
    store.add_mined(world, [mined(600, (0, 7, 10), (1, 1, 10)), mined(601, (0, 7, 5), (1, 1, 5))])
    store.add_mined(world, [mined(600, (0, 8, 1), (1, 1, 1), accepted=4)])
    known = store.get_measured(world, [oid(600), oid(601), oid(602)], 8)
    assert known[oid(600)] == (Measured(5, 4, 6, CAME, 11, Instant(T0 + 5_004)), 1)
    assert known[oid(601)] == (Measured(1, 2, 3, CAME, 5, Instant(T0 + 5_001)), 0)
    assert set(known) == {oid(600), oid(601)}
    assert store.read_work(world, oid(600), 0, 0) == {7: 10, 8: 1}
    assert store.read_work(world, oid(600), 0, 8) == {8: 1}
    assert store.read_work(world, (VIP, "sha256"), 0, 0) == {7: 15, 8: 1}
    assert store.read_work(world, (VIP, "sha256"), 1, 0) == {1: 16}
    assert store.read_work(world, (VIP, "randomx"), 0, 0) == {}


def test_work_since_the_miner_came_begins_anew_with_each_coming(store: Store, world: WorldId) -> None:
    store.add_workers(world, [measured(600)])
    store.add_mined(world, [mined(600, (0, 7, 10))])
    again = Instant(CAME + 9_000)
    store.change_workers(world, VIP, [oid(600)], lambda one: replace(one, history=((again, "online", 1000, ""),)))
    store.add_mined(world, [mined(600, (0, 7, 3))])
    known, recent = store.get_measured(world, [oid(600)], 0)[oid(600)]
    assert (known.since, known.work, known.accepted, recent) == (again, 3, 2, 13)


def test_a_worker_that_is_no_more_is_passed_over(store: Store, world: WorldId) -> None:
    store.add_workers(world, [measured(600)])
    store.add_mined(world, [mined(600, (0, 7, 10)), mined(699, (0, 7, 10))])
    assert store.read_work(world, (VIP, "sha256"), 0, 0) == {7: 10}
    assert store.get_measured(world, [oid(699)], 0) == {}


def test_blocks_that_no_series_asks_for_are_forgotten(store: Store, world: WorldId) -> None:
    store.add_workers(world, [measured(600), measured(601)])
    old = [(0, 1, 1), (0, 5, 1), (0, 9, 1), (1, 1, 3)]
    store.add_mined(world, [mined(600, *old), mined(601, *old)])
    store.add_mined(world, [mined(600, (0, 6, 1), (1, 1, 1))], [(5, 8), (0, 8)])
    assert store.read_work(world, oid(600), 0, 0) == {5: 1, 6: 1}
    assert store.read_work(world, (VIP, "sha256"), 0, 0) == {5: 2, 6: 1}
    assert store.read_work(world, oid(601), 0, 0) == {1: 1, 5: 1, 9: 1}
    store.forget_work(world, [(0, 4), (1, 1)])
    assert store.read_work(world, oid(601), 0, 0) == {1: 1}
    assert store.read_work(world, (VIP, "sha256"), 1, 0) == {1: 7}


def test_those_that_changed_or_are_here_are_found_without_the_others(store: Store, world: WorldId) -> None:
    later = Instant(CAME + 60_000)
    store.add_workers(world, [measured(600), measured(601, here=False), measured(602, at=later)])

    def found(**which: Any) -> set[int]:
        return {int(one.id, 16) for one in store.list_measured(world, **which)}

    assert found() == {600, 601, 602}
    assert found(present=True) == {600, 602}
    assert found(account_id=VIP, algorithm="sha256", since=CAME) == {602}
    assert found(account_id=VIP, algorithm="randomx") == set()
    assert found(account_id=oid(2)) == set()


def test_places_follow_assignments_and_deleted_profiles(store: Store, world: WorldId) -> None:
    store.add_workers(world, [measured(600, profile=201), measured(601)])
    ids: list[ObjectId] = [oid(600), oid(601), oid(999)]
    assert store.get_places(world, VIP, ids) == {oid(600): (oid(201), HERE), oid(601): (oid(200), HERE)}
    store.delete_profile(world, VIP, oid(201), CAME)
    assert store.get_places(world, VIP, ids)[oid(600)] == (oid(200), HERE)
    assert store.get_places(world, oid(2), ids) == {}


def test_copies_and_content_hold_it_all(store: Store, world: WorldId) -> None:
    store.add_workers(world, [measured(600)])
    store.add_mined(world, [mined(600, (0, 7, 10), (1, 1, 10))])
    store.copy_content(world, WorldId("copy"), with_keys=False, record=record("copy"))
    store.add_mined(world, [mined(600, (0, 7, 1), (1, 1, 1))])
    for name, work in ((WORLD, 11), (WorldId("copy"), 10)):
        assert store.read_work(name, oid(600), 0, 0) == {7: work}
        assert store.read_work(name, (VIP, "sha256"), 1, 0) == {1: work}
        assert store.get_measured(name, [oid(600)], 0)[oid(600)][0].work == work
    whole = store.read_content(world)
    assert whole.measured == {oid(600): Measured(2, 4, 6, CAME, 11, Instant(T0 + 5_001))}
    sum_name = f"{VIP}/sha256"
    assert sorted(whole.work) == sorted(
        [Work(owner, level, block, 11) for owner in (oid(600), sum_name) for level, block in ((0, 7), (1, 1))]
    )
    store.create_world(record("again"), whole_without_keys(whole))
    assert store.read_work(WorldId("again"), (VIP, "sha256"), 0, 0) == {7: 11}
    store.delete_world(WorldId("copy"))
    store.create_world(record("copy"), content_without_keys())
    assert store.read_work(WorldId("copy"), oid(600), 0, 0) == {}


def whole_without_keys(whole: Content) -> Content:
    return replace(whole, keys=())


def content_without_keys() -> Content:
    return replace(content(), keys=())


@pytest.mark.parametrize("seed", range(3))
def test_the_accounts_work_is_the_sum_of_its_workers_whatever_happens(store: Store, world: WorldId, seed: int) -> None:
    chance = random.Random(seed)
    numbers = range(600, 605)
    store.add_workers(world, [measured(number) for number in numbers])
    for turn in range(12):
        doing = chance.sample(numbers, chance.randrange(1, 5))
        blocks = [[(level, (turn + 3) >> level, chance.randrange(1, 2**40)) for level in range(3)] for _ in doing]
        kept = [((turn - 2) >> level, 99) for level in range(3)] if turn % 4 == 3 else None
        store.add_mined(world, [mined(number, *parts) for number, parts in zip(doing, blocks, strict=True)], kept)
    for level in range(3):
        first = 11 >> level  # those before may be forgotten of one and not yet of another
        alone = [store.read_work(world, oid(number), level, first) for number in numbers]
        together = store.read_work(world, (VIP, "sha256"), level, first)
        assert together == {
            block: sum(one.get(block, 0) for one in alone) for block in {block for one in alone for block in one}
        }
        assert together


def test_in_a_world_that_is_not_there_nothing_is_kept(store: Store) -> None:
    nowhere = WorldId("nowhere")
    try:
        store.add_mined(nowhere, [mined(600, (0, 7, 10))])
    except NotFound:
        return
    assert store.read_work(nowhere, oid(600), 0, 0) == {}
