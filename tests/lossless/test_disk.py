"""A disk that is full, read-only or taken away under a running server: reads go on, writes are refused and said why.

Nothing is half done, nothing that was acknowledged is lost, and all goes on when the disk does, without a restart.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.lossless.confined import OBEYING, as_seen_by, no_room_for, on_a_small_disk, own_disks
from tests.lossless.door import Answer, Door
from tests.serving import Serving, environment, serving
from tests.store.test_tallies import entry
from tests.store.things import VIP, WORLD, content, record
from upsim.errors import StoreUnavailable
from upsim.store.asking import EntryFilter
from upsim.store.factory import open_store
from upsim.store.sqlite import engine, rows

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a disk does is set up as Linux has it")

READS = (
    "/v1/overview",
    "/v1/workers?limit=100",
    "/v1/workers/hashrate?algorithm=randomx&timeRange=24h",
    "/v1/pools?limit=100",
    "/v1/profiles?limit=100",
    "/v1/profiles/default?algorithm=randomx",
    "/_upsim/health",
    "/_upsim/worlds",
    "/_upsim/worlds/default",
    "/_upsim/worlds/default/clock",
    "/_upsim/worlds/default/faults",
    "/_upsim/worlds/default/snapshots",
    "/_upsim/worlds/default/journal?limit=1",
    "/_upsim/worlds/default/accounts/vip/look?call=/v1/pools",
)
STATE = tuple(path for path in READS if "journal" not in path and path != "/_upsim/worlds/default")
"""What must not change while nothing can be written; requests go on being counted."""

FARM = "/_upsim/worlds/default"


@contextmanager
def running(folder: Path, file: Path, limit: str = "off", **more: Any) -> Iterator[tuple[Serving, Door]]:
    """A server on a file, its clock stopped, with a pool and a profile that can be deleted."""
    with (
        serving(folder, "--store", f"sqlite:{file}", "--rate-limit", limit, **more) as server,
        Door(server.port) as door,
    ):
        assert door.ask("POST", f"{FARM}/clock", {"freeze": True}).status == 200
        spare, _ = (door.ask("POST", "/v1/pools", pool(name)).json["_id"] for name in ("of a profile", "spare pool"))
        assert door.ask("POST", "/v1/profiles", profile("spare profile", spare)).status == 201
        yield server, door


def pool(name: str) -> dict[str, Any]:
    return {"name": name, "algorithm": "randomx", "host": "healthy.pool.test", "port": 3333, "username": "u"}


def profile(name: str, pool_id: str) -> dict[str, Any]:
    return {"name": name, "algorithm": "randomx", "pools": [{"pool_id": pool_id, "priority": 0}]}


def writes(door: Door) -> list[tuple[str, str, Any]]:
    """A write of every kind, each of which would be accepted on a good day."""
    profiles = door.ask("GET", "/v1/profiles?algorithm=randomx").json["data"]
    default = next(profile for profile in profiles if profile["is_default"])
    other = next(profile for profile in profiles if not profile["is_default"])
    spare = next(profile for profile in profiles if profile["name"] == "spare profile")
    (unused,) = (one for one in door.ask("GET", "/v1/pools?limit=100").json["data"] if one["name"] == "spare pool")
    (worker,) = door.ask("GET", "/v1/workers?algorithm=randomx&limit=1").json["data"]
    held = default["pools"][0]["pool_id"]
    return [
        ("POST", "/v1/pools", pool("new")),
        ("PUT", f"/v1/pools/{held}", {"name": "renamed"}),
        ("POST", "/v1/profiles", profile("new", held)),
        ("PUT", f"/v1/profiles/{other['_id']}", {"name": "renamed"}),
        ("POST", f"/v1/profiles/{other['_id']}/default", None),
        ("POST", "/v1/workers/bulk-assign", {"worker_ids": [worker["_id"]], "profile_id": other["_id"]}),
        ("DELETE", f"/v1/profiles/{spare['_id']}", None),
        ("DELETE", f"/v1/pools/{unused['_id']}", None),
        ("POST", "/_upsim/worlds", {"fixture": "empty"}),
        ("POST", f"{FARM}/clock", {"advance": "1h"}),
        ("POST", f"{FARM}/accounts", {"name": "somebody"}),
        ("POST", f"{FARM}/accounts/vip/keys", {"name": "another"}),
        ("POST", f"{FARM}/accounts/vip", {"tier": "basic"}),
        ("POST", f"{FARM}/accounts/vip/workers/change", {"worker_ids": [worker["_id"]], "action": "offline"}),
        ("POST", f"{FARM}/faults", {"path": "/v1/nowhere"}),
        ("POST", f"{FARM}/snapshots", {"name": "now"}),
        ("POST", f"{FARM}/reset", None),
        ("DELETE", f"{FARM}/journal", None),
    ]


def state(door: Door) -> list[Any]:
    answers = [door.ask("GET", path) for path in STATE]
    assert [answer.status for answer in answers] == [200] * len(STATE), [answer.json for answer in answers]
    return [answer.json for answer in answers]


def assert_unavailable(answer: Answer, *words: str) -> None:
    assert answer.status == 503, answer.json
    assert answer.headers["Retry-After"] is not None
    for word in words:
        assert word in answer.error


def assert_all_refused(door: Door, *words: str) -> None:
    """Every kind of write is refused with a sentence that says why; every read is answered, and nothing changed."""
    before = state(door)
    for method, path, body in writes(door):
        assert_unavailable(door.ask(method, path, body), *words)
    for path in READS:
        assert door.ask("GET", path).status == 200, path
    assert state(door) == before


def assert_all_taken(door: Door) -> None:
    for method, path, body in writes(door):
        answer = door.ask(method, path, body)
        assert answer.status < 300, (method, path, answer.json)


def test_without_room_reads_go_on_and_every_write_is_refused_until_there_is_some(tmp_path: Path) -> None:
    with running(tmp_path, tmp_path / "u.db") as (server, door):
        with no_room_for(server.process.pid):
            assert_all_refused(door, "cannot be written", "nothing was changed")
        assert_all_taken(door)
        said = server.stop()[1]
    assert said.count("no journal tells of them") == 1, said
    assert "The journal is written again; calls that it does not tell of: " in said


def test_a_file_that_turned_read_only_is_read_until_it_may_be_written(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "u.db"
    file.parent.mkdir()
    with running(tmp_path, file, command=OBEYING) as (server, door):
        with no_room_for(server.process.pid):  # as a disk that failed and came back read-only
            assert_unavailable(door.ask("POST", "/v1/pools", pool("new")))
        _permit(file.parent, 0o444, 0o555)
        assert_all_refused(door, "read-only")
        _permit(file.parent, 0o644, 0o755)
        assert_all_taken(door)


@pytest.mark.parametrize(("files", "folder"), [(0o444, 0o755), (0o644, 0o555), (0o444, 0o555), (0o000, 0o755)])
def test_a_server_says_at_its_start_what_it_cannot_write(tmp_path: Path, files: int, folder: int) -> None:
    file = tmp_path / "disk" / "u.db"
    file.parent.mkdir()
    open_store(f"sqlite:{file}").close()
    _permit(file.parent, files, folder)
    done = subprocess.run(
        [*OBEYING, "serve", "--port", "0", "--store", f"sqlite:{file}"],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    _permit(file.parent, 0o644, 0o755)
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line.startswith("upsim: store: "), str(file) in line) == (2, True, True), line


def test_what_a_read_only_file_holds_is_served(tmp_path: Path) -> None:
    file = tmp_path / "disk" / "u.db"
    file.parent.mkdir()
    with running(tmp_path, file) as (server, door):
        before = state(door)
        assert server.stop()[0] == 0
    _permit(file.parent, 0o444, 0o755)
    with (
        serving(tmp_path, "--store", f"sqlite:{file}", "--rate-limit", "off", command=OBEYING) as server,
        Door(server.port) as door,
    ):
        assert state(door) == before
        assert_all_refused(door, "read-only")
        _permit(file.parent, 0o644, 0o755)
        assert_all_taken(door)


def _permit(folder: Path, files: int, itself: int) -> None:
    folder.chmod(0o755)
    for file in folder.iterdir():
        file.chmod(files)
    folder.chmod(itself)


@pytest.mark.skipif(not own_disks(), reason="this machine lets nobody mount a disk of his own")
def test_a_full_disk_loses_nothing_it_took(tmp_path: Path) -> None:
    """A disk that is really full: each write is either there or not, and said which, whatever part of it failed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    with running(tmp_path, disk / "u.db", command=on_a_small_disk(disk, "8m")) as (server, door):
        filler = as_seen_by(server.process.pid, disk) / "filler"
        kept: set[str] = set()
        for turn in range(3):
            _fill(filler)
            refused = _add_until_refused(door, kept, f"{turn}")
            assert_unavailable(refused, "cannot be written", "the disk is full", "there is room")
            assert_all_refused(door, "the disk is full")
            filler.unlink()
            added = door.ask("POST", "/v1/pools", pool(f"{turn} after"))
            assert added.status == 201
            kept.add(f"{turn} after")
            assert _names(door) >= kept
        assert {name for name in _names(door) if name[0].isdigit()} == kept
        assert_all_taken(door)


