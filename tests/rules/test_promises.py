"""What is promised of any fleet, whatever is done to it: by chance, through the rules, in the stores."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rules.farm import ALL, MINED, Farm
from upsim.clock import MINUTE, SECOND, Instant
from upsim.errors import DefaultProfileKept
from upsim.fleet.series import RANGES, Point
from upsim.model import ObjectId
from upsim.rules.devices import summands
from upsim.rules.machines import Row, Wanted, change_workers, spawn_workers
from upsim.rules.overview import get_overview
from upsim.rules.profiles import create_profile, delete_profile, set_default_profile, update_profile
from upsim.rules.series import fleet_series, worker_series
from upsim.rules.workers import assign_workers, list_workers
from upsim.store.asking import ProfileChanges
from upsim.store.factory import open_store

Deed = tuple[str, int, int]
"""What is done, to which, and how; and a wait before it, in milliseconds."""

KINDS = ("test", "assign", "change", "spawn", "delete", "make", "reorder", "default")
DEEDS = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.integers(0, 1 << 20),
        st.sampled_from((0, 1, 17 * SECOND, 60 * SECOND, 4 * MINUTE, 31 * MINUTE, 200 * MINUTE)),
    ),
    min_size=1,
    max_size=9,
)


def do(farm: Farm, deed: Deed) -> None:
    """Do something, that follows from the deed and from what there is."""
    kind, which, wait = deed
    farm.clock.at = Instant(farm.clock.at + wait)
    world, account = farm.world, farm.account
    profiles = world.store.list_profiles(world.id, account.id, ALL, MINED).items
    profile = profiles[which % len(profiles)]
    workers = farm.all_workers()
    some = [one.id for i, one in enumerate(workers) if which >> i % 20 & 1]
    pools = [pool.id for pool in farm.pools][:: 1 if which & 2 else -1][: 1 + (which & 1)]
    match kind:
        case "test":
            farm.test_pool(which % 2, fails=bool(which & 4))
        case "assign":
            assign_workers(world, account, some, profile.id)
        case "change":
            change_workers(world, account, some, list(Wanted)[which % len(Wanted)], which % 3000)
        case "spawn":
            spawn_workers(world, account, Row(f"n{which}-{{n}}", "rx-6800xt-rvn", profile.id, 1 + which % 3))
        case "delete":
            with suppress(DefaultProfileKept):
                delete_profile(world, account, profile.id)
        case "make":
            create_profile(world, account, f"made {which}", MINED, tuple(pools))
        case "reorder":
            update_profile(world, account, profile.id, ProfileChanges(farm.clock.at, pool_ids=tuple(pools)))
        case "default":
            set_default_profile(world, account, profile.id)


def answers(farm: Farm) -> list[Any]:
    """All that can be asked of the farm now."""
    world, account = farm.world, farm.account
    found: list[Any] = [get_overview(world, account)]
    for online in (None, True, False):
        page = list_workers(world, account, ALL, algorithm=MINED, profile_id=None, search=None, online=online)
        found.append(page)
    for name in RANGES:
        found.append(fleet_series(world, account, name, MINED))
        found += [worker_series(world, account, one.id, name, None) for one in farm.all_workers()]
    return found


def shares(farm: Farm) -> dict[ObjectId, tuple[int, ...]]:
    """How many shares each worker has found."""
    return {one.id: farm.view(one.id).reading.shares for one in farm.all_workers()}


def by_time(points: tuple[Point, ...]) -> dict[int, int]:
    return {point.timestamp: point.hashrate for point in points}


def check(farm: Farm) -> None:
    """Assert what is promised at any instant."""
    farm.check()
    now = farm.clock.at
    views = [farm.view(one.id) for one in farm.all_workers()]
    for view in views:
        assert view.reading.online or (view.reading.hashrate, view.reading.uptime_s, view.pool) == (0, 0, None)
        assert view.reading.last_seen_at is None or view.reading.last_seen_at <= now
    for name, wanted in RANGES.items():
        points = fleet_series(farm.world, farm.account, name, MINED).points
        step = wanted.granularity
        times = [point.timestamp for point in points]
        assert times == list(range(times[0], times[0] + wanted.points * step, step))
        assert times[-1] + step <= now // SECOND < times[-1] + 2 * step
        assert times[0] % step == 0


def opened(url: str, stack: ExitStack) -> Farm:
    return Farm(stack.enter_context(closing(open_store(url, summands))))


@settings(max_examples=25, deadline=None)
@given(deeds=DEEDS)
def test_a_fleet_is_its_workers_and_its_past_stays_as_it_was(deeds: list[Deed]) -> None:
    with ExitStack() as stack:
        farm = opened("memory:", stack)
        found = shares(farm)
        seen: dict[str, dict[int, int]] = {name: {} for name in RANGES}
        for deed in deeds:
            before = farm.clock.at
            farm.clock.at = Instant(before + deed[2])
            expected = [fleet_series(farm.world, farm.account, name, MINED) for name in RANGES]
            counted = shares(farm)
            farm.clock.at = before
            do(farm, deed)
            # What is done now changes nothing that was before.
            if deed[0] != "spawn":
                assert [fleet_series(farm.world, farm.account, name, MINED) for name in RANGES] == expected
            assert {worker: count for worker, count in shares(farm).items() if worker in counted} == counted
            for worker, count in counted.items():
                assert all(a <= b for a, b in zip(found.get(worker, (0, 0, 0)), count, strict=True))
            found = counted
            for name in RANGES:
                points = by_time(fleet_series(farm.world, farm.account, name, MINED).points)
                for at, rate in seen[name].items():
                    assert points.get(at, rate) == rate
                seen[name] |= points
            check(farm)


@pytest.mark.parametrize("kind", ["sqlite", "mongomock", pytest.param("mongodb", marks=pytest.mark.mongodb)])
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deeds=DEEDS, order=st.randoms(use_true_random=False))
def test_every_store_answers_alike_whatever_was_asked_before(
    kind: str, url_for: Callable[[str], str], deeds: list[Deed], order: Any
) -> None:
    with ExitStack() as stack:
        farms = [opened(url_for(each), stack) for each in ("memory", kind)]
        for deed in deeds:
            for farm in farms:
                do(farm, deed)
            if order.random() < 0.4:  # one is asked meanwhile, the other is not
                answers(order.choice(farms))
        for later in (0, MINUTE, 45 * MINUTE, -20 * MINUTE):
            for farm in farms:
                farm.clock.at = Instant(farm.clock.at + later)
            assert repr(answers(farms[0])) == repr(answers(farms[1]))


A_DAY: list[Deed] = [(KINDS[turn * 5 % len(KINDS)], turn * 7919 + 3, 23 * MINUTE + turn) for turn in range(40)]
KNOWN = "d8ac50a88bea2856a27f93ab3d3935f199bc024ee82bbcfdbd0bdfc0b8beaf65"


def test_every_store_and_python_tells_the_same_of_a_farm(store_url: str) -> None:
    """Pinned: whoever runs this suite proves it for an interpreter. A change here changes what users have seen."""
    with ExitStack() as stack:
        farm = opened(store_url, stack)
        for deed in A_DAY:
            do(farm, deed)
        told: list[object] = []
        for one in farm.all_workers():
            view = farm.view(one.id)
            found = view.reading
            told.append((one.id, found.online, found.hashrate, found.last_seen_at, found.uptime_s, *found.shares))
            told.append((view.pool and view.pool.id, view.profile_name))
        for name in RANGES:
            told += [tuple(point) for point in fleet_series(farm.world, farm.account, name, MINED).points]
        assert sha256(repr(told).encode()).hexdigest() == KNOWN
