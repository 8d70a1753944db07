"""Readings: what a worker and a fleet look like now, and that no two numbers of them contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsim.clock import DAY, HOUR, MINUTE, SECOND, Instant
from upsim.fleet.device import Device, device
from upsim.fleet.hardware import HARDWARE
from upsim.fleet.history import Event, EventKind, History, cell_now, present_segment, segments
from upsim.fleet.outages import down_cells, is_down, outages
from upsim.fleet.reading import fleet_reading, reading
from upsim.fleet.series import worker_series
from upsim.fleet.sums import Tally
from upsim.fleet.troubles import Trouble

NOW = Instant(1_767_000_123_456)
PROFILES = ("", "main", "spare")
SEEDS = st.integers(0, 1000)
INSTANTS = st.integers(-2 * DAY, HOUR).map(lambda at: Instant(NOW + at))
EVENTS = st.builds(Event, INSTANTS, st.sampled_from(EventKind), st.integers(0, 3000), st.sampled_from(PROFILES))
TROUBLES = st.dictionaries(
    st.sampled_from(PROFILES),
    st.tuples(INSTANTS, st.integers(1, DAY), st.sampled_from((0, 333))).map(
        lambda row: [Trouble(row[0], Instant(row[0] + row[1]), row[2])]
    ),
)
RECENT = st.builds(
    Event, st.integers(-90 * MINUTE, 90 * MINUTE).map(lambda at: Instant(NOW + at)), st.sampled_from(EventKind)
)
WORKERS = st.tuples(
    st.builds(
        device,
        st.text("abc", min_size=1, max_size=6),
        st.sampled_from(["s21", "m60s", "bitaxe-gamma"]),
        joined_at=st.one_of(INSTANTS, st.just(Instant(NOW - 70 * DAY))),
        retired_at=st.one_of(st.none(), INSTANTS),
        cell=st.integers(0, 511),
    ),
    st.lists(EVENTS, max_size=4).map(tuple),
)
JOINED = Instant(NOW - 90 * DAY)
MACHINE = device("w", "s21", joined_at=JOINED, cell=17)


@settings(max_examples=200)
@given(SEEDS, WORKERS, TROUBLES, st.integers(0, 3 * HOUR))
def test_a_reading_never_contradicts_itself(
    seed: int, worker: tuple[Device, History], troubles: dict[str, list[Trouble]], later: int
) -> None:
    machine, history = worker
    now = Instant(NOW + later)
    found = reading(seed, machine, history, now, troubles)
    part = present_segment(machine, history, now)
    assert found.online == (part is not None and cell_now(machine, history, now) not in down_cells(seed, now))
    assert found.last_seen_at is None or machine.joined_at <= found.last_seen_at <= now
    if found.online:
        assert found.last_seen_at is not None
        assert found.last_seen_at >= now - MINUTE
        assert 0 <= found.uptime_s * SECOND <= now - machine.joined_at
        assert (found.hashrate == 0) <= (
            part is not None and (part.scale == 0 or any(row.per_mille == 0 for row in troubles.get(part.profile, ())))
        )
    else:
        assert found.hashrate == 0
        assert found.uptime_s == 0


@settings(max_examples=200)
@given(SEEDS, WORKERS, TROUBLES, st.integers(-2 * HOUR, 3 * HOUR), st.floats(0, 1))
def test_a_reading_stays_what_it_is_until_it_says(
    seed: int, worker: tuple[Device, History], troubles: dict[str, list[Trouble]], later: int, share: float
) -> None:
    """Of a worker, and of a fleet: so that an answer can be given again."""
    machine, history = worker
    now = Instant(NOW + later)
    for found, again in (
        (reading(seed, machine, history, now, troubles), lambda at: reading(seed, machine, history, at, troubles)),
        (
            fleet_reading(seed, Tally.of(machine.algorithm, [worker]), now),
            lambda at: fleet_reading(seed, Tally.of(machine.algorithm, [worker]), at),
        ),
    ):
        assert now < found.until <= now + MINUTE
        for at in (now + int((found.until - 1 - now) * share), found.until - 1):
            same = again(Instant(at))
            assert (same, same.until) == (found, found.until)


def seen_up(seed: int, machine: Device, history: History, now: Instant) -> list[tuple[int, int]]:
    """When a worker was online, as now sees it, minute by minute; times that touch are one."""
    horizon = now // MINUTE * MINUTE
    result: list[tuple[int, int]] = []
    for part in segments(machine, history):
        end = now if part.end is None else min(part.end, now)
        for minute in range(part.start // MINUTE, end // MINUTE + 1):
            first, last = max(part.start, minute * MINUTE), min(end, (minute + 1) * MINUTE)
            if first >= last or is_down(seed, part.cell, min(minute, horizon // MINUTE - 1)):
                continue
            if result and result[-1][1] == first:
                result[-1] = (result[-1][0], last)
            else:
                result.append((first, last))
    return result


@settings(max_examples=100)
@given(SEEDS, st.integers(0, 511), st.integers(0, 2**32), st.lists(RECENT, max_size=4).map(tuple), st.integers(-60, 90))
def test_presence_and_uptime_are_what_the_minutes_say(
    seed: int, cell: int, age: int, history: History, later: int
) -> None:
    """Around an outage of the worker's own, with events by hand around it, and joining at any time near it."""
    start, end = outages(seed, cell, NOW // MINUTE, NOW // MINUTE + 60 * 1440)[0]
    machine = device("w", "s21", joined_at=Instant(start * MINUTE - age % (3 * HOUR) + HOUR), cell=cell)
    moved = tuple(Event(Instant(event.at - NOW + start * MINUTE), event.kind) for event in history)
    for now in (Instant(start * MINUTE + later * MINUTE + 999), Instant(end * MINUTE + later * MINUTE)):
        found = reading(seed, machine, moved, now)
        up = seen_up(seed, machine, moved, now)
        if found.online:
            assert found.last_seen_at is not None
            began = up[-1][0] if up and up[-1][1] == now else now
            assert found.uptime_s == max(0, found.last_seen_at - began) // SECOND
        else:
            assert found.last_seen_at == (up[-1][1] if up else None)


def test_a_worker_that_joins_as_an_outage_begins_was_never_seen() -> None:
    start, end = outages(4, 17, NOW // MINUTE, NOW // MINUTE + 60 * 1440)[0]
    machine = device("w", "s21", joined_at=Instant(start * MINUTE), cell=17)
    assert reading(4, machine, (), Instant(end * MINUTE)).last_seen_at is None


@settings(max_examples=60)
@given(SEEDS, WORKERS, TROUBLES, st.lists(st.integers(0, 3 * DAY), min_size=2, max_size=12))
def test_counters_never_fall(
    seed: int, worker: tuple[Device, History], troubles: dict[str, list[Trouble]], times: list[int]
) -> None:
    machine, history = worker
    found = [reading(seed, machine, history, Instant(NOW - 2 * DAY + at), troubles).shares for at in sorted(times)]
    for before, after in pairwise(found):
        assert all(a <= b for a, b in zip(before, after, strict=True))
    assert all(counter >= 0 for counter in found[0])


@settings(max_examples=60)
@given(SEEDS, st.lists(WORKERS, max_size=6), TROUBLES)
def test_a_fleet_now_is_the_sum_of_its_workers(
    seed: int, fleet: list[tuple[Device, History]], troubles: dict[str, list[Trouble]]
) -> None:
    troubled = [(Tally.of("sha256", fleet, profile), rows) for profile, rows in troubles.items()]
    whole = fleet_reading(seed, Tally.of("sha256", fleet), NOW, troubled)
    there = [(machine, history) for machine, history in fleet if present_segment(machine, history, NOW)]
    parts = [reading(seed, machine, history, NOW, troubles) for machine, history in there]
    assert whole.workers == len(there)
    assert whole.online == sum(part.online for part in parts)
    assert whole.offline == len(there) - whole.online
    assert abs(whole.hashrate - sum(part.hashrate for part in parts)) <= (len(parts) + 1) / 2


@given(SEEDS, st.integers(0, 511), st.integers(0, 20 * DAY))
def test_the_present_hashrate_is_the_last_point_of_the_finest_series(seed: int, cell: int, later: int) -> None:
    machine = device("w", "m60s", joined_at=JOINED, cell=cell)
    now = Instant(NOW + later)
    assert reading(seed, machine, (), now).hashrate == worker_series(seed, "1h", machine, (), now).points[-1].hashrate


@settings(max_examples=30)
@given(SEEDS, st.integers(0, 511))
def test_an_outage_shows_in_every_number_a_minute_after_it_began(seed: int, cell: int) -> None:
    machine = device("w", "s21", joined_at=JOINED, cell=cell)
    first, last = outages(seed, cell, NOW // MINUTE, NOW // MINUTE + 60 * 1440)[0]
    began, ended = first * MINUTE, last * MINUTE
    if began <= NOW:
        return
    before = reading(seed, machine, (), Instant(began + MINUTE - 1))
    during = reading(seed, machine, (), Instant(began + MINUTE))
    still = reading(seed, machine, (), Instant(ended + MINUTE - 1))
    after = reading(seed, machine, (), Instant(ended + MINUTE))
    assert before.online
    assert not during.online
    assert during.last_seen_at == still.last_seen_at == began
    assert during.shares == still.shares
    assert after.online
    assert after.uptime_s == 60
    assert after.last_seen_at == ended + MINUTE


@pytest.mark.parametrize("kind", [EventKind.OFFLINE, EventKind.ONLINE])
def test_what_is_done_by_hand_shows_in_the_next_reading(kind: EventKind) -> None:
    history = (Event(Instant(NOW - HOUR), EventKind.OFFLINE), Event(NOW, kind))
    found = reading(1, MACHINE, history, NOW)
    assert found.online == (kind is EventKind.ONLINE)
    assert (found.hashrate > 0) == found.online
    assert found.last_seen_at == (NOW if found.online else NOW - HOUR)
    assert found.uptime_s == 0


def test_a_clock_set_back_before_an_event_has_not_seen_it() -> None:
    history = (Event(NOW, EventKind.OFFLINE),)
    assert reading(1, MACHINE, history, Instant(NOW - 1)) == reading(1, MACHINE, (), Instant(NOW - 1))


def test_shares_stop_while_a_worker_is_offline_and_go_on_afterwards() -> None:
    history = (
        Event(JOINED, EventKind.ONLINE),
        Event(Instant(NOW - 3 * HOUR), EventKind.OFFLINE),
        Event(Instant(NOW - HOUR), EventKind.ONLINE),
    )
    ago = (240, 179, 120, 60, 0)
    counts = [sum(reading(1, MACHINE, history, Instant(NOW - at * MINUTE)).shares) for at in ago]
    assert counts[0] < counts[1] == counts[2] == counts[3] < counts[4]


def test_a_worker_without_a_healthy_pool_is_online_and_finds_nothing() -> None:
    history = (Event(JOINED, EventKind.ONLINE), Event(JOINED, EventKind.MOVE, profile="main"))
    trouble = {"main": [Trouble(Instant(NOW - 2 * HOUR))]}
    now = reading(1, MACHINE, history, NOW, trouble)
    hour_ago = reading(1, MACHINE, history, Instant(NOW - HOUR), trouble)
    assert now.online
    assert now.hashrate == 0
    assert now.shares == hour_ago.shares
    assert now.last_seen_at == NOW - NOW % MINUTE


@pytest.mark.parametrize("model", ["s21", "bitaxe-gamma", "ryzen-3900x"])
def test_a_worker_finds_the_shares_its_hashrate_says(model: str) -> None:
    """Over a day within 1 %, of which most are accepted."""
    machine = device("lucky", model, joined_at=JOINED)
    start = Instant(NOW - NOW % (10 * MINUTE) - DAY)
    before, after = (reading(3, machine, (), at).shares for at in (start, Instant(start + DAY)))
    found = sum(after) - sum(before)
    mean = worker_series(3, "24h", machine, (), Instant(start + DAY)).average
    expected = mean / machine.nominal * 86_400 / HARDWARE[model].share_s
    assert found == pytest.approx(expected, rel=0.01)
    assert 0.97 < (after.accepted - before.accepted) / found < 1
    assert after.rejected - before.rejected <= after.stale - before.stale


def test_luck_shows_in_minutes_and_not_in_days() -> None:
    machine = device("lucky", "s21", joined_at=JOINED)
    history = (Event(JOINED, EventKind.ONLINE),)

    def rate(length: int, several: Sequence[int]) -> list[float]:
        result = []
        for i in several:
            start = NOW - 20 * DAY + i * length
            first, last = (sum(reading(3, machine, history, Instant(at)).shares) for at in (start, start + length))
            result.append((last - first) / (length / (HARDWARE["s21"].share_s * SECOND)))
        return result

    quarters = rate(15 * MINUTE, range(200))
    days = rate(DAY, range(15))
    assert max(quarters) - min(quarters) > 0.3
    assert max(days) - min(days) < 0.05


def test_a_worker_that_has_not_joined_or_has_retired_is_offline() -> None:
    late = device("w", "s21", joined_at=Instant(NOW + 1))
    gone = device("w", "s21", joined_at=JOINED, retired_at=Instant(NOW - DAY))
    assert reading(1, late, (), NOW) == reading(2, late, (), NOW)
    assert reading(1, late, (), NOW).last_seen_at is None
    found = reading(1, gone, (Event(JOINED, EventKind.ONLINE),), NOW)
    assert (found.online, found.hashrate, found.last_seen_at) == (False, 0, NOW - DAY)
    assert sum(found.shares) > 0
