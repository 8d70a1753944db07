"""`kill -9` while several threads write over HTTP: what was acknowledged is there afterwards, and nothing in part.

Each thread writes to a world of its own, where all content is compared with that of a twin, and all of them to one that
they share, where what they were told is counted. Every write there is is among them: see `writers`.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from random import Random
from typing import Final

import pytest
from werkzeug.test import Client

from tests.lossless.door import Door
from tests.lossless.writers import Here, Writer, pool
from tests.serving import serving
from tests.store.invariants import check_world
from upsim.config import configure
from upsim.serve import Server
from upsim.store.factory import open_store

ROUNDS: Final = int(os.environ.get("UPSIM_TEST_CRASH_ROUNDS", "2"))
"""How often the server is killed."""

WRITERS: Final = 3
"""How many threads write, each to a world of its own."""

SHARING: Final = 2
"""How many more write to one world that they share."""

FARM: Final = "/_upsim/worlds/shared"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who there is to kill is read from /proc")


@dataclass
class Shared:
    """What threads were told of the world that all write to.

    Attributes:
        told: the marks of the calls that were answered since the last check.
        sent: those that were begun.
        pools: the names of pools that were there at the last check.
    """

    key: str = ""
    told: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    pools: set[str] = field(default_factory=set)

    def begin(self, door: Door) -> None:
        made = door.ask("POST", "/_upsim/worlds", {"id": "shared", "fixture": "empty"})
        assert made.status == 201
        (self.key,) = (account["keys"][0]["key"] for account in made.json["accounts"] if account["name"] == "vip")
        assert door.ask("POST", f"{FARM}/clock", {"freeze": True}).status == 200

    def write(self, door: Door, name: str) -> None:
        """Add pools and read, each call with a mark of its own, until there is no answer."""
        with suppress(OSError, http.client.HTTPException):
            for number in count():
                mark = f"{name}-{number}"
                self.sent.add(mark)
                if number % 3:
                    assert door.ask("GET", f"/v1/overview?mark={mark}").status == 200
                else:
                    assert door.ask("POST", "/v1/pools", pool(mark)).status in (201, 403)  # the tier allows so many
                self.told.add(mark)

    def check(self, door: Door) -> None:
        """Assert that each call that was answered was counted once and journaled once, and that each pool is there."""
        entries = door.ask("GET", f"{FARM}/journal?limit=1000").json["data"]
        marks = [one["query"].removeprefix("mark=") or one["body"]["name"] for one in entries]
        assert len(marks) == len(set(marks))
        assert self.told <= set(marks) <= self.sent
        numbers = [one["seq"] for one in entries]
        assert numbers == list(range(numbers[0] if numbers else 0, numbers[-1] + 1 if numbers else 0))
        (vip,) = (one for one in door.ask("GET", f"{FARM}/accounts").json["data"] if one["name"] == "vip")
        assert len(marks) <= vip["window"]["used"] <= len(self.sent)
        found = {one["name"] for one in door.ask("GET", f"{FARM}/download").json["pools"]}
        accepted = {one["body"]["name"] for one in entries if one["status"] == 201}
        assert self.pools | accepted <= found <= self.pools | self.sent
        self.pools = found
        self.told.clear()
        self.sent.clear()
        assert door.ask("DELETE", f"{FARM}/journal").status == 200
        assert door.ask("POST", f"{FARM}/clock", {"advance": "1m"}).status == 200


@pytest.mark.parametrize("how", [(), ("--server", "granian", "--processes", "2")], ids=["waitress", "granian-twice"])
def test_a_server_that_is_killed_loses_nothing_it_acknowledged_and_keeps_nothing_in_part(
    tmp_path: Path, how: Sequence[str]
) -> None:
    file, chance, shared, made = tmp_path / "u.db", Random("kill"), Shared(), 0
    options = ("--store", f"sqlite:{file}", "--rate-limit", "off", "--fixture", "empty", *how)
    twin = Server(configure({"rate_limit": "off", "fixture": "empty"}, {}))
    with closing(twin):
        client = Client(twin.app)
        writers: list[Writer] = []
        for turn in range(ROUNDS + 1):
            with serving(tmp_path, *options) as server, ExitStack() as doors:

                def door(key: str, port: int = server.port, doors: ExitStack = doors) -> Door:
                    return doors.enter_context(Door(port, key))

                if turn == 0:
                    writers = [Writer(number, door, lambda key: Here(client, key)) for number in range(WRITERS)]
                    shared.begin(door(""))
                else:
                    made += sum(writer.check(door) for writer in writers)
                    shared.check(door(""))
                if turn < ROUNDS:
                    writing = [partial(writer.write) for writer in writers]
                    writing += [
                        partial(shared.write, door(shared.key), f"{turn}-{number}") for number in range(SHARING)
                    ]
                    _kill_amid(server.process, writing, chance)
            if turn < ROUNDS:
                _check_file(file, tmp_path / "copy.db")
    told = sum(writer.acknowledged for writer in writers)
    print(f"{ROUNDS} kills, {told} writes acknowledged, none lost; {made} that were under way had been carried out")
    assert told


def _kill_amid(process: subprocess.Popen[str], writing: Sequence[Callable[[], None]], chance: Random) -> None:
    """Let all write, each in a thread, and kill the server at some instant."""
    with ThreadPoolExecutor(len(writing)) as threads:
        under_way = [threads.submit(write) for write in writing]
        wait(under_way, timeout=0.05 + chance.random() * 0.8, return_when=FIRST_COMPLETED)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()  # before the others, which it would replace
        for child in children:
            os.kill(int(child), signal.SIGKILL)
    for each in under_way:
        each.result()


def _check_file(file: Path, copy: Path) -> None:
    """Assert all invariants of every world, on a copy: the next server meets what the killed one left."""
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{file}{suffix}", f"{copy}{suffix}")
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    store = open_store(f"sqlite:{copy}")
    for world in store.list_worlds():
        check_world(store, world.id)
    store.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
