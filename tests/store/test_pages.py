"""Pages of workers: together they are the list, whatever was asked before and whatever happened to it since."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.store.things import ALL, T0, VIP, WORLD, content, oid, record, worker
from upsim.clock import Instant
from upsim.model import Worker, WorldId
from upsim.store.asking import Down, Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.sqlite import ladders

SAVED = WorldId(f"{WORLD}#saved")


def check_pages(store: Store, chance: Random) -> None:
    """Assert that any page is what stands there in the list, of all workers or of one algorithm's."""
    everybody = sorted(
        (one for one in store.read_content(WORLD).workers if one.account_id == VIP),
        key=lambda one: (one.created_at, one.id),
    )
    for algorithm in (None, "sha256", "randomx", "scrypt"):
        which = WorkerFilter(algorithm=algorithm)
        expected = [one for one in everybody if algorithm in (None, one.algorithm)]
        assert store.list_workers(WORLD, VIP, which, ALL).items == expected
        for _ in range(4):
            span = Span(chance.randrange(len(everybody) + 4), chance.randrange(1, 8))
            page = store.list_workers(WORLD, VIP, which, span)
            assert page.items == expected[span.offset : span.offset + span.limit]
            assert page.total == len(expected)


@pytest.mark.parametrize("seed", range(3))
def test_pages_are_the_list_whatever_happens_to_it(
    stores: tuple[Store, Store], world: WorldId, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Through two openings of the store, each of which remembers where pages begin."""
    monkeypatch.setattr(ladders, "STEP", 3)
    chance = Random(f"pages:{seed}")

    def older(one: Worker) -> Worker:
        return replace(one, created_at=Instant(T0 + chance.randrange(900)))

    for number in range(8):
        store = chance.choice(stores)
        what = chance.random()
        if what < 0.5:  # before, after and among those that are there
            store.add_workers(
                WORLD, [older(worker(1000 + 10 * number + n, 200)) for n in range(chance.randrange(1, 6))]
            )
        elif what < 0.7:
            some = [one.id for one in store.list_workers(WORLD, VIP, WorkerFilter("sha256"), Span(2, 3)).items]
            store.change_workers(WORLD, VIP, some, older)
        elif what < 0.8:
            store.assign_workers(WORLD, VIP, [oid(300), oid(301)], oid(201), T0)
        elif what < 0.9:
            store.copy_content(WORLD, SAVED, with_keys=True, record=record(SAVED))
        elif store.get_world(SAVED) is not None:
            store.copy_content(SAVED, WORLD, with_keys=True)
        else:
            store.delete_world(WORLD)
            store.create_world(record(), content())
        for one in stores:
            check_pages(one, chance)


def test_the_way_to_the_last_page_is_found_once(store: Store, world: WorldId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladders, "KEPT", 1)
    store.add_workers(WORLD, [worker(1000 + number, 200) for number in range(450)])
    for offset in (455, 0, 459, 459):
        for algorithm in (None, "sha256"):  # each of which makes the other forgotten
            page = store.list_workers(WORLD, VIP, WorkerFilter(algorithm), Span(offset, 100))
            assert page.total == (460 if algorithm is None else 458)
            assert len(page.items) == max(0, min(100, page.total - offset))


def test_pages_are_those_of_what_was_restored(store: Store, world: WorldId, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladders, "STEP", 2)
    chance = Random("restored")
    store.copy_content(WORLD, SAVED, with_keys=True, record=record(SAVED))
    store.add_workers(WORLD, [worker(200 + number, 200) for number in range(5)])
    check_pages(store, chance)
    store.copy_content(SAVED, WORLD, with_keys=True)
    check_pages(store, chance)


@pytest.mark.parametrize("seed", range(2))
def test_pages_of_who_is_offline_and_of_who_is_not_are_the_list(store: Store, world: WorldId, seed: int) -> None:
    """Whatever the reason, or several at once; with other conditions and without."""
    chance = Random(f"presence:{seed}")
    names = {200: "sha256", 201: "sha256", 202: "randomx"}
    for number in range(1000, 1060):
        profile = chance.choice(list(names))
        one = worker(
            number,
            profile,
            names[profile],
            cell=chance.randrange(6),
            created_at=T0 + chance.randrange(40),
            retired_at=chance.choice((None, None, T0 + chance.randrange(40))),
        )
        store.add_workers(WORLD, [replace(one, track=chance.choice(("", "", "t")))])
    everybody = sorted(
        (one for one in store.read_content(WORLD).workers if one.account_id == VIP),
        key=lambda one: (one.created_at, one.id),
    )
    for _ in range(40):
        cells = frozenset(chance.sample(range(6), chance.randrange(3)))
        others = frozenset(one.id for one in everybody if one.track and chance.random() < 0.4)
        down = Down(cells, Instant(T0 + chance.randrange(-1, 42)), chance.random() < 0.5, others)
        which = WorkerFilter(
            algorithm=chance.choice((None, "sha256", "randomx")),
            profile_id=chance.choice((None, None, oid(200))),
            search=chance.choice((None, None, "1")),
            down=down,
        )
        expected = [one for one in everybody if _is_shown(one, which, down)]
        span = Span(chance.choice((0, chance.randrange(len(everybody)))), chance.choice((1, 7, 100)))
        page = store.list_workers(WORLD, VIP, which, span)
        assert page.total == len(expected)
        assert page.items == expected[span.offset : span.offset + span.limit]


def _is_shown(one: Worker, which: WorkerFilter, down: Down) -> bool:
    retired = one.retired_at is not None and one.retired_at <= down.at
    offline = one.created_at > down.at or retired or one.cell in down.cells or one.id in down.others
    return (
        offline == down.offline
        and which.algorithm in (None, one.algorithm)
        and which.profile_id in (None, one.profile_id)
        and (which.search is None or which.search in one.name)
    )
