"""Which pool a profile mined on when, and which profile a worker was under, on every engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, BASIC, T0, VIP, WORLD, content, oid, pool, profile, record, worker
from upsim.clock import Instant
from upsim.model import MOVE, Course, Health, HealthStatus, ObjectId, PoolTarget, WorldId
from upsim.store import courses
from upsim.store.asking import PoolChanges, ProfileChanges, WorkerFilter
from upsim.store.base import Store
from upsim.store.courses import NOWHERE, course_after, history_moved, moved, what_moved

HEALTHY, UNHEALTHY, UNKNOWN = HealthStatus.HEALTHY, HealthStatus.UNHEALTHY, HealthStatus.UNKNOWN


def at(seconds: int) -> Instant:
    return Instant(T0 + 10_000 + seconds * 1000)


def entries(
    store: Store, number: int, world: WorldId = WORLD, account_id: ObjectId = VIP
) -> list[tuple[int, int | None]]:
    """A profile's course: seconds since at(0), and the pool's number."""
    course = store.get_courses(world, account_id, [oid(number)])[oid(number)]
    assert (course.profile_id, course.account_id) == (oid(number), account_id)
    return [((since - at(0)) // 1000, None if held is None else int(held, 16)) for since, held in course.entries]


def fails(store: Store, number: int, seconds: int) -> None:
    store.record_test(WORLD, oid(number), at(seconds), None, "connectivity: refused")


def passes(store: Store, number: int, seconds: int) -> None:
    store.record_test(WORLD, oid(number), at(seconds), 20, None)


@pytest.fixture
def kept(store: Store, world: WorldId) -> Store:
    """The world of things.content: profile 200 holds pools 100 and 101, profile 201 pool 101 alone."""
    return store


def since_made(kept: Store, number: int) -> int:
    """When a profile of things.content was made, as entries() tells it."""
    made = kept.get_profiles(WORLD, VIP, [oid(number)])[oid(number)].created_at
    return (made - at(0)) // 1000


def test_a_profile_begins_with_its_first_pool_that_is_not_unhealthy(kept: Store) -> None:
    assert entries(kept, 200) == [(since_made(kept, 200), 100)]
    fails(kept, 100, 1)
    kept.add_profile(WORLD, replace(profile(250, 100, 101), created_at=at(2)), None)
    kept.add_profile(WORLD, replace(profile(251, 100), created_at=at(3)), None)
    assert entries(kept, 250) == [(2, 101)]
    assert entries(kept, 251) == [(3, None)]
    kept.add_pool(WORLD, pool(150, "scrypt"), None, replace(profile(252, 150, algorithm="scrypt"), created_at=at(4)))
    assert entries(kept, 252) == [(4, 150)]


def test_health_moves_each_profile_that_holds_the_pool_and_no_other(kept: Store) -> None:
    first, second = since_made(kept, 200), since_made(kept, 201)
    fails(kept, 101, 10)
    assert entries(kept, 200) == [(first, 100)]
    assert entries(kept, 201) == [(second, 101), (10, None)]
    fails(kept, 101, 15)
    assert entries(kept, 201) == [(second, 101), (10, None)]
    fails(kept, 100, 20)
    assert entries(kept, 200) == [(first, 100), (20, None)]
    passes(kept, 101, 30)
    assert entries(kept, 200) == [(first, 100), (20, None), (30, 101)]
    assert entries(kept, 201) == [(second, 101), (10, None), (30, 101)]
    passes(kept, 100, 40)
    assert entries(kept, 200) == [(first, 100), (20, None), (30, 101), (40, 100)]
    assert entries(kept, 210, account_id=BASIC)[0][1] == 110
    check_world(kept, WORLD)


def test_a_pool_tested_anew_with_another_host_moves_its_profiles(kept: Store) -> None:
    fails(kept, 101, 10)
    target = PoolTarget("us.example", 3333, False, "sha256", "me", "x")
    changes = PoolChanges(at(20), host="us.example", tested=target, latency_ms=9)
    kept.update_pool(WORLD, VIP, oid(101), changes, None)
    assert entries(kept, 201)[1:] == [(10, None), (20, 101)]
    kept.update_pool(WORLD, VIP, oid(101), PoolChanges(at(30), name="renamed"), None)
    assert entries(kept, 201)[1:] == [(10, None), (20, 101)]


def test_other_pools_or_another_order_move_a_profile(kept: Store) -> None:
    kept.update_profile(WORLD, VIP, oid(200), ProfileChanges(at(10), pool_ids=(oid(101), oid(100))), None)
    kept.update_profile(WORLD, VIP, oid(200), ProfileChanges(at(20), name="same pools"), None)
    kept.update_profile(WORLD, VIP, oid(200), ProfileChanges(at(30), pool_ids=(oid(101),)), None)
    assert entries(kept, 200)[1:] == [(10, 101)]


def test_what_happens_after_the_clock_was_set_back_is_what_counts_from_then_on(kept: Store) -> None:
    fails(kept, 101, 60)
    fails(kept, 101, 30)
    assert entries(kept, 201)[1:] == [(30, None)]
    passes(kept, 101, 20)
    assert len(entries(kept, 201)) == 1
    fails(kept, 101, 20)
    passes(kept, 101, 20)
    assert len(entries(kept, 201)) == 1


def test_of_a_deleted_profile_the_course_stays_if_there_was_anything_to_tell(kept: Store) -> None:
    kept.add_profile(WORLD, profile(250, 100), None)
    fails(kept, 101, 10)
    for number in (201, 250):
        kept.delete_profile(WORLD, VIP, oid(number), at(20))
    (course,) = kept.get_courses(WORLD, VIP, [oid(201), oid(250)]).values()
    assert (course.profile_id, course.ended_at) == (oid(201), at(20))
    passes(kept, 101, 30)
    assert entries(kept, 201)[1:] == [(10, None)]
    assert kept.get_courses(WORLD, VIP).keys() == {oid(201)}
    kept.copy_content(WORLD, WorldId("w#saved"), with_keys=False, record=record("w#saved"))
    assert kept.get_courses(WorldId("w#saved"), VIP) == kept.get_courses(WORLD, VIP)


def test_only_the_last_deleted_profiles_are_remembered(kept: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in ("upsim.store.sqlite.courses", "upsim.store.mongo.holdings"):
        monkeypatch.setattr(f"{room}.ENDED_KEPT", 3)
    fails(kept, 101, 10)
    for number in range(250, 256):
        kept.add_profile(WORLD, profile(number, 101), None)
        kept.delete_profile(WORLD, VIP, oid(number), at(number))
    assert kept.get_courses(WORLD, VIP).keys() == {oid(201), oid(253), oid(254), oid(255)}


def test_courses_are_content(kept: Store) -> None:
    fails(kept, 101, 10)
    whole = kept.read_content(WORLD)
    assert [course.profile_id for course in whole.courses] == [oid(n) for n in (200, 201, 202, 203, 210)]
    kept.create_world(record("again"), replace(whole, keys=()))
    assert kept.read_content(WorldId("again")).courses == whole.courses
    assert kept.get_courses(WORLD, VIP, [oid(999)]) == kept.get_courses(WorldId("nowhere"), VIP) == {}


def test_a_fixture_begins_courses_with_the_health_of_its_pools(store: Store) -> None:
    sick = [
        replace(one, health=Health(UNHEALTHY)) if one.id in (oid(100), oid(102)) else one for one in content().pools
    ]
    store.create_world(record(), replace(content(), pools=sick))
    assert [entries(store, number)[0][1] for number in (200, 201, 202, 203)] == [101, 101, None, 103]


def test_a_course_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courses, "ENTRIES_KEPT", 4)
    course = Course(oid(200), VIP, ())
    for second in range(10):
        course = course_after(course, [oid(1)], {oid(1): UNHEALTHY if second % 2 else UNKNOWN}, at(second))
    assert course.entries == tuple((at(second), None if second % 2 else oid(1)) for second in range(6, 10))
    assert course.pool_at(at(3)) == oid(1)
    assert course_after(course, [oid(1)], {oid(1): UNHEALTHY}, at(20)) is course


def test_assignments_are_told_by_a_workers_history(kept: Store) -> None:
    kept.assign_workers(WORLD, VIP, [oid(300)], oid(201), at(10))
    kept.delete_profile(WORLD, VIP, oid(201), at(20))
    one = kept.get_worker(WORLD, VIP, oid(300))
    assert one is not None
    moves = [(since, target) for since, kind, _, target in one.history if kind == MOVE]
    assert moves == [(one.created_at, oid(200)), (at(10), oid(201)), (at(20), oid(200))]
    assert one == moved(moved(worker(300, 200), oid(201), at(10)), oid(200), at(20))


def test_a_worker_moved_for_ever_remembers_the_last_moves(kept: Store) -> None:
    for turn in range(courses.MOVES_KEPT + 5):
        kept.assign_workers(WORLD, VIP, [oid(300)], oid(200 + (turn + 1) % 2), at(turn))
    one = kept.get_worker(WORLD, VIP, oid(300))
    assert one is not None
    moves = [event for event in one.history if event[1] == MOVE]
    assert len(moves) == courses.MOVES_KEPT
    assert moves[0][3] == NOWHERE
    assert moves[-1][0] == at(courses.MOVES_KEPT + 4)
    assert kept.list_workers(WORLD, VIP, WorkerFilter(profile_id=one.profile_id), ALL).total > 0


def test_an_assignment_before_one_that_was_made_takes_its_place() -> None:
    one = moved(moved(worker(300, 200), oid(201), at(30)), oid(202), at(10))
    assert [event[3] for event in one.history if event[1] == MOVE] == [oid(200), oid(202)]
    early = moved(worker(300, 200), oid(201), Instant(T0))
    assert [event[3] for event in early.history if event[1] == MOVE] == [oid(201)]


def test_what_moved_names_only_what_is_different() -> None:
    one = moved(worker(300, 200), oid(201), at(10))
    changed, names = what_moved(one, history_moved(one, oid(202), at(20)))
    assert set(names.values()) == {(oid(201), oid(202))}
    assert [event[0] for event in changed.history if event[1] == MOVE] == [at(20)]
    back, names = what_moved(one, history_moved(one, oid(202), at(5)))
    assert [names.get(event[3]) for event in back.history if event[1] == MOVE] == [
        None,
        (oid(200), oid(202)),
        (oid(201), oid(202)),
    ]