def _fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 10, 1):
            try:
                while file.write(bytes(size)):
                    pass
            except OSError:
                continue


def _add_until_refused(door: Door, kept: set[str], prefix: str) -> Answer:
    for number in range(1000):
        name = f"{prefix}-{number}"
        answer = door.ask("POST", "/v1/pools", pool(name))
        if answer.status != 201:
            return answer
        kept.add(name)
    raise AssertionError("the disk was never full")


def _names(door: Door) -> set[str]:
    names: set[str] = set()
    page, pages = 1, 1
    while page <= pages:
        found = door.ask("GET", f"/v1/pools?algorithm=randomx&limit=100&page={page}").json
        names |= {one["name"] for one in found["data"]}
        pages, page = found["pagination"]["total_pages"], page + 1
    return names


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_file_that_is_moved_away_takes_no_writes_until_it_is_back(tmp_path: Path, suffix: str) -> None:
    """Whatever would be written to it meanwhile, nobody would find again."""
    file, away = tmp_path / f"u.db{suffix}", tmp_path / "away"
    with running(tmp_path, tmp_path / "u.db") as (_, door):
        door.ask("GET", "/v1/overview")
        file.rename(away)
        assert_all_refused(door, f"the file {file} is gone", "put it back")
        away.rename(file)
        assert_all_taken(door)


