"""The scenarios among the fixtures: what docs/scenarios.md says of them is so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tools import recording
from upsim import fixture
from upsim.clock import SECOND, ClockState, Instant, SystemClock, iso, parse_iso
from upsim.errors import ConfigError
from upsim.fleet.history import cell_now
from upsim.fleet.reading import reading
from upsim.fleet.series import Point
from upsim.model import Account, PoolTarget, PoolTest, Worker, WorldId, WorldRecord
from upsim.rules.devices import device_of, history_of, summands
from upsim.rules.overview import get_overview
from upsim.rules.series import fleet_series, worker_series
from upsim.rules.workers import get_worker
from upsim.store.asking import PoolCounts, Span, WorkerFilter
from upsim.store.factory import open_store
from upsim.world import World

SEED = 1


def workers_of(name: str, prefix: str = "") -> list[Worker]:
    return [worker for worker in fixture.load(name).content.workers if worker.name.startswith(prefix)]


def untested(world: World, target: PoolTarget) -> PoolTest:
    """Nobody tries a pool here."""
    raise AssertionError(target)


@pytest.fixture
def opened() -> Iterator[Callable[[str, str | None], World]]:
    """Opens a world of a scenario at a time, or at the one its clock begins with."""
    store = open_store("memory:", summands)

    def world(name: str, at: str | None = None) -> World:
        found = fixture.load(name)
        now = parse_iso(at) if at else found.clock
        assert now is not None
        record = WorldRecord(WorldId(name), name, SEED, ClockState(Instant(0), now, 0), Instant(0))
        if store.get_world(record.id) is None:
            store.create_world(record, found.content)
        return World(record, store, untested, SystemClock())

    yield world
    store.close()


def farm(world: World) -> Account:
    """The account of a scenario."""
    (account,) = world.store.list_accounts(world.id)
    return account


def by_time(points: Sequence[Point]) -> dict[str, int]:
    """Hashrates by the time of day."""
    return {iso(Instant(point.timestamp * SECOND))[11:16]: point.hashrate for point in points}


def worker_named(world: World, name: str) -> Worker:
    page = world.store.list_workers(world.id, farm(world).id, WorkerFilter(search=name), Span(0, 1))
    return page.items[0]


@pytest.mark.parametrize("name", ["small-farm", "large-farm", "bad-day", "growth", "recorded-farm"])
def test_a_scenario_can_be_loaded_and_has_a_key_that_docs_name(name: str) -> None:
    found = fixture.load(name)
    (secret,) = found.secrets
    page = (Path(__file__).parent.parent / "docs" / "scenarios.md").read_text()
    assert f"`{secret}`" in page.partition(f"## `{name}`")[2].partition("\n## ")[0]


Open = Callable[..., World]


def test_the_small_farm_is_calm(opened: Open) -> None:
    world = opened("small-farm", "2025-06-18T12:00:00Z")
    blocks = {block.algorithm: block.workers_total for block in get_overview(world, farm(world)).blocks}
    assert blocks["sha256"] == 48
    points = fleet_series(world, farm(world), "24h", "sha256").points
    assert min(point.hashrate for point in points) > 0.9 * max(point.hashrate for point in points)


def test_the_large_farm_has_a_hundred_thousand_on_four_sites_and_about_600_offline(opened: Open) -> None:
    workers = workers_of("large-farm")
    assert Counter(worker.home // 128 for worker in workers) == dict.fromkeys(range(4), 25_000)
    offline = []
    for day in range(1, 31):
        world = opened("large-farm", f"2025-06-{day:02}")
        found = get_overview(world, farm(world))
        offline.append(found.workers_total - found.workers_online)
    assert 200 < sum(offline) / len(offline) < 1200


def test_the_bad_day_goes_as_told(opened: Open) -> None:
    world = opened("bad-day")
    assert world.now() == parse_iso("2025-07-15T22:00:00Z")

    def rates(name: str, *times: str) -> list[float]:
        one = worker_named(world, name)
        found = by_time(worker_series(world, farm(world), one.id, "24h", None).points)
        return [found[time] / one.nominal for time in times]

    assert rates("lottery-01", "03:00", "04:00", "21:00") == [0, 0, 0]
    assert min(rates("lottery-01", "02:00", "05:00", "20:00")) > 0.9
    assert rates("hall-b-001", "06:30", "07:10", "08:00") == [0, 0, 0]
    assert min(rates("hall-b-001", "05:00", "07:30", "09:00")) > 0.5
    hot, usual = rates("hall-a-001", "16:00", "08:00")
    assert 0.75 < hot / usual < 0.88
    assert rates("broken-1", "10:00", "21:00") == [0, 0]
    assert {0.0} < set(rates("loose-1", *(f"{hour:02}:{ten}0" for hour in range(6, 20) for ten in range(6))))
    whole = by_time(fleet_series(world, farm(world), "24h", None).points)
    for dip, beside in (("10:20", "10:10"), ("10:40", "10:50")):
        assert 0.8 < whole[dip] / whole[beside] < 0.95
    assert get_worker(world, farm(world), worker_named(world, "lottery-01").id).pool is None
    shown = get_worker(world, farm(world), worker_named(world, "hall-a-001").id).pool
    assert shown is not None
    assert shown.name == "Bitcoin"
    assert get_overview(world, farm(world)).pools == PoolCounts(3, 2, 1)


def test_growth_is_growth(opened: Open) -> None:
    months = []
    for month in range(1, 7):
        world = opened("growth", f"2025-{month:02}-15")
        months.append(get_overview(world, farm(world)).workers_online)
    assert months == sorted(months)
    assert 38 <= months[0] <= 40
    assert get_overview(opened("growth"), farm(world)).workers_online > 600


def test_the_recorded_farm_is_what_its_generator_makes_and_what_docs_say(opened: Open) -> None:
    assert recording.OUT.read_text() == recording.text()
    world = opened("recorded-farm")
    (block,) = get_overview(world, farm(world)).blocks
    assert (block.workers_total, block.workers_online) == (20, 20)
    rates = by_time(worker_series(world, farm(world), worker_named(world, "rig-06").id, "24h", None).points)
    assert rates["19:20"] < 0.7 * rates["19:00"]
    assert rates["14:00"] > 1.4 * rates["13:30"]
    rates = by_time(worker_series(world, farm(world), worker_named(world, "rig-05").id, "24h", None).points)
    assert rates["09:10"] == 0


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
