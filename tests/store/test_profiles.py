"""Profiles: fields, lists, quotas, the one default of an algorithm, and where the workers of a deleted one go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.store.invariants import check_world
from tests.store.things import ALL, BASIC, T0, VIP, content, oid, pool, profile, worker
from upsim.clock import Instant
from upsim.errors import DefaultProfileKept, InvalidInput, NotFound, ProfileHasWorkers, QuotaExceeded, UpsimError
from upsim.model import ObjectId, WorldId
from upsim.store.asking import Moved, PoolChanges, ProfileChanges, Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.courses import moved as after_move

LATER = Instant(T0 + 5000)


def defaults(store: Store, world: WorldId) -> list[ObjectId]:
    return [one.id for one in store.list_profiles(world, VIP, ALL).items if one.is_default]


def test_profiles_are_listed_oldest_first_ties_by_id(store: Store, world: WorldId) -> None:
    store.add_profile(world, profile(252, 100, created_at=5), None)
    store.add_profile(world, profile(251, 100, created_at=5), None)
    page = store.list_profiles(world, VIP, ALL)
    assert [one.id for one in page.items] == [oid(number) for number in (251, 252, 200, 201, 202, 203)]
    assert [one.id for one in store.list_profiles(world, VIP, ALL, "randomx").items] == [oid(202), oid(203)]
    assert store.list_profiles(world, VIP, ALL, "scrypt").items == []


@pytest.mark.parametrize(
    ("span", "numbers"), [(Span(0, 3), [200, 201, 202]), (Span(3, 3), [203]), (Span(4, 3), []), (Span(10**15, 3), [])]
)
def test_a_page_is_cut_from_the_list_and_knows_the_total(
    store: Store, world: WorldId, span: Span, numbers: list[int]
) -> None:
    page = store.list_profiles(world, VIP, span)
    assert [one.id for one in page.items] == [oid(number) for number in numbers]
    assert page.total == 4


def test_the_order_of_its_pools_is_kept(store: Store, world: WorldId) -> None:
    for number in range(104, 120):
        if number != 110:
            store.add_pool(world, pool(number), None, profile(299, number))
    order = (119, 100, 111, 104, 101, 118)
    added = store.add_profile(world, profile(250, *order), None)
    assert added.pool_ids == tuple(oid(number) for number in order)
    assert store.get_profiles(world, VIP, [oid(250)]) == {oid(250): added}
    check_world(store, world)


def test_another_accounts_profiles_are_not_there(store: Store, world: WorldId) -> None:
    assert store.get_profiles(world, VIP, [oid(210), oid(77), oid(201)]) == {oid(201): profile(201, 101)}
    assert store.get_profiles(world, VIP, []) == {}
    for call in (
        lambda: store.delete_profile(world, VIP, oid(210), LATER),
        lambda: store.set_default_profile(world, VIP, oid(210)),
        lambda: store.update_profile(world, VIP, oid(210), ProfileChanges(LATER, name="mine"), None),
    ):
        with pytest.raises(NotFound, match="Profile not found"):
            call()
    assert store.get_default_profile(world, BASIC, "sha256") == profile(210, 110, account_id=BASIC, default=True)


def test_the_first_profile_of_an_algorithm_becomes_the_default_whatever_it_says(store: Store, world: WorldId) -> None:
    store.add_pool(world, pool(150), None, profile(299, 150))
    newcomer = oid(3)
    store.add_pool(world, pool(160, account_id=newcomer), None, profile(260, 160, account_id=newcomer))
    assert store.add_profile(world, profile(251, 150, default=True), None).is_default is False
    assert store.add_profile(world, profile(261, 160, account_id=newcomer), None).is_default is False
    default = store.get_default_profile(world, newcomer, "sha256")
    assert default is not None
    assert (default.id, default.is_default) == (oid(260), True)
    check_world(store, world)


def test_an_algorithm_without_a_profile_has_no_default(store: Store, world: WorldId) -> None:
    assert store.get_default_profile(world, VIP, "scrypt") is None
    assert store.get_default_profile(world, oid(77), "sha256") is None


def test_a_profile_of_an_algorithm_without_any_becomes_its_default(store: Store, world: WorldId) -> None:
    # A pool that changed its algorithm is the way to a pool without a profile of its algorithm.
    store.add_pool(world, pool(150), None, profile(299, 150))
    store.update_pool(world, VIP, oid(150), PoolChanges(LATER, algorithm="scrypt"), None)
    assert store.get_default_profile(world, VIP, "scrypt") is None
    added = store.add_profile(world, profile(250, 150, algorithm="scrypt"), None)
    assert added == profile(250, 150, algorithm="scrypt", default=True)
    assert store.get_default_profile(world, VIP, "scrypt") == added
    check_world(store, world)


def test_a_profile_over_the_quota_of_its_algorithm_is_refused(store: Store, world: WorldId) -> None:
    with pytest.raises(QuotaExceeded, match="2 profiles for the algorithm sha256"):
        store.add_profile(world, profile(250, 100), 2)
    store.add_profile(world, profile(250, 100), 3)
    store.delete_profile(world, VIP, oid(250), LATER)
    store.add_profile(world, profile(251, 100), 3)
    with pytest.raises(QuotaExceeded):
        store.add_profile(world, profile(252, 100), 3)
    check_world(store, world, at_most=3)


@pytest.mark.parametrize(
    ("numbers", "refusal", "words"),
    [
        ((100, 77), NotFound, f"Pool not found: {oid(77)}"),
        ((110,), NotFound, f"Pool not found: {oid(110)}"),
        ((100, 102), InvalidInput, r"pools\[1\].pool_id: pool .* is for randomx, the profile for sha256"),
    ],
    ids=["unknown", "another's", "another algorithm"],
)
def test_a_profile_holds_pools_of_its_account_and_algorithm_only(
    store: Store, world: WorldId, numbers: tuple[int, ...], refusal: type[UpsimError], words: str
) -> None:
    with pytest.raises(refusal, match=words):
        store.add_profile(world, profile(250, *numbers), None)
    changes = ProfileChanges(LATER, name="new", pool_ids=tuple(oid(number) for number in numbers))
    with pytest.raises(refusal, match=words):
        store.update_profile(world, VIP, oid(201), changes, None)
    assert store.read_content(world).profiles == content().profiles
    check_world(store, world)


def test_name_and_pools_change_and_the_rest_stays(store: Store, world: WorldId) -> None:
    changed = store.update_profile(world, VIP, oid(200), ProfileChanges(LATER, name="new"), None)
    assert changed == replace(profile(200, 100, 101, default=True), name="new", updated_at=LATER)
    changed = store.update_profile(world, VIP, oid(200), ProfileChanges(Instant(LATER + 1), pool_ids=(oid(101),)), None)
    assert changed == replace(profile(200, 101, default=True), name="new", updated_at=Instant(LATER + 1))
    assert store.get_profiles(world, VIP, [oid(200)]) == {oid(200): changed}
    store.delete_pool(world, VIP, oid(100))
    check_world(store, world)


def test_a_profile_takes_up_a_new_algorithm_with_its_pools(store: Store, world: WorldId) -> None:
    changes = ProfileChanges(LATER, algorithm="sha256", pool_ids=(oid(100),))
    changed = store.update_profile(world, VIP, oid(203), changes, None)
    assert (changed.algorithm, changed.is_default) == ("sha256", False)
    assert store.list_profiles(world, VIP, ALL, "randomx").total == 1
    back = store.update_profile(
        world, VIP, oid(203), ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(103),)), None
    )
    assert (back.algorithm, back.is_default) == ("randomx", False)
    store.assign_workers(world, VIP, [oid(308)], oid(203), LATER)
    check_world(store, world)


def test_the_first_profile_of_its_new_algorithm_becomes_its_default(store: Store, world: WorldId) -> None:
    store.add_pool(world, pool(150), None, profile(299, 150))
    store.update_pool(world, VIP, oid(150), PoolChanges(LATER, algorithm="scrypt"), None)
    changes = ProfileChanges(LATER, algorithm="scrypt", pool_ids=(oid(150),))
    changed = store.update_profile(world, VIP, oid(203), changes, None)
    assert changed.is_default
    assert defaults(store, world) == [oid(200), oid(202), oid(203)]
    check_world(store, world)


def test_a_new_algorithm_without_new_pools_is_refused(store: Store, world: WorldId) -> None:
    with pytest.raises(InvalidInput, match="pools"):
        store.update_profile(world, VIP, oid(203), ProfileChanges(LATER, algorithm="sha256"), None)


def test_a_new_algorithm_has_a_quota_too(store: Store, world: WorldId) -> None:
    changes = ProfileChanges(LATER, algorithm="sha256", pool_ids=(oid(100),))
    with pytest.raises(QuotaExceeded, match="2 profiles for the algorithm sha256"):
        store.update_profile(world, VIP, oid(203), changes, 2)
    store.update_profile(world, VIP, oid(203), changes, 3)
    check_world(store, world, at_most=3)


def test_the_default_keeps_its_algorithm(store: Store, world: WorldId) -> None:
    changes = ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(102),))
    with pytest.raises(DefaultProfileKept, match="'profile 200' is the default"):
        store.update_profile(world, VIP, oid(200), changes, None)


def test_a_profile_with_workers_keeps_its_algorithm(store: Store, world: WorldId) -> None:
    changes = ProfileChanges(LATER, algorithm="randomx", pool_ids=(oid(102),))
    with pytest.raises(ProfileHasWorkers, match=r"'profile 201' has 2 worker\(s\)"):
        store.update_profile(world, VIP, oid(201), changes, None)
    store.assign_workers(world, VIP, [oid(306), oid(307)], oid(200), LATER)
    assert store.update_profile(world, VIP, oid(201), changes, None).algorithm == "randomx"
    check_world(store, world)


def test_the_same_algorithm_said_again_is_no_change(store: Store, world: WorldId) -> None:
    changed = store.update_profile(world, VIP, oid(200), ProfileChanges(LATER, algorithm="sha256"), 1)
    assert changed == replace(profile(200, 100, 101, default=True), updated_at=LATER)


def test_another_default_takes_the_place_of_the_old_one(store: Store, world: WorldId) -> None:
    made = store.set_default_profile(world, VIP, oid(201))
    assert made == profile(201, 101, default=True)
    assert defaults(store, world) == [oid(201), oid(202)]
    assert store.set_default_profile(world, VIP, oid(201)) == made, "and again"
    assert store.get_default_profile(world, VIP, "sha256") == made
    check_world(store, world)


def test_an_unknown_profile_cannot_become_the_default(store: Store, world: WorldId) -> None:
    with pytest.raises(NotFound, match="Profile not found"):
        store.set_default_profile(world, VIP, oid(77))
    assert defaults(store, world) == [oid(200), oid(202)]


def test_the_workers_of_a_deleted_profile_go_to_the_default(store: Store, world: WorldId) -> None:
    assert store.delete_profile(world, VIP, oid(201), LATER) == Moved(2, oid(200))
    moved = store.get_worker(world, VIP, oid(306))
    assert moved == after_move(worker(306, 201), oid(200), LATER)
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(200)), ALL).total == 8
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(201)), ALL).total == 0
    assert store.list_holders(world, oid(101)) == ["profile 200"]
    check_world(store, world)


def test_a_profile_without_workers_moves_none(store: Store, world: WorldId) -> None:
    assert store.delete_profile(world, VIP, oid(203), LATER) == Moved(0, oid(202))
    store.delete_pool(world, VIP, oid(103))
    check_world(store, world)


def test_the_default_cannot_be_deleted(store: Store, world: WorldId) -> None:
    with pytest.raises(DefaultProfileKept, match="'profile 200' is the default"):
        store.delete_profile(world, VIP, oid(200), LATER)
    store.set_default_profile(world, VIP, oid(201))
    assert store.delete_profile(world, VIP, oid(200), LATER) == Moved(6, oid(201))
    with pytest.raises(DefaultProfileKept):
        store.delete_profile(world, VIP, oid(201), LATER)
    check_world(store, world)


def test_workers_go_on_from_deleted_profile_to_deleted_profile(store: Store, world: WorldId) -> None:
    store.add_profile(world, profile(250, 100), None)
    store.delete_profile(world, VIP, oid(201), LATER)
    store.set_default_profile(world, VIP, oid(250))
    assert store.delete_profile(world, VIP, oid(200), LATER) == Moved(8, oid(250))
    assert store.list_workers(world, VIP, WorkerFilter(profile_id=oid(250)), ALL).total == 8
    check_world(store, world)


@pytest.mark.parametrize(
    "call",
    [
        lambda store, world: store.add_profile(world, profile(250, 100), 2),
        lambda store, world: store.update_profile(world, VIP, oid(77), ProfileChanges(LATER), None),
        lambda store, world: store.delete_profile(world, VIP, oid(77), LATER),
        lambda store, world: store.delete_profile(world, VIP, oid(202), LATER),
    ],
    ids=["quota", "update unknown", "delete unknown", "delete default"],
)
def test_a_refused_call_leaves_no_trace(store: Store, world: WorldId, call: Callable[[Store, WorldId], object]) -> None:
    with pytest.raises(UpsimError):
        call(store, world)
    held = store.read_content(world)
    assert (list(held.pools), list(held.profiles)) == (list(content().pools), list(content().profiles))
    assert list(held.workers) == list(content().workers)
    check_world(store, world)