def test_a_file_in_place_of_the_one_that_was_opened_is_not_touched(tmp_path: Path) -> None:
    file, away, other = tmp_path / "u.db", tmp_path / "away", b"somebody else's, and precious"
    with running(tmp_path, file) as (_, door):
        file.rename(away)
        file.write_bytes(other)
        assert_all_refused(door, f"another file took the place of {file}", "start upsim again")
        assert file.read_bytes() == other
        away.replace(file)
        assert_all_taken(door)


def test_requests_go_on_being_counted_and_refused_where_the_count_cannot_be_written(tmp_path: Path) -> None:
    with running(tmp_path, tmp_path / "u.db", "on") as (server, _), Door(server.port, "up_k_demobasic") as basic:

        def left() -> list[int | None]:
            answers = [basic.ask("GET", "/v1/pools") for _ in range(4)]
            return [
                int(answer.headers["X-RateLimit-Remaining"]) if answer.status == 200 else None for answer in answers
            ]

        assert left() == [9, 8, 7, 6]
        with no_room_for(server.process.pid):
            assert left() == [5, 4, 3, 2]
        assert left() == [1, 0, None, None]


def test_a_write_that_is_done_is_acknowledged_even_where_no_journal_can_tell_of_it(
    tmp_path: Path,
) -> None:
    with running(tmp_path, tmp_path / "u.db") as (_, door), sqlite3.connect(tmp_path / "u.db") as other:
        other.execute("ALTER TABLE journal RENAME TO elsewhere")
        assert door.ask("POST", "/v1/pools", pool("kept")).status == 201
        assert "kept" in _names(door)
    other.close()


def test_while_another_program_holds_the_file_requests_are_counted_and_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.01)
    store = open_store(f"sqlite:{tmp_path / 'u.db'}")
    store.create_world(record(), content())
    assert store.count_hit(WORLD, VIP, 1) == 1
    with sqlite3.connect(tmp_path / "u.db") as other:
        other.execute("BEGIN IMMEDIATE")
        assert [store.count_hit(WORLD, VIP, 1) for _ in range(3)] == [2, 3, 4]
        assert store.get_hits(WORLD, VIP, 1) == 4
        store.add_entry(WORLD, entry(1), 10)
        assert store.count_entries(WORLD, EntryFilter()) == 0  # it is shown once the file is let go of
        with pytest.raises(StoreUnavailable, match="locked"):
            store.next_number(WORLD, "x")
        other.execute("ROLLBACK")
    other.close()
    assert store.count_hit(WORLD, VIP, 1) == 5
    assert store.count_entries(WORLD, EntryFilter()) == 1
    store.close()


def test_a_turn_that_does_not_come_is_refused_and_the_next_one_is_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.01)
    opened = engine.Engine(tmp_path / "u.db", rows.RENEW)
    opened.create(rows.SCHEMA)

    def write() -> None:
        with opened.write(WORLD):
            pass

    with ThreadPoolExecutor(1) as another:
        with opened.turn:
            refused = another.submit(write)
            with pytest.raises(StoreUnavailable, match=r"took longer than 0\.01 s"):
                refused.result()
            write()  # it may be taken again by whose it is
        another.submit(write).result()
    opened.close()


def test_no_connection_leaves_to_the_system_when_a_write_is_on_the_disk(tmp_path: Path) -> None:
    """Each may be the one whose commit carries the log over into the file: it then has to wait for the disk (1), and
    after a write it waits always (2), or a power cut takes what was acknowledged."""
    opened = engine.Engine(tmp_path / "u.db", rows.RENEW)
    for borrowed, least in ((opened.read(), 2), (opened.write(WORLD), 2), (opened.counting(), 1)):
        with borrowed as connection:
            assert connection.execute("PRAGMA synchronous").fetchone()[0] >= least
    opened.close()
