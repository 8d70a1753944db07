"""What a start finds prepared is what it would have made: never anything else, whatever was changed since."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import partial
from importlib.resources import files
from pathlib import Path

import pytest

from tests.api.harness import HandClock
from upsim import fixture, prepared
from upsim.config import Config
from upsim.rules.devices import summands
from upsim.serve import Server
from upsim.store.factory import MEMORY
from upsim.store.sqlite import SQLiteStore

MAKING = """
import sys
from upsim import fixture
from upsim.clock import ClockState
from upsim.model import WorldId, WorldRecord
from upsim.rules.devices import summands
from upsim.store.factory import open_store
record = WorldRecord(WorldId("w"), "bad-day", 1, ClockState.real(), 0)
open_store("memory:", summands).create_world(record, fixture.load("bad-day").content)
print(*(module.__file__ for name, module in sys.modules.items() if name.partition(".")[0] == "upsim"))
"""


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of upsim's code and fixtures, which is where it now looks for both."""
    for package in ("upsim", "upsim_fixtures"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(Path(str(files(package))), tmp_path / package, ignore=ignored)
    for module in (prepared, fixture):
        monkeypatch.setattr(module, "files", lambda package: tmp_path / package)
    monkeypatch.setattr(prepared, "_QUIET_S", 0)
    return tmp_path


started = partial(Server, fresh=True)
"""A server as `upsim serve` makes it."""


def kept(copy: Path, name: str = "demo") -> list[Path]:
    """What is kept of a fixture."""
    return sorted((copy / "upsim_fixtures" / "__pycache__").glob(f"{name}.*.db"))


def contents(server: Server) -> list[str]:
    """All that is in a server's store, but for the versions, which are chance."""
    store = server.universe.store
    assert isinstance(store, SQLiteStore)
    with store._engine.read() as db:
        return [line for line in db.iterdump() if not line.startswith('INSERT INTO "versions"')]


def versions(server: Server) -> list[object]:
    """The versions of what is in a server's store."""
    store = server.universe.store
    assert isinstance(store, SQLiteStore)
    with store._engine.read() as db:
        return db.execute("SELECT world, version FROM versions").fetchall()


def finds(*, fresh: bool = True) -> bool:
    """Whether a start finds the demo world prepared."""
    start = prepared.start(MEMORY, "demo", summands, fresh=fresh)
    start.store.close()
    return start.prepared


def test_a_prepared_start_is_the_start_it_would_have_been(copy: Path) -> None:
    clock = HandClock()
    first = started(Config(), clock)
    clock.advance(3600)
    found = started(Config(seed=7), clock)
    (place,) = kept(copy)
    place.unlink()
    anew = started(Config(seed=7), clock)
    assert contents(found) == contents(anew) != contents(first)
    assert found.logins == anew.logins != ()
    assert len({str(versions(server)) for server in (first, found, anew)}) == 3
    for server in (first, found, anew):
        server.close()


def test_it_is_found_where_it_was_kept(copy: Path) -> None:
    assert not finds()
    started(Config()).close()
    found = prepared.start(MEMORY, "demo", summands, fresh=True)
    known = fixture.load("demo")
    assert found.prepared
    assert found.beginning.content == known.content
    for fact in ("name", "description", "digest", "secrets", "clock", "remarks"):
        assert getattr(found.beginning, fact) == getattr(known, fact)
    found.store.close()


def test_a_fixture_s_clock_is_kept_with_it(copy: Path) -> None:
    made, found = started(Config(fixture="bad-day"), HandClock()), started(Config(fixture="bad-day"), HandClock())
    assert len(kept(copy, "bad-day")) == 1
    assert contents(found) == contents(made)
    made.close()
    found.close()


def test_whatever_it_follows_from_is_in_its_name(copy: Path) -> None:
    names = {prepared._place_of("demo")}
    folder = copy / "upsim_fixtures"
    texts = [folder / "demo.yaml", folder / "schema.yaml", *map(Path, prepared.sources())]
    assert copy / "upsim" / "fleet" / "device.py" in texts
    for number, text in enumerate(texts, 1):
        before = text.read_bytes()
        text.write_bytes(before + b"\n")
        names.add(prepared._place_of("demo"))
        assert len(names) == number + 1, text
        text.write_bytes(before)
    (copy / "upsim" / "fleet" / "new.py").touch()
    names.add(prepared._place_of("demo"))
    assert len(names) == len(texts) + 2
    assert None not in names


def test_it_follows_from_no_other_code() -> None:
    done = subprocess.run([sys.executable, "-c", MAKING], capture_output=True, text=True, timeout=60, check=True)
    used = set(map(Path, done.stdout.split()))
    assert len(used) > 30
    assert used <= set(map(Path, prepared.sources()))


def test_code_that_was_changed_makes_anew_and_leaves_nothing_old(copy: Path) -> None:
    started(Config()).close()
    (old,) = kept(copy)
    with (copy / "upsim" / "fleet" / "device.py").open("a") as code:
        code.write("# changed\n")
    assert not finds()
    started(Config()).close()
    (new,) = kept(copy)
    assert new != old


@pytest.mark.parametrize("cut", [0, 1, 100, 50_000, -1])
def test_what_is_broken_is_made_anew(copy: Path, cut: int) -> None:
    first = started(Config(), HandClock())
    (place,) = kept(copy)
    whole = place.read_bytes()
    place.write_bytes(whole[:cut])
    second = started(Config(), HandClock())
    assert contents(second) == contents(first)
    assert len(place.read_bytes()) == len(whole)
    first.close()
    second.close()


def test_what_is_no_database_is_made_anew(copy: Path) -> None:
    started(Config()).close()
    (place,) = kept(copy)
    head, _, image = place.read_bytes().partition(b"\n")
    place.write_bytes(head + b"\n" + b"x" * len(image))
    assert not finds()


def test_a_folder_that_cannot_be_written_costs_time_only(copy: Path) -> None:
    (copy / "upsim_fixtures" / "__pycache__").write_text("in the way")
    for _ in range(2):
        server = started(Config())
        assert server.logins
        server.close()


def test_while_code_changes_nothing_is_kept(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process may have loaded what was there before."""
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "_QUIET_S", 3600)
        started(Config()).close()
    assert kept(copy) == []
    begun = prepared.start(MEMORY, "demo", summands, fresh=True)
    with (copy / "upsim" / "model.py").open("a") as code:
        code.write("# changed\n")
    begun.keep()
    begun.store.close()
    assert kept(copy) == []


def test_a_process_that_runs_already_neither_keeps_nor_finds(copy: Path) -> None:
    Server(Config()).close()
    assert kept(copy) == []
    started(Config()).close()
    assert len(kept(copy)) == 1
    assert not finds(fresh=False)


def test_what_is_large_is_not_kept(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_MOST_BYTES", 500_000)
    started(Config()).close()
    started(Config(fixture="empty")).close()
    assert (len(kept(copy)), len(kept(copy, "empty"))) == (0, 1)


def test_what_follows_from_more_than_its_text_is_not_kept(copy: Path, tmp_path: Path) -> None:
    started(Config(fixture="recorded-farm")).close()
    own = tmp_path / "own.yaml"
    shutil.copy(copy / "upsim_fixtures" / "demo.yaml", own)
    started(Config(fixture=str(own))).close()
    started(Config(store=f"sqlite:{tmp_path}/upsim.db")).close()
    assert list(tmp_path.rglob("*.db")) == [tmp_path / "upsim.db"]
