"""The scenarios among the fixtures: what docs/scenarios.md says of them is so."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from upsim import fixture
from upsim.clock import DAY, SECOND, Instant, iso, parse_iso
from upsim.errors import ConfigError
from upsim.fleet import Series, Tally, cell_now, fleet_reading, reading, series, worker_series
from upsim.model import Worker
from upsim.rules.fleets import device_of, history_of

SEED = 1


def workers_of(name: str, prefix: str = "") -> list[Worker]:
    return [worker for worker in fixture.load(name).content.workers if worker.name.startswith(prefix)]


def fleet_of(workers: list[Worker], time_range: str, now: Instant) -> Series:
    return series(SEED, time_range, sums(workers), now)


def sums(workers: list[Worker]) -> Tally:
    return Tally.of(workers[0].algorithm, [(device_of(worker), history_of(worker)) for worker in workers])


@pytest.mark.parametrize("name", ["small-farm", "large-farm", "bad-day", "growth"])
def test_a_scenario_can_be_loaded_and_has_a_key_that_docs_name(name: str) -> None:
    found = fixture.load(name)
    (secret,) = found.secrets
    page = (Path(__file__).parent.parent / "docs" / "scenarios.md").read_text()
    assert f"`{secret}`" in page.partition(f"## `{name}`")[2].partition("\n## ")[0]


def test_the_small_farm_is_calm() -> None:
    workers = [worker for worker in workers_of("small-farm") if worker.algorithm == "sha256"]
    assert len(workers) == 48
    points = fleet_of(workers, "24h", parse_iso("2025-06-18T12:00:00Z")).points
    assert min(point.hashrate for point in points) > 0.9 * max(point.hashrate for point in points)


def test_the_large_farm_has_a_hundred_thousand_on_four_sites_and_about_600_offline() -> None:
    workers = workers_of("large-farm")
    assert Counter(worker.home // 128 for worker in workers) == dict.fromkeys(range(4), 25_000)
    tally = sums(workers)
    start = parse_iso("2025-06-01")
    offline = [fleet_reading(SEED, tally, Instant(start + day * DAY)).offline for day in range(30)]
    assert 200 < sum(offline) / len(offline) < 1200


def test_the_bad_day_goes_as_told() -> None:
    beginning = fixture.load("bad-day")
    assert beginning.clock == parse_iso("2025-07-15T22:00:00Z")

    def rates(worker: str, *times: str) -> list[float]:
        (one,) = workers_of("bad-day", worker)
        found = worker_series(SEED, "24h", device_of(one), history_of(one), beginning.clock or Instant(0)).points
        by_time = {iso(Instant(point.timestamp * SECOND))[11:16]: point.hashrate / one.nominal for point in found}
        return [by_time[time] for time in times]

    assert rates("lottery-01", "03:00", "04:00", "21:00") == [0, 0, 0]
    assert min(rates("lottery-01", "02:00", "05:00", "20:00")) > 0.9
    assert rates("hall-b-001", "06:30", "07:10", "08:00") == [0, 0, 0]
    assert min(rates("hall-b-001", "05:00", "07:30", "09:00")) > 0.5
    hot, usual = rates("hall-a-001", "16:00", "08:00")
    assert 0.75 < hot / usual < 0.88
    assert rates("broken-1", "10:00", "21:00") == [0, 0]
    assert {0.0} < set(rates("loose-1", *(f"{hour:02}:{ten}0" for hour in range(6, 20) for ten in range(6))))


def test_growth_is_growth() -> None:
    workers = workers_of("growth")
    clock = fixture.load("growth").clock
    assert clock is not None
    tally = sums(workers)
    months = [fleet_reading(SEED, tally, parse_iso(f"2025-{month:02}-15")).workers for month in range(1, 7)]
    assert months == sorted(months)
    assert months[0] == 40
    assert fleet_reading(SEED, tally, clock).workers == 640


def test_events_of_a_fixture_decide_where_its_workers_stand_now(tmp_path: Path) -> None:
    now = parse_iso("2026-01-01")
    for worker in workers_of("bad-day"):
        assert worker.cell == cell_now(device_of(worker), history_of(worker), now)
    (broken,) = workers_of("bad-day", "broken-2")
    assert not reading(SEED, device_of(broken), history_of(broken), now).online


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ('{at: "2025-07-15", do: scale}', "per_mille belongs to scale"),
        ('{at: "2025-07-15", do: offline, per_mille: 5}', "per_mille belongs to scale"),
        ('{at: "2025-07-15", do: explode}', "offline, online, flapping, auto or scale"),
        ('{at: "2025-17-15", do: offline}', "'2025-17-15' is no time"),
    ],
)
def test_a_mistake_in_an_event_is_answered_with_file_and_line(event: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    text = (Path(__file__).parent.parent / "fixtures" / "small-farm.yaml").read_text()
    text = text.replace("site: 1, joined", f"site: 1, events: [{event}], joined")
    path.write_text(text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "events:" in row)
    with pytest.raises(ConfigError, match=rf"mine.yaml, line {line}: .*{reason}"):
        fixture.load(str(path))
