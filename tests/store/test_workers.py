"""Workers: lists and filters, assignment all or none, changes, and adding many."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, BASIC, T0, VIP, account, content, key, oid, pool, profile, record, worker
from upsim.clock import Instant
from upsim.errors import AlreadyExists, InvalidInput, NotFound, UpsimError
from upsim.model import ObjectId, Worker, WorldId
from upsim.store.asking import Down, Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.content import Content
from upsim.store.courses import moved

LATER = Instant(T0 + 5000)


def listed(store: Store, world: WorldId, which: WorkerFilter) -> list[int]:
    page = store.list_workers(world, VIP, which, ALL)
    assert page.total == len(page.items)
    return [int(one.id, 16) for one in page.items]


def test_workers_are_listed_oldest_first_ties_by_id(store: Store, world: WorldId) -> None:
    store.add_workers(world, [worker(352, 200, created_at=5), worker(351, 200, created_at=5)])
    assert listed(store, world, WorkerFilter()) == [351, 352, *range(300, 310)]


@pytest.mark.parametrize(
    ("span", "numbers"),
    [(Span(0, 4), [300, 301, 302, 303]), (Span(8, 4), [308, 309]), (Span(10, 4), []), (Span(10**15, 4), [])],
)
def test_a_page_is_cut_from_the_list_and_knows_the_total(
    store: Store, world: WorldId, span: Span, numbers: list[int]
) -> None:
    page = store.list_workers(world, VIP, WorkerFilter(), span)
    assert [int(one.id, 16) for one in page.items] == numbers
    assert page.total == 10


@pytest.mark.parametrize(
    ("which", "numbers"),
    [
        (WorkerFilter(algorithm="randomx"), [308, 309]),
        (WorkerFilter(algorithm="scrypt"), []),
        (WorkerFilter(profile_id=oid(201)), [306, 307]),
        (WorkerFilter(profile_id=oid(210)), []),
        (WorkerFilter(profile_id=oid(77)), []),
        (WorkerFilter(algorithm="randomx", profile_id=oid(201)), []),
        (WorkerFilter(search="rig-30"), list(range(300, 310))),
        (WorkerFilter(search="G-308"), [308]),
        (WorkerFilter(search=""), list(range(300, 310))),
        (WorkerFilter(search="nobody"), []),
        (WorkerFilter(algorithm="sha256", profile_id=oid(200), search="4"), [304]),
    ],
)
def test_filters_narrow_the_list(store: Store, world: WorldId, which: WorkerFilter, numbers: list[int]) -> None:
    assert listed(store, world, which) == numbers


@pytest.mark.parametrize(
    ("name", "search", "found"),
    [
        ("Straße.7", "STRASSE", True),
        ("STRASSE", "straße", True),
        ("ÉCLAIR", "éclair", True),
        ("ИВАН", "иван", True),
        ("a.b", "a.b", True),
        ("axb", "a.b", False),
        ("50% [new] (x)*+?^$|\\", "% [NEW] (X)*+?^$|\\", True),
        ("under_score", "r_s", True),
        ("underxscore", "r_s", False),
        ("two  spaces", "o  s", True),
        ("quote'\"", "'\"", True),
    ],
)
def test_a_search_finds_text_whatever_its_case_and_signs(
    store: Store, world: WorldId, name: str, search: str, found: bool
) -> None:
    store.add_workers(world, [worker(350, 200, name=name)])
    assert (350 in listed(store, world, WorkerFilter(search=search))) is found
    held = store.get_worker(world, VIP, oid(350))
    assert held is not None
    assert held.name == name


def test_workers_that_are_down_are_told_from_those_that_are_not(store: Store, world: WorldId) -> None:
    at = T0 + 1000
    store.add_workers(
        world,
        [
            worker(350, 200, cell=7),
            worker(351, 200, created_at=at + 1),
            worker(352, 200, created_at=at),
            worker(353, 200, retired_at=at),
            worker(354, 200, retired_at=at + 1),
            worker(355, 200, cell=7, retired_at=at + 1),
        ],
    )
    down = Down(frozenset({7, 8}), Instant(at), True)
    assert listed(store, world, WorkerFilter(down=down)) == [350, 353, 355, 351]
    up = replace(down, offline=False)
    assert listed(store, world, WorkerFilter(down=up)) == [*range(300, 310), 354, 352]
    both = WorkerFilter(algorithm="sha256", profile_id=oid(200), search="5", down=up)
    assert listed(store, world, both) == [305, 354, 352]
    nothing_down = Down(frozenset(), Instant(at), True)
    assert listed(store, world, WorkerFilter(down=nothing_down)) == [353, 351]
    many = Down(frozenset(range(4, 3000)), Instant(at), True)
    assert listed(store, world, WorkerFilter(down=many)) == [350, 353, 355, 351]


def test_algorithms_are_those_of_the_accounts_workers(store: Store, world: WorldId) -> None:
    assert store.list_algorithms(world, VIP) == ["randomx", "sha256"]
    assert store.list_algorithms(world, BASIC) == ["sha256"]
    assert store.list_algorithms(world, oid(77)) == []
    assert store.list_algorithms(WorldId("gone"), VIP) == []


def test_a_worker_is_found_by_id_in_its_account_only(store: Store, world: WorldId) -> None:
    assert store.get_worker(world, VIP, oid(300)) == worker(300, 200)
    assert store.get_worker(world, VIP, oid(320)) is None
    assert store.get_worker(world, VIP, oid(77)) is None


def test_every_field_of_a_worker_comes_back(store: Store, world: WorldId) -> None:
    given = replace(
        worker(350, 200),
        nominal=2**62,
        home=-1,
        weights=(),
        retired_at=LATER,
        history=((Instant(T0), "cell", 4, "flat"), (LATER, "retired", -(2**40), "")),
    )
    store.add_workers(world, [given])
    assert store.get_worker(world, VIP, oid(350)) == given


def test_workers_of_an_unknown_profile_are_refused_all_of_them(store: Store, world: WorldId) -> None:
    def fleet() -> Iterator[Worker]:
        yield from (worker(number, 200) for number in range(1000, 2200))
        yield worker(3500, 210)

    with pytest.raises(NotFound, match=f"Profile not found: {oid(210)}"):
        store.add_workers(world, fleet())
    assert listed(store, world, WorkerFilter()) == list(range(300, 310))
    check_world(store, world)


def test_workers_of_an_id_that_is_taken_are_refused_all_of_them(store: Store, world: WorldId) -> None:
    for fleet in ([worker(350, 200), worker(305, 201)], [worker(350, 200), worker(350, 201)]):
        with pytest.raises(AlreadyExists, match="Worker"):
            store.add_workers(world, fleet)
    assert list(store.read_content(world).workers) == list(content().workers)


def test_the_workers_of_several_accounts_are_added_at_once(store: Store, world: WorldId) -> None:
    store.add_workers(world, (worker(number, 201) for number in range(1000, 2200)))
    store.add_workers(world, [worker(3600, 203, "randomx"), worker(3601, 210, account_id=BASIC)])
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(201)), ALL).total == 1202
    assert store.list_workers(world, BASIC, WorkerFilter(), ALL).total == 2


def test_assigned_workers_are_on_the_profile(store: Store, world: WorldId) -> None:
    store.assign_workers(world, VIP, [oid(300), oid(302)], oid(201), LATER)
    assert listed(store, world, WorkerFilter(profile_id=oid(201))) == [300, 302, 306, 307]
    assert store.get_worker(world, VIP, oid(300)) == moved(worker(300, 200), oid(201), LATER)
    check_world(store, world)


def test_a_worker_that_is_there_already_is_left_as_it_is(store: Store, world: WorldId) -> None:
    store.assign_workers(world, VIP, [oid(306)], oid(201), LATER)
    assert store.get_worker(world, VIP, oid(306)) == worker(306, 201)


def test_none_can_be_assigned_too(store: Store, world: WorldId) -> None:
    store.assign_workers(world, VIP, [], oid(201), LATER)
    assert list(store.read_content(world).workers) == list(content().workers)


@pytest.mark.parametrize(
    ("numbers", "profile_number", "refusal", "words"),
    [
        ((300, 77), 201, NotFound, f"Worker not found: {oid(77)}"),
        ((300, 320), 201, NotFound, f"Worker not found: {oid(320)}"),
        ((300, 308), 201, InvalidInput, f"worker_ids: worker {oid(308)} mines randomx, profile 'profile 201' is for"),
        ((300,), 77, NotFound, f"Profile not found: {oid(77)}"),
        ((300,), 210, NotFound, f"Profile not found: {oid(210)}"),
    ],
    ids=["unknown", "another's", "another algorithm", "unknown profile", "another's profile"],
)
def test_an_assignment_is_all_or_none(
    store: Store, world: WorldId, numbers: tuple[int, ...], profile_number: int, refusal: type[UpsimError], words: str
) -> None:
    with pytest.raises(refusal, match=words):
        store.assign_workers(world, VIP, [oid(number) for number in numbers], oid(profile_number), LATER)
    assert list(store.read_content(world).workers) == list(content().workers)


def test_five_thousand_workers_are_assigned_in_one_call(store: Store) -> None:
    world = WorldId("many")
    fleet = [worker(number, 200) for number in range(1000, 6000)]
    store.create_world(
        record(world),
        Content([account(1)], [key()], [pool(100)], [profile(200, 100, default=True), profile(201, 100)], fleet),
    )
    store.assign_workers(world, VIP, [one.id for one in fleet], oid(201), LATER)
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(201)), Span(0, 1)).total == 5000
    with pytest.raises(NotFound):
        store.assign_workers(world, VIP, [*(one.id for one in fleet), oid(7)], oid(200), LATER)
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(200)), Span(0, 1)).total == 0
    assert store.delete_profile(world, VIP, oid(201), LATER).workers == 5000
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(200)), Span(0, 1)).total == 5000


def test_changed_workers_are_what_the_change_made_of_them(store: Store, world: WorldId) -> None:
    def offline(old: Worker) -> Worker:
        entry = (LATER, "offline", old.cell, "")
        return replace(old, cell=-1, updated_at=LATER, history=(*old.history, entry))

    assert store.change_workers(world, VIP, [oid(300), oid(308)], offline) == 2
    assert store.get_worker(world, VIP, oid(300)) == offline(worker(300, 200))
    assert store.get_worker(world, VIP, oid(308)) == offline(worker(308, 202, "randomx"))
    assert store.get_worker(world, VIP, oid(301)) == worker(301, 200)
    assert store.change_workers(world, VIP, [oid(300)], offline) == 1
    assert store.get_worker(world, VIP, oid(300)) == offline(offline(worker(300, 200)))
    assert store.change_workers(world, VIP, [], offline) == 0
    check_world(store, world)


def test_a_renamed_worker_is_found_by_its_new_name(store: Store, world: WorldId) -> None:
    store.change_workers(world, VIP, [oid(300)], lambda old: replace(old, name="Zebra"))
    assert listed(store, world, WorkerFilter(search="zebra")) == [300]
    assert listed(store, world, WorkerFilter(search="rig-300")) == []


@pytest.mark.parametrize("other", [77, 320], ids=["unknown", "another's"])
def test_a_change_of_workers_is_all_or_none(store: Store, world: WorldId, other: int) -> None:
    with pytest.raises(NotFound, match=f"Worker not found: {oid(other)}"):
        store.change_workers(world, VIP, [oid(300), oid(other)], lambda old: replace(old, cell=9))
    assert list(store.read_content(world).workers) == list(content().workers)


def test_a_change_that_fails_changes_no_worker(store: Store, world: WorldId) -> None:
    def change(old: Worker) -> Worker:
        if old.id == oid(301):
            raise ArithmeticError(old.id)
        return replace(old, cell=9)

    ids: list[ObjectId] = [oid(300), oid(301)]
    with pytest.raises(ArithmeticError):
        store.change_workers(world, VIP, ids, change)
    assert list(store.read_content(world).workers) == list(content().workers)
