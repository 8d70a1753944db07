"""Workers whose readings were recorded, among others: on every store, through all that is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from upsim import fixture
from upsim.clock import MINUTE, ClockState, Instant, parse_iso
from upsim.errors import InvalidInput
from upsim.model import PoolTarget, PoolTest, Worker, WorldId, WorldRecord
from upsim.rules.devices import summands
from upsim.rules.machines import Wanted, change_workers
from upsim.rules.overview import get_overview
from upsim.rules.portable import load_world, save_world
from upsim.rules.series import fleet_series, worker_series
from upsim.rules.snapshots import restore_snapshot, save_snapshot
from upsim.rules.workers import WorkerView, get_worker, list_workers
from upsim.rules.worlds import Wish
from upsim.store.asking import Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.factory import open_store
from upsim.world import Universe, World

ALL = Span(0, 1 << 40)
TEXT = """
description: "three recorded machines and three others"
opened: "2025-06-01T00:00:00Z"
clock: "2025-06-02T12:00:00Z"
recordings:
  - name: logger
    hold: 20
    readings:
      - {worker: steady, time: "2025-06-02T06:00:00Z", hashrate: 100000000000000}
      - {worker: steady, time: "2025-06-02T06:15:00Z", hashrate: 110000000000000}
      - {worker: steady, time: "2025-06-02T06:30:00Z", hashrate: 110000000000000}
      - {worker: gappy, time: "2025-06-02T11:00:00Z", hashrate: 90000000000000}
      - {worker: gappy, time: "2025-06-02T11:50:00Z", hashrate: 80000000000000}
      - {worker: later, time: "2025-06-02T12:30:00Z", hashrate: 70000000000000}
accounts:
  - name: farm
    tier: vip
    keys: [{key: up_k_recordedtest}]
    pools:
      - {name: one, algorithm: sha256, host: a.example, port: 3333, username: me, health: healthy}
    profiles: [{name: Bitcoin, pools: [one]}]
    workers:
      - {name: steady, model: s19k-pro, profile: Bitcoin, recorded: logger}
      - {name: gappy, model: s19k-pro, profile: Bitcoin, recorded: logger}
      - {name: later, model: s19k-pro, profile: Bitcoin, recorded: logger}
      - {name: "rig-{n}", count: 3, model: s21, profile: Bitcoin, state: online}
