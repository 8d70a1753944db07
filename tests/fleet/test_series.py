"""Series: random fleets with random events against a slow and plain way of adding up the same minutes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from upsim.clock import DAY, HOUR, MINUTE, SECOND, Instant
from upsim.fleet.cells import site_of
from upsim.fleet.curves import ONE, rows
from upsim.fleet.device import Device, device
from upsim.fleet.hardware import models_of
from upsim.fleet.history import Event, EventKind, History, segments
from upsim.fleet.outages import is_down, own_outages, site_outages
from upsim.fleet.series import RANGES, Series, series, worker_series
from upsim.fleet.sums import Tally
from upsim.fleet.troubles import Trouble, failover

NOW = Instant(1_767_000_123_456)
Worker = tuple[Device, History]
Troubles = Mapping[str, Sequence[Trouble]]

PROFILES = ("", "main", "spare")
SEEDS = st.integers(0, 1000)
NOWS = st.integers(NOW, NOW + 40 * DAY).map(Instant)


def instants(hours: int) -> st.SearchStrategy[Instant]:
    """Instants around the last hours before NOW, some on whole minutes or hours."""
    offsets = st.integers(-hours * HOUR, 2 * HOUR)
    return st.one_of(
        offsets,
        offsets.map(lambda at: at - (NOW + at) % MINUTE),
        offsets.map(lambda at: at - (NOW + at) % HOUR),
    ).map(lambda at: Instant(NOW + at))


def events(hours: int) -> st.SearchStrategy[Event]:
    """Anything done by hand in the last hours, or soon."""
    return st.builds(
        Event,
        instants(hours),
        st.sampled_from(EventKind),
        st.integers(0, 3000),
        st.sampled_from(PROFILES),
    )


@st.composite
def workers(draw: st.DrawFn, algorithm: str, hours: int) -> Worker:
    """A worker of an algorithm, with what was done to it."""
    machine = device(
        draw(st.text("abc", min_size=1, max_size=8)),
        draw(st.sampled_from(models_of(algorithm))).model,
        joined_at=draw(st.one_of(st.just(Instant(NOW - 60 * DAY)), instants(hours))),
        retired_at=draw(st.one_of(st.none(), instants(hours))),
        cell=draw(st.integers(0, 511)),
    )
    return machine, tuple(draw(st.lists(events(hours), max_size=4)))


@st.composite
def troubles(draw: st.DrawFn, hours: int) -> Troubles:
    """Some trouble of each profile, in order and apart."""
    result = {}
    for profile in PROFILES:
        times = sorted({*draw(st.lists(instants(hours), max_size=4))})
        rows = [
            Trouble(start, end, draw(st.sampled_from((0, 333, 900))))
            for start, end in zip(times[::2], times[1::2], strict=False)
        ]
        if len(times) % 2:
            rows.append(Trouble(times[-1], None))
        result[profile] = rows
    return result


@st.composite
def fleets(draw: st.DrawFn) -> tuple[str, str, list[Worker], Troubles]:
    """A range, an algorithm, its workers and the troubles of their profiles."""
    name = draw(st.sampled_from(["1h", "6h", "24h"]))
    algorithm = draw(st.sampled_from(["sha256", "randomx", "equihash125"]))
    hours = RANGES[name].hours
    return name, algorithm, draw(st.lists(workers(algorithm, hours), max_size=5)), draw(troubles(hours))


def fleet_series(
    seed: int, name: str, algorithm: str, fleet: Sequence[Worker], now: Instant, trouble: Troubles
) -> Series:
    """The series of a fleet by its sums, as a store would ask for it."""
    troubled = [(Tally.of(algorithm, fleet, profile), rows) for profile, rows in trouble.items()]
    return series(seed, name, Tally.of(algorithm, fleet), now, troubled)


def exact_mean(seed: int, worker: Worker, start: int, end: int, trouble: Troubles) -> Fraction:
    """A worker's mean hashrate, minute by minute and piece by piece of a minute."""
    machine, history = worker
    total = Fraction(0)
    for part in segments(machine, history):
        cuts = {start, end, part.start, *range(start, end, MINUTE)}
        cuts |= {end if part.end is None else part.end}
        for row in trouble.get(part.profile, ()):
            cuts |= {row.start, end if row.end is None else row.end}
        for first, last in pairwise(sorted(cut for cut in cuts if start <= cut <= end)):
            if first < part.start or (part.end is not None and last > part.end):
                continue
            minute = first // MINUTE
            if is_down(seed, part.cell, minute):
                continue
            curves = rows(seed, site_of(machine.cell), 0, minute // 5)[minute % 5]
            level = sum(a * b for a, b in zip((1, *machine.weights), curves, strict=True))
            mined = 1000
            for row in trouble.get(part.profile, ()):
                if row.start <= first and (row.end is None or last <= row.end):
                    mined = row.per_mille
            total += Fraction(machine.nominal * level * part.scale * mined * (last - first), ONE * 1_000_000)
    return total / (end - start)


Schedule = Callable[[int, int, int, int], tuple[tuple[int, int], ...]]


def site_spans(seed: int, cell: int, start: int, end: int) -> tuple[tuple[int, int], ...]:
    """The outages of a cell's site."""
    return site_outages(seed, site_of(cell), start, end)


@settings(max_examples=60)
@given(SEEDS, fleets())
def test_a_fleet_is_the_sum_of_its_workers_and_each_is_what_its_minutes_say(
    seed: int, fleet: tuple[str, str, list[Worker], Troubles]
) -> None:
    """Within the one rounding: half an H/s for each number that was rounded."""
    name, algorithm, members, trouble = fleet
    whole = fleet_series(seed, name, algorithm, members, NOW, trouble)
    parts = [worker_series(seed, name, machine, history, NOW, trouble) for machine, history in members]
    for i, point in enumerate(whole.points):
        assert abs(point.hashrate - sum(part.points[i].hashrate for part in parts)) <= (len(parts) + 1) / 2
    for i in (0, len(whole.points) // 3, len(whole.points) - 1):
        start = whole.points[i].timestamp * SECOND
        end = start + whole.granularity * SECOND
        expected = sum((exact_mean(seed, member, start, end, trouble) for member in members), Fraction(0))
        assert abs(whole.points[i].hashrate - expected) <= Fraction(1, 2)


@settings(max_examples=40)
@given(
    SEEDS,
    st.integers(0, 511),
    st.sampled_from([site_spans, own_outages]),
    st.sampled_from(["1h", "6h", "24h", "7d"]),
    st.integers(0, 50),
)
def test_an_outage_takes_out_its_minutes_and_no_others(
    seed: int, cell: int, schedule: Schedule, name: str, later: int
) -> None:
    """In a range that begins in an outage of the site or of the worker's own, or ends soon after one."""
    step = NOW // MINUTE
    start, end = schedule(seed, cell, step, step + 3000 * 1440)[0]
    joined = Instant(NOW - 60 * DAY)
    machine = device("in it", "s21", joined_at=joined, cell=cell)
    fleet: list[Worker] = [
        (machine, ()),
        (device("beside it", "s21", joined_at=joined, cell=cell ^ 1), ()),
        (machine, (Event(joined, EventKind.ONLINE),)),
        (machine, (Event(Instant(start * MINUTE + 30_000), EventKind.SCALE, 500),)),
    ]
    troubles: Troubles = {"": [Trouble(Instant((start - 1) * MINUTE - 20_000), Instant((start + 1) * MINUTE + 7), 100)]}
    grain = RANGES[name].granularity * SECOND
    for now in (Instant((end + later) * MINUTE + grain), Instant(start * MINUTE + RANGES[name].hours * HOUR)):
        for trouble in ({}, troubles):
            found = fleet_series(seed, name, "sha256", fleet, now, trouble)
            for point in found.points:
                first = point.timestamp * SECOND
                if any(first <= at * MINUTE < first + grain for at in (start - 1, start, end - 1, end)):
                    means = [exact_mean(seed, member, first, first + grain, trouble) for member in fleet]
                    assert abs(point.hashrate - sum(means, Fraction(0))) <= Fraction(1, 2)


@given(SEEDS, st.sampled_from(sorted(RANGES)), NOWS)
def test_points_are_complete_ascending_aligned_and_end_with_the_last_complete_step(
    seed: int, name: str, now: Instant
) -> None:
    machine = device("w", "s21", joined_at=Instant(NOW - 90 * DAY))
    found = worker_series(seed, name, machine, (), now)
    times = [point.timestamp for point in found.points]
    assert found.hours * 3600 == found.granularity * len(times)
    assert all(time % found.granularity == 0 for time in times)
    assert all(after - before == found.granularity for before, after in pairwise(times))
    assert 0 <= now - (times[-1] + found.granularity) * SECOND < found.granularity * SECOND


@pytest.mark.parametrize("now", [Instant(NOW - NOW % (4 * HOUR)), Instant(NOW - NOW % (4 * HOUR) + 4 * HOUR - 1)])
def test_a_step_counts_as_complete_from_the_instant_it_ends(now: Instant) -> None:
    machine = device("w", "s21", joined_at=Instant(NOW - 90 * DAY))
    last = worker_series(1, "30d", machine, (), now).points[-1].timestamp
    assert last * SECOND == NOW - NOW % (4 * HOUR) - 4 * HOUR


@settings(max_examples=50)
@given(SEEDS, fleets(), st.integers(-2 * HOUR, 2 * HOUR), st.floats(0, 1))
def test_a_series_stays_what_it_is_until_it_says(
    seed: int, fleet: tuple[str, str, list[Worker], Troubles], later: int, share: float
) -> None:
    """So that an answer can be given again."""
    name, algorithm, members, trouble = fleet
    now = Instant(NOW + later)
    found = fleet_series(seed, name, algorithm, members, now, trouble)
    assert found.until == (found.points[-1].timestamp + 2 * found.granularity) * SECOND
    for at in (now + int((found.until - 1 - now) * share), found.until - 1):
        assert fleet_series(seed, name, algorithm, members, Instant(at), trouble) == found


def test_the_ranges_have_granularities_that_divide_each_other() -> None:
    assert [row.granularity for row in RANGES.values()] == [60, 300, 600, 3600, 14400]
    assert all(coarse % fine == 0 for fine, coarse in pairwise(row.granularity for row in RANGES.values()))
    assert [row.points for row in RANGES.values()] == [60, 72, 144, 168, 180]


@settings(max_examples=40)
@given(SEEDS, fleets(), st.integers(0, 14 * HOUR))
def test_a_finer_range_agrees_with_a_coarser_one_on_their_common_time(
    seed: int, fleet: tuple[str, str, list[Worker], Troubles], later: int
) -> None:
    _, algorithm, members, trouble = fleet
    names = sorted(RANGES, key=lambda name: RANGES[name].granularity)
    found = {name: fleet_series(seed, name, algorithm, members, Instant(NOW + later), trouble) for name in names}
    compared = 0
    for fine, coarse in pairwise(names):
        exact = {point.timestamp: point.hashrate for point in found[fine].points}
        ratio = found[coarse].granularity // found[fine].granularity
        for timestamp, hashrate in found[coarse].points:
            inner = [exact.get(timestamp + i * found[fine].granularity) for i in range(ratio)]
            known = [value for value in inner if value is not None]
            if len(known) == ratio:
                assert abs(Fraction(sum(known), ratio) - hashrate) <= 1
                compared += 1
    assert compared > 100


@settings(max_examples=40)
@given(SEEDS, fleets(), st.integers(1, 6 * HOUR))
def test_a_point_once_published_never_changes(
    seed: int, fleet: tuple[str, str, list[Worker], Troubles], later: int
) -> None:
    """So no jump at the border of a range either: a range asked for later shows the same points."""
    name, algorithm, members, trouble = fleet
    before = fleet_series(seed, name, algorithm, members, NOW, trouble)
    after = fleet_series(seed, name, algorithm, members, Instant(NOW + later), trouble)
    first = after.points[0].timestamp
    assert [point for point in before.points if point.timestamp >= first] == [
        point for point in after.points if point.timestamp <= before.points[-1].timestamp
    ]


@settings(max_examples=40)
@given(SEEDS, fleets(), st.sampled_from(EventKind), NOWS)
def test_what_is_done_now_or_later_changes_nothing_that_was(
    seed: int, fleet: tuple[str, str, list[Worker], Troubles], kind: EventKind, at: Instant
) -> None:
    name, algorithm, members, trouble = fleet
    marked = [(machine, (*history, Event(at, kind, 77, "spare"))) for machine, history in members]
    assert fleet_series(seed, name, algorithm, marked, NOW, trouble) == fleet_series(
        seed, name, algorithm, members, NOW, trouble
    )


@pytest.mark.parametrize("name", sorted(RANGES))
def test_trouble_and_retirement_in_the_future_do_not_show(name: str) -> None:
    machine = device("w", "s21", joined_at=Instant(NOW - 90 * DAY))
    gone = (Event(NOW, EventKind.RETIRE),)
    assert worker_series(3, name, machine, gone, NOW, {"": [Trouble(NOW)]}) == worker_series(3, name, machine, (), NOW)


@given(SEEDS, st.integers(0, 511))
def test_a_worker_kept_offline_mines_nothing_from_then_on_and_all_before(seed: int, cell: int) -> None:
    machine = device("w", "s21", joined_at=Instant(NOW - 90 * DAY), cell=cell)
    at = Instant(NOW - 30 * MINUTE)
    off = worker_series(seed, "1h", machine, (Event(at, EventKind.OFFLINE),), NOW)
    free = worker_series(seed, "1h", machine, (), NOW)
    for marked, plain in zip(off.points, free.points, strict=True):
        if marked.timestamp * SECOND >= at:
            assert marked.hashrate == 0
        elif (marked.timestamp + 60) * SECOND <= at:
            assert marked.hashrate == plain.hashrate
        else:
            # The minute it went off in counts by its part.
            part = Fraction(at - marked.timestamp * SECOND, MINUTE)
            assert abs(marked.hashrate - plain.hashrate * part) <= 1


def test_a_scale_multiplies_the_points_from_its_minute_on() -> None:
    machine = device("w", "s21", joined_at=Instant(NOW - 90 * DAY))
    at = Instant(NOW - NOW % MINUTE - 20 * MINUTE)
    halved = worker_series(5, "1h", machine, (Event(at, EventKind.SCALE, 500),), NOW).points
    plain = worker_series(5, "1h", machine, (), NOW).points
    assert halved[:40] == plain[:40]
    assert all(abs(2 * half.hashrate - full.hashrate) <= 1 for half, full in zip(halved[40:], plain[40:], strict=True))


def test_a_profile_in_trouble_stops_only_the_workers_that_are_under_it_then() -> None:
    joined = Instant(NOW - 90 * DAY)
    moved_at, start = Instant(NOW - 40 * MINUTE), Instant(NOW - 50 * MINUTE)
    under = (Event(joined, EventKind.MOVE, profile="main"), Event(joined, EventKind.ONLINE))
    stays, goes = device("a", "s21", joined_at=joined), device("b", "s21", joined_at=joined)
    trouble = {"main": [Trouble(start)]}
    left = worker_series(1, "1h", goes, (*under, Event(moved_at, EventKind.MOVE, profile="spare")), NOW, trouble)
    kept = worker_series(1, "1h", stays, under, NOW, trouble)
    assert [point.hashrate > 0 for point in kept.points] == [True] * 11 + [False] * 49
    assert [point.hashrate > 0 for point in left.points] == [True] * 11 + [False] * 9 + [True] * 40


def test_a_failover_is_a_dip_of_a_minute_and_a_half() -> None:
    machine = device("w", "s21", joined_at=Instant(NOW - 90 * DAY))
    at = Instant(NOW - NOW % MINUTE - 30 * MINUTE)
    history = (Event(machine.joined_at, EventKind.ONLINE),)
    dipped = worker_series(1, "1h", machine, history, NOW, {"": [failover(at)]}).points
    plain = worker_series(1, "1h", machine, history, NOW).points
    ratios = [dip.hashrate / full.hashrate for dip, full in zip(dipped, plain, strict=True)]
    assert ratios[29:33] == pytest.approx([1, 0.333, 0.6665, 1])


def test_average_and_peak_are_those_of_the_points() -> None:
    found = worker_series(1, "6h", device("w", "s21", joined_at=Instant(NOW - 90 * DAY)), (), NOW)
    rates = [point.hashrate for point in found.points]
    assert found.average == sum(rates) / len(rates)
    assert found.peak == max(rates)


def test_a_range_from_before_a_worker_joined_is_complete_and_zero_there() -> None:
    joined = Instant(NOW - 90 * MINUTE)
    machine = device("w", "s21", joined_at=joined)
    found = worker_series(1, "24h", machine, (Event(joined, EventKind.ONLINE),), NOW)
    assert len(found.points) == 144
    for point in found.points:
        assert (point.hashrate > 0) == ((point.timestamp + 600) * SECOND > joined)


@pytest.mark.parametrize("model", ["s21", "z15", "ryzen-3900x", "rtx-4090-rvn"])
def test_over_a_month_a_class_of_machines_has_its_nominal_rate_times_its_presence(model: str) -> None:
    """Within 1 %: 400 of them, their own differences included."""
    joined = Instant(NOW - 90 * DAY)
    fleet = [(device(f"{model}-{i}", model, joined_at=joined, cell=i * 5 % 512), ()) for i in range(400)]
    algorithm = fleet[0][0].algorithm
    nominal = next(row.nominal for row in models_of(algorithm) if row.model == model)
    mean = series(17, "30d", Tally.of(algorithm, fleet), NOW).average
    minutes = range(NOW // (4 * HOUR) * 240 - 30 * 1440, NOW // (4 * HOUR) * 240, 97)
    up = fmean(not is_down(17, machine.cell, minute) for machine, _ in fleet[:200] for minute in minutes)
    assert mean / (len(fleet) * nominal * up) == pytest.approx(1, abs=0.01)
    assert 0.97 < up < 1


def test_minutes_change_at_midnight_as_they_do_at_any_time() -> None:
    """Of a small farm: the steps between the last minute of a day and the first of the next are not larger."""
    joined = Instant(NOW - 90 * DAY)
    fleet = [(device(f"w{i}", "s21", joined_at=joined), (Event(joined, EventKind.ONLINE),)) for i in range(5)]
    tally = Tally.of("sha256", fleet)
    midnight = NOW - NOW % DAY
    across, within = [], []
    for day in range(40):
        found = series(23, "1h", tally, Instant(midnight + day * DAY + 30 * MINUTE)).points
        moves = [abs(after.hashrate - before.hashrate) for before, after in pairwise(found)]
        across.append(moves[29])
        within += moves[:29] + moves[30:]
    assert fmean(across) < 1.5 * fmean(within)
