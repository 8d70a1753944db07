"""By-hand events: they hold from their instant on, and a worker's life has no gap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsim.clock import Instant
from upsim.fleet.cells import flapping_cell, offline_cell, online_cell
from upsim.fleet.device import device
from upsim.fleet.history import Event, EventKind, cell_now, present_segment, segments
from upsim.fleet.outages import down_cells
from upsim.fleet.sums import CellSum, Tally, changes_of, merged, worth

JOINED = Instant(1_760_000_000_000)
MACHINE = device("w", "s21", joined_at=JOINED, cell=200)
AT = st.integers(-5, 20).map(lambda minute: Instant(JOINED + minute * 1000))
EVENTS = st.lists(st.builds(Event, AT, st.sampled_from(EventKind), st.integers(0, 2000), st.sampled_from("pq")))


@given(EVENTS, st.one_of(st.none(), AT))
def test_a_life_is_without_gaps_from_joining_to_retirement(history: list[Event], retired: Instant | None) -> None:
    machine = device("w", "s21", joined_at=JOINED, retired_at=retired)
    life = segments(machine, history)
    gone = min((event.at for event in history if event.kind is EventKind.RETIRE), default=retired)
    gone = gone if retired is None else min(gone or retired, retired)
    if gone is not None and gone <= JOINED:
        assert life == ()
        return
    assert life[0].start == JOINED
    assert life[-1].end == gone
    assert all(before.end == after.start for before, after in pairwise(life))
    assert all(part.end is None or part.start < part.end for part in life)


@given(EVENTS, AT)
def test_what_holds_at_an_instant_is_decided_by_the_events_up_to_it(history: list[Event], now: Instant) -> None:
    known = [event for event in history if event.at <= now]
    there, expected = present_segment(MACHINE, history, now), present_segment(MACHINE, known, now)
    assert (there is None) == (expected is None)
    if there and expected:
        assert (there.cell, there.scale, there.profile) == (expected.cell, expected.scale, expected.profile)


@given(EVENTS, AT)
def test_the_sums_of_changes_are_what_the_worker_is_worth_at_each_instant(history: list[Event], now: Instant) -> None:
    part = present_segment(MACHINE, history, now)
    totals: dict[int, CellSum] = {}
    for change in changes_of(MACHINE, history):
        if change.at <= now:
            totals[change.cell] = totals.get(change.cell, CellSum()) + change.delta
    assert {cell: total for cell, total in totals.items() if total} == (
        {} if part is None else {part.cell: worth(MACHINE, part.scale)}
    )


@given(EVENTS)
def test_the_changes_of_the_profiles_are_those_of_the_worker(history: list[Event]) -> None:
    by_profile = [change for profile in ("", "p", "q") for change in changes_of(MACHINE, history, profile)]
    assert merged(by_profile) == changes_of(MACHINE, history)


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        (EventKind.OFFLINE, offline_cell(200)),
        (EventKind.ONLINE, online_cell(200)),
        (EventKind.FLAPPING, flapping_cell(200)),
        (EventKind.AUTO, 200),
        (EventKind.SCALE, 200),
        (EventKind.RETIRE, 200),
    ],
)
def test_an_event_moves_a_worker_to_its_cell_from_its_instant_on(kind: EventKind, cell: int) -> None:
    at = Instant(JOINED + 60_000)
    history = (Event(at, kind),)
    assert cell_now(MACHINE, history, Instant(at - 1)) == 200
    assert cell_now(MACHINE, history, at) == cell


def test_the_last_of_several_events_of_one_instant_holds() -> None:
    history = (Event(JOINED, EventKind.OFFLINE), Event(JOINED, EventKind.ONLINE))
    assert cell_now(MACHINE, history, JOINED) == online_cell(200)
    assert cell_now(MACHINE, history[::-1], JOINED) == offline_cell(200)


@pytest.mark.parametrize("scale", [-1, 10_001])
def test_a_scale_out_of_range_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match="give 0 to 10000"):
        Event(JOINED, EventKind.SCALE, scale)


def test_sums_survive_being_kept_as_columns() -> None:
    value = worth(MACHINE, 750) + worth(device("v", "m60s", joined_at=JOINED))
    assert CellSum.from_flat(value.flat) == value
    assert not value - value


def test_a_tally_answers_for_the_cells_asked_for() -> None:
    other = device("v", "s21", joined_at=JOINED, cell=3)
    tally = Tally.of("sha256", [(MACHINE, ()), (other, ())])
    few, all_of_them = tally.read({3, 4}, JOINED), tally.read(range(552), Instant(JOINED + 1))
    assert few.cells == {3: worth(other)}
    assert all_of_them.cells == {3: worth(other), 200: worth(MACHINE)}
    assert sum((feed for feed in few.feeds), CellSum()) == worth(MACHINE) + worth(other)
    assert [change.at for change in few.changes] == [JOINED, JOINED]
    assert all_of_them.changes == []


def test_an_unknown_algorithm_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no algorithm 'sha1'"):
        Tally("sha1", ())


def test_a_worker_kept_online_is_never_among_the_cells_that_are_down() -> None:
    for minute in range(0, 3000, 7):
        down = down_cells(1, Instant(JOINED + minute * 60_000))
        assert online_cell(200) not in down
        assert offline_cell(200) in down