"""


@dataclass
class HandClock:
    """A clock that stands until it is moved."""

    at: Instant

    def now(self) -> Instant:
        return self.at


def untested(world: World, target: PoolTarget) -> PoolTest:
    """Nobody tries a pool here."""
    raise AssertionError(target)


class Farm:
    """A world of the fixture above, in a store of any kind."""

    def __init__(self, store: Store, path: Path) -> None:
        found = fixture.load(str(path))
        assert found.clock is not None
        self.clock = HandClock(found.clock)
        self.remarks = found.remarks
        self.universe = Universe(store, untested, self.clock, str(path), 7)
        record = WorldRecord(WorldId("w"), str(path), 7, ClockState.real(), self.clock.at)
        store.create_world(record, found.content)
        self.world = self.universe.world(record)
        (self.account,) = store.list_accounts(record.id)

    def at(self, text: str) -> None:
        self.clock.at = parse_iso(f"2025-06-02T{text}Z")

    def worker(self, name: str) -> Worker:
        return self.world.store.list_workers(self.world.id, self.account.id, WorkerFilter(search=name), ALL).items[0]

    def view(self, name: str) -> WorkerView:
        return get_worker(self.world, self.account, self.worker(name).id)

    def listed(self, *, online: bool) -> list[str]:
        found = list_workers(self.world, self.account, ALL, algorithm=None, profile_id=None, search=None, online=online)
        assert all(view.reading.online is online for view in found.page.items)
        assert found.page.total == len(found.page.items)
        return [view.worker.name for view in found.page.items]

    def points(self, name: str, time_range: str = "1h") -> Sequence[int]:
        found = worker_series(self.world, self.account, self.worker(name).id, time_range, None)
        return [point.hashrate for point in found.points]

    def check(self) -> None:
        """Assert that the whole is its parts."""
        workers = self.world.store.list_workers(self.world.id, self.account.id, WorkerFilter(), ALL).items
        views = [get_worker(self.world, self.account, worker.id) for worker in workers]
        (block,) = get_overview(self.world, self.account).blocks
        assert block.workers_total == len(workers)
        assert block.workers_online == sum(view.reading.online for view in views) == len(self.listed(online=True))
        assert len(self.listed(online=False)) == len(workers) - block.workers_online
        assert abs(block.hashrate - sum(view.reading.hashrate for view in views)) <= 3
        for view in views:
            assert view.reading.online or (view.reading.hashrate, view.reading.uptime_s) == (0, 0)
        for time_range in ("1h", "6h", "24h"):
            whole = fleet_series(self.world, self.account, time_range, None).points
            parts = [self.points(worker.name, time_range) for worker in workers]
            for point, *shares in zip(whole, *parts, strict=True):
                assert abs(point.hashrate - sum(shares)) <= 3


@pytest.fixture
def farm(store_url: str, tmp_path: Path) -> Iterator[Farm]:
    """The farm, in a store of each kind."""
    path = tmp_path / "farm.yaml"
    path.write_text(TEXT)
    store = open_store(store_url, summands)
    yield Farm(store, path)
    store.close()


def test_a_recorded_worker_does_what_was_recorded(farm: Farm) -> None:
    farm.at("06:20:00")
    shown = farm.view("steady").reading
    assert (shown.online, shown.hashrate, shown.uptime_s) == (True, 110_000_000_000_000, 20 * 60)
    assert farm.view("gappy").reading.last_seen_at is None
    assert farm.points("steady")[-20:] == [100_000_000_000_000] * 15 + [110_000_000_000_000] * 5
    farm.check()
    farm.at("12:00:00")
    shown = farm.view("gappy").reading
    assert (shown.online, shown.hashrate, shown.uptime_s) == (True, 80_000_000_000_000, 600)
    assert not farm.view("steady").reading.online
    assert farm.view("steady").reading.last_seen_at == parse_iso("2025-06-02T06:50:00Z")
    assert farm.points("gappy") == [90_000_000_000_000] * 20 + [0] * 30 + [80_000_000_000_000] * 10
    assert sorted(farm.listed(online=True)) == ["gappy", "rig-1", "rig-2", "rig-3"]
    farm.check()


def test_nothing_that_was_recorded_later_shows(farm: Farm) -> None:
    farm.at("11:30:00")
    before = farm.points("gappy", "24h")
    farm.at("11:49:59")
    assert not farm.view("gappy").reading.online
    farm.at("11:50:00")
    assert farm.view("gappy").reading.online
    assert farm.points("gappy", "24h")[:-2] == before[2:]
    assert farm.points("later") == [0] * 60


def test_shares_follow_the_recorded_work_and_never_fall(farm: Farm) -> None:
    farm.at("06:00:00")
    counts = []
    while farm.clock.at < parse_iso("2025-06-02T12:10:00Z"):
        shares = farm.view("gappy").reading.shares
        counts.append(sum(shares))
        farm.clock.at = Instant(farm.clock.at + 5 * MINUTE)
    assert counts == sorted(counts)
    assert counts[0] == 0
    assert counts[-1] > 100


def test_what_is_done_by_hand_lies_on_top_of_what_was_recorded(farm: Farm) -> None:
    ids = [farm.worker("gappy").id]
    farm.at("11:55:00")
    change_workers(farm.world, farm.account, ids, Wanted.SCALE, 500)
    farm.at("11:57:00")
    assert farm.view("gappy").reading.hashrate == 40_000_000_000_000
    change_workers(farm.world, farm.account, ids, Wanted.OFFLINE, 1000)
    shown = farm.view("gappy").reading
    assert (shown.online, shown.last_seen_at) == (False, farm.clock.at)
    assert "gappy" in farm.listed(online=False)
    farm.check()
    farm.at("11:59:30")
    change_workers(farm.world, farm.account, ids, Wanted.AUTO, 1000)
    farm.at("12:00:00")
    assert farm.view("gappy").reading.uptime_s == 30
    assert farm.points("gappy")[-5:] == [40_000_000_000_000] * 2 + [0, 0, 20_000_000_000_000]
    farm.check()
    change_workers(farm.world, farm.account, ids, Wanted.FLAPPING, 1000)
    farm.at("12:05:00")
    farm.check()
    change_workers(farm.world, farm.account, ids, Wanted.RETIRE, 1000)
    farm.at("12:06:00")
    assert not farm.view("gappy").reading.online
    farm.check()


def test_pools_trouble_reaches_recorded_workers_too(farm: Farm) -> None:
    (pool,) = farm.world.store.list_pools(farm.world.id, farm.account.id, ALL).items
    farm.at("11:55:00")
    farm.world.store.record_test(farm.world.id, pool.id, farm.clock.at, None, "connectivity: refused")
    shown = farm.view("gappy")
    assert (shown.reading.online, shown.reading.hashrate, shown.pool) == (True, 0, None)
    farm.check()
    farm.at("12:00:00")
    assert farm.points("gappy")[-10:] == [80_000_000_000_000] * 5 + [0] * 5
    assert farm.view("gappy").reading.shares == shown.reading.shares
    farm.check()


def test_recordings_survive_copies_snapshots_and_downloads(farm: Farm) -> None:
    farm.at("12:00:00")
    expected = [farm.points(name, "24h") for name in ("steady", "gappy", "later", "rig-1")]
    save_snapshot(farm.universe, farm.world, "kept")
    change_workers(farm.world, farm.account, [farm.worker("gappy").id], Wanted.OFFLINE, 1000)
    document = save_world(farm.world)
    restore_snapshot(farm.universe, farm.world, "kept")
    assert [farm.points(name, "24h") for name in ("steady", "gappy", "later", "rig-1")] == expected
    farm.check()
    made = load_world(farm.universe, Wish(id="loaded"), document)
    farm.world = farm.universe.world(made.record)
    assert not farm.view("gappy").reading.online
    assert farm.points("steady", "24h") == expected[0]
    farm.check()
    assert save_world(farm.world)["tracks"] == document["tracks"]


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        pytest.param("rates", [1], "no track: rates must be as many", id="rates"),
        pytest.param("starts", [5, 5], "no track: starts must be instants in order", id="starts"),
        pytest.param("gaps", [[1, 2, 3]], "no track: gaps must be pairs", id="gaps"),
        pytest.param("gaps", [[9, None], [10, None]], "no track: gaps must follow", id="two open gaps"),
        pytest.param("rates", [7, 0], "was changed since", id="another rate"),
    ],
)
def test_a_broken_track_in_a_document_is_refused(farm: Farm, place: str, value: list[object], said: str) -> None:
    document = save_world(farm.world)
    digest = farm.worker("later").track
    document["tracks"][digest] = {**document["tracks"][digest], place: value}
    with pytest.raises(InvalidInput, match=rf"{digest}.* {said}"):
        load_world(farm.universe, Wish(id="loaded"), document)
    del document["tracks"][digest]
    with pytest.raises(InvalidInput, match="is none of the tracks"):
        load_world(farm.universe, Wish(id="loaded"), document)


def test_gaps_are_said(farm: Farm) -> None:
    assert farm.remarks == (
        "recording 'logger': 3 workers, from 2025-06-02T06:00:00.000Z to 2025-06-02T12:50:00.000Z; before and after"
        " they are offline",
        "gappy: 1 gap of 30 minutes, in which it counts as offline",
    )


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        (
            "recorded: logger}\n      - {name: gappy",
            "recorded: nobody}\n      - {name: gappy",
            23,
            "no recording 'nobody'",
        ),
        ("- {name: gappy,", "- {name: other,", 24, "'logger' has no readings of 'other'"),
        ("hold: 20", "file: none.csv", 6, "either a file or its readings"),
        ("hashrate: 70000000000000", "hashrate: -1", 8, "reading 6: hashrate is '-1'"),
    ],
)
def test_a_mistake_in_a_recording_is_answered_with_its_place(
    tmp_path: Path, old: str, new: str, line: int, said: str
) -> None:
    path = tmp_path / "farm.yaml"
    assert old in TEXT
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(Exception, match=said) as caught:
        fixture.load(str(path))
    assert f"line {line}" in str(caught.value)


def test_a_recording_may_lie_in_a_file_beside_the_fixture(tmp_path: Path) -> None:
    readings = TEXT.partition("    readings:\n")[2].partition("accounts:")[0]
    path = tmp_path / "farm.yaml"
    path.write_text(TEXT.replace("    readings:\n" + readings, "    file: log.csv\n"))
    rows = ["# a remark", "worker,time,hashrate"]
    for name in ("steady", "gappy", "later"):
        rows.append(f"{name},2025-06-02T06:00:00Z,5e13")
    (tmp_path / "log.csv").write_text("\n".join(rows))
    found = fixture.load(str(path))
    assert len(found.content.tracks) == 1
    (tmp_path / "log.csv").unlink()
    path.write_text(path.read_text() + "\n")
    with pytest.raises(Exception, match=r"line 8: log.csv cannot be read"):
        fixture.load(str(path))


def test_worlds_that_share_a_recording_do_not_share_what_was_done(farm: Farm) -> None:
    other = replace(farm.world.record, id=WorldId("other"))
    farm.world.store.copy_content(farm.world.id, other.id, with_keys=False, record=other)
    change_workers(farm.world, farm.account, [farm.worker("gappy").id], Wanted.OFFLINE, 1000)
    assert not farm.view("gappy").reading.online
    farm.world = World(other, farm.world.store, untested, farm.clock)
    assert farm.view("gappy").reading.online
    farm.check()
