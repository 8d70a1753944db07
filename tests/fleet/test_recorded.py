"""Recorded fleets: readings stand in for the function, and gaps are zero, offline and named."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upsim.clock import HOUR, MINUTE, SECOND, Instant
from upsim.fleet.device import device
from upsim.fleet.recorded import added, recorded_reading, recorded_series
from upsim.fleet.series import RANGES, worker_series
from upsim.fleet.tracks import RecordingError, Track, read_csv, read_json

START = Instant(1_767_000_000_000)
CSV = """time,worker,hashrate,note
2025-12-29T09:20:00Z,rig-1,100,first
2025-12-29T09:25:00Z,rig-1,200,
1767000000,rig-2,50.5,a Unix time
2025-12-29T10:20:00Z,rig-1,300,an hour after the first
"""
MACHINE = device("rig-1", "ryzen-3900x", joined_at=START)


def test_csv_and_json_of_the_same_readings_are_the_same_recording() -> None:
    rows = [
        {"worker": "rig-1", "time": 1767000000, "hashrate": 100},
        {"worker": "rig-1", "time": "1767000300", "hashrate": "200"},
        {"worker": "rig-2", "time": "2025-12-29T09:20:00+00:00", "hashrate": 50.5},
        {"worker": "rig-1", "time": 1767003600, "hashrate": 300},
    ]
    assert read_csv(CSV) == read_json(json.dumps(rows))


def test_a_reading_holds_until_the_next_one_but_no_longer_than_told_and_gaps_are_said() -> None:
    recording = read_csv(CSV)
    track = recording.tracks["rig-1"]
    rates = [track.rate_at(START + minute * MINUTE) for minute in (-1, 0, 4, 5, 19, 20, 59, 60, 74, 75)]
    assert rates == [0, 100, 100, 200, 200, 0, 0, 300, 300, 0]
    assert track.gaps == ((START + 20 * MINUTE, START + 60 * MINUTE), (START + 75 * MINUTE, None))
    assert recording.report() == ("rig-1: 1 gap of 40 minutes, in which it counts as offline",)
    assert read_csv(CSV, hold=2 * HOUR).report() == ()


def test_in_a_gap_a_worker_is_offline_since_the_gap_began() -> None:
    track = read_csv(CSV).tracks["rig-1"]
    on = recorded_reading(1, MACHINE, track, Instant(START + 65 * MINUTE))
    off = recorded_reading(1, MACHINE, track, Instant(START + 30 * MINUTE))
    early = recorded_reading(1, MACHINE, track, Instant(START - 1))
    assert (on.online, on.hashrate, on.uptime_s) == (True, 300, 300)
    assert (off.online, off.hashrate, off.last_seen_at) == (False, 0, START + 20 * MINUTE)
    assert (early.online, early.last_seen_at, sum(early.shares)) == (False, None, 0)


def test_a_recorded_worker_finds_shares_while_it_mines() -> None:
    track = Track.of([(Instant(START + i * 5 * MINUTE), 13_500) for i in range(12)])
    counts = [
        sum(recorded_reading(1, MACHINE, track, Instant(START + m * MINUTE)).shares) for m in (0, 30, 70, 75, 600)
    ]
    assert counts[0] == 0 < counts[1] < counts[2] == counts[3] == counts[4]
    assert counts[2] == pytest.approx(70 * 3, abs=12)


READINGS = st.dictionaries(st.integers(-100, 2000), st.integers(0, 10**6), min_size=1, max_size=30)


@given(READINGS, st.sampled_from(["1h", "6h", "24h"]))
def test_a_point_is_the_mean_of_what_held_over_its_step(rows: dict[int, int], name: str) -> None:
    track = Track.of((Instant(START + 30 * SECOND * at), rate) for at, rate in rows.items())
    now = Instant(START + 14 * HOUR)
    found = recorded_series(name, track, now)
    assert found.granularity == RANGES[name].granularity
    assert [point.timestamp for point in found.points] == [
        point.timestamp for point in worker_series(1, name, MACHINE, (), now).points
    ]
    for timestamp, hashrate in found.points[:: len(found.points) // 12]:
        # Everything in these recordings happens on half minutes.
        halves = range(timestamp * SECOND, (timestamp + found.granularity) * SECOND, 30 * SECOND)
        mean = Fraction(sum(track.rate_at(at) for at in halves), len(halves))
        assert abs(hashrate - mean) <= Fraction(1, 2)


def test_nothing_recorded_after_now_shows() -> None:
    readings = [(Instant(START + i * MINUTE), i + 1) for i in range(120)]
    now = Instant(START + 60 * MINUTE)
    cut = [(at, rate) for at, rate in readings if at < now]
    assert recorded_series("1h", Track.of(readings), now) == recorded_series("1h", Track.of(cut), now)


def test_a_moved_recording_is_the_same_at_another_time() -> None:
    recording = read_csv(CSV)
    moved = recording.moved(7 * HOUR).tracks["rig-1"]
    here = recorded_series("24h", recording.tracks["rig-1"], Instant(START + 2 * HOUR))
    there = recorded_series("24h", moved, Instant(START + 9 * HOUR))
    assert [point.hashrate for point in here.points] == [point.hashrate for point in there.points]
    assert moved.gaps[0][0] == START + 7 * HOUR + 20 * MINUTE


def test_series_of_recorded_workers_add_up_with_the_others() -> None:
    now = Instant(START + 2 * HOUR)
    recorded = recorded_series("6h", read_csv(CSV).tracks["rig-1"], now)
    simulated = worker_series(1, "6h", MACHINE, (), now)
    both = added([recorded, simulated])
    assert [point.hashrate for point in both.points] == [
        a.hashrate + b.hashrate for a, b in zip(recorded.points, simulated.points, strict=True)
    ]
    with pytest.raises(ValueError, match="different times"):
        added([recorded, recorded_series("6h", read_csv(CSV).tracks["rig-1"], START)])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("worker,hashrate\n", "line 1: there is no column time"),
        ("worker,time,hashrate\n,1,1\n", "line 2: worker must be a name"),
        ("worker,time,hashrate\na,1,1\na,yesterday,1\n", "line 3: time is 'yesterday'; give Unix seconds, or ISO"),
        ("worker,time,hashrate\na,1e99999,1\n", "line 2: time is"),
        ("worker,time,hashrate\na,1,-1\n", "line 2: hashrate is '-1'; give H/s as a number from 0"),
        ("worker,time,hashrate\na,1,nan\n", "line 2: hashrate is 'nan'"),
        ("worker,time,hashrate\na,1,1e400000\n", "line 2: hashrate is"),
        ("worker,time,hashrate\na,1\n", "line 2: hashrate is 'None'"),
        ("worker,time,hashrate\na,1,1\na,1.0,2\n", "line 3: there is already a reading of a at this time"),
    ],
)
def test_a_mistake_in_a_csv_is_answered_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        read_csv(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[\n{]", "line 2: this is not JSON"),
        ('{"worker": 1}', "it must be a list of objects with worker, time, hashrate"),
        ('[{"worker": "a", "time": true, "hashrate": 1}]', "reading 1: time is 'True'"),
        ('[{"worker": "a", "time": 1, "hashrate": true}]', "reading 1: hashrate is 'True'"),
        ('[{"worker": "a", "time": 1, "hashrate": Infinity}]', "reading 1: hashrate is 'inf'"),
        ('[{"worker": "a", "time": 1, "hashrate": ' + "9" * 5000 + "}]", "too long to be read"),
    ],
)
def test_a_mistake_in_json_is_answered_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(RecordingError, match=reason):
        read_json(text)
