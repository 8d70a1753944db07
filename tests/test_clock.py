"""Time as data: what a clock shows, and how instants are written and read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsim.clock import DAY, HOUR, MINUTE, SECOND, ClockState, Instant, SystemClock, iso, parse_iso

instants = st.integers(0, 4_102_444_800_000).map(Instant)


def at(text: str) -> Instant:
    return parse_iso(text)


def test_a_real_clock_shows_the_wall_clocks_time() -> None:
    assert ClockState.real().at(Instant(123_456)) == 123_456


@given(instants, instants)
def test_a_frozen_clock_stands_where_it_stood(wall: Instant, later: Instant) -> None:
    assert ClockState.real().frozen(wall).at(Instant(wall + later)) == wall


@given(instants, instants, st.integers(-10 * DAY, 10 * DAY))
def test_a_clock_that_was_moved_runs_on_from_there(wall: Instant, shown: Instant, by: int) -> None:
    clock = ClockState.real().set_to(wall, shown)
    assert clock.at(wall) == shown
    assert clock.at(Instant(wall + HOUR)) == shown + HOUR
    assert clock.advanced(wall, by).at(wall) == shown + by


@pytest.mark.parametrize(
    ("speed", "shown"), [(0.0, 0), (0.5, 30 * SECOND), (1.0, MINUTE), (60.0, HOUR), (-1.0, -MINUTE)]
)
def test_a_clock_runs_at_its_speed_and_does_not_jump_when_it_changes(speed: float, shown: int) -> None:
    wall = at("2025-01-05T08:00:00Z")
    clock = ClockState.real().at_speed(wall, speed)
    assert clock.at(wall) == wall
    assert clock.at(Instant(wall + MINUTE)) - wall == shown
    assert clock.at_speed(Instant(wall + MINUTE), 1.0).at(Instant(wall + MINUTE)) - wall == shown


@given(instants)
def test_what_is_written_is_read_as_the_same_instant(instant: Instant) -> None:
    assert parse_iso(iso(instant)) == instant


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("2025-01-05", "2025-01-05T00:00:00.000Z"),
        ("2025-01-05T08:00:00", "2025-01-05T08:00:00.000Z"),
        ("2025-01-05T08:00:00+02:00", "2025-01-05T06:00:00.000Z"),
        ("2025-01-05T08:00:00.1239Z", "2025-01-05T08:00:00.123Z"),
    ],
)
def test_times_are_read_as_people_write_them_and_written_in_utc(text: str, written: str) -> None:
    assert iso(parse_iso(text)) == written


@pytest.mark.parametrize("text", ["", "now", "2025-13-01", "2025-01-05T25:00:00", "1736064000"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_iso(text)


def test_the_machines_clock_is_somewhere_in_our_time() -> None:
    shown = datetime.fromtimestamp(SystemClock().now() / 1000, UTC)
    assert 2025 <= shown.year < 2100
