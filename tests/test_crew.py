"""`upsim serve --processes N`: several processes on one port and one store that start and stop as one."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.conftest import UrlFor
from tests.doors import DOORS
from tests.serving import Serving, serving
from upsim.doors import bound_often
from upsim.errors import ConfigError

if not hasattr(os, "fork"):
    pytest.skip("this system cannot fork", allow_module_level=True)

TOLD_WITHIN_S = 60


@contextmanager
def crew(folder: Path, *arguments: str, store: str = "") -> Iterator[Serving]:
    """Two processes on a file."""
    store = store or f"sqlite:{folder / 'shared.db'}"
    with serving(folder, "--processes", "2", "--store", store, *arguments) as server:
        yield server


def children(server: Serving) -> list[int]:
    """The processes that the server's own has, by age."""
    listed = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    if not listed.exists():
        pytest.skip("this system does not say which processes a process has")
    return [int(pid) for pid in listed.read_text().split()]


def wait_until(condition: Callable[[], bool]) -> None:
    """What other processes do is waited for, and not guessed at."""
    end = time.monotonic() + TOLD_WITHIN_S
    while not condition():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("door", DOORS)
def test_a_limit_is_exact_across_processes(tmp_path: Path, door: str) -> None:
    """Of a window's ten requests each process answers some, on connections of its own."""
    with crew(tmp_path, "--server", door) as server:
        _, world = server.ask("POST", "/_upsim/worlds", {"seed": 7, "clock": {"freeze": True}}, key=None)
        key = next(account["keys"][0]["key"] for account in world["accounts"] if account["name"] == "basic")
        assert len(children(server)) == 2
        statuses = [server.ask("GET", "/v1/pools", key=key)[0] for _ in range(14)]
        assert statuses == [200] * 10 + [429] * 4


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("mongodb", marks=pytest.mark.mongodb)])
def test_all_that_is_written_is_there_for_all(tmp_path: Path, url_for: UrlFor, kind: str) -> None:
    described = {"algorithm": "randomx", "host": "any.example", "port": 1, "username": "u"}
    with crew(tmp_path, "--rate-limit", "off", store=url_for(kind)) as server:
        made = [server.ask("POST", "/v1/pools", described | {"name": f"p{n}", "port": n + 1}) for n in range(8)]
        assert [status for status, _ in made] == [201] * 8
        for _, pool in made:
            assert server.ask("GET", f"/v1/pools/{pool['_id']}")[1]["name"] == pool["name"]


def sockets(pid: int) -> int:
    """How many the process has open."""
    with os.scandir(f"/proc/{pid}/fd") as files:
        return sum(os.readlink(file.path).startswith("socket:") for file in files)


@pytest.mark.parametrize("door", DOORS)
def test_connections_that_come_at_once_are_dealt_out(tmp_path: Path, door: str) -> None:
    with crew(tmp_path, "--server", door) as server, ExitStack() as stack:
        before = {pid: sockets(pid) for pid in children(server)}
        opened = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=20)) for _ in range(40)
        ]
        for connection in opened:
            connection.sendall(b"GET /_upsim/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        for connection in opened:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
        taken = [sockets(pid) - had for pid, had in before.items()]
        assert all(taken), "that one of two takes forty by chance, happens once in 500,000,000,000 times"


def test_a_port_that_others_share_is_not_shared_with_us(tmp_path: Path) -> None:
    with crew(tmp_path) as server, pytest.raises(ConfigError, match="cannot listen"):
        bound_often("127.0.0.1", server.port, 2)


@pytest.mark.parametrize("door", DOORS)
def test_a_process_that_ends_is_said_and_replaced(tmp_path: Path, door: str) -> None:
    with crew(tmp_path, "--server", door) as server:
        first, second = children(server)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(set(children(server)) - {first}) == 2)
        assert second in children(server)
        for _ in range(6):
            assert server.ask("GET", "/v1/overview")[0] == 200
        code, said = server.stop()
    assert code == 0
    (line,) = said.splitlines()
    assert f"process {first} ended unasked (signal 9)" in line


def test_when_the_one_that_watches_is_killed_nobody_stays(tmp_path: Path) -> None:
    with crew(tmp_path, "--pool-ports", "sha256=0") as server:
        others = children(server)
        assert len(others) == 3
        server.process.kill()
        wait_until(lambda: all(map(is_gone, others)))


def test_pools_are_opened_once_and_again_on_their_ports(tmp_path: Path) -> None:
    with crew(tmp_path, "--pool-ports", "sha256=0,scrypt=0") as server:
        ports = [int(pool["url"].rpartition(":")[2]) for pool in server.ready["pools"]]
        assert len(set(ports)) == 2

        def answer() -> bool:
            try:
                for port in ports:
                    socket.create_connection(("127.0.0.1", port), timeout=20).close()
            except ConnectionRefusedError:
                return False
            return True

        assert answer()
        holder = children(server)[-1]
        os.kill(holder, signal.SIGKILL)
        wait_until(lambda: is_gone(holder))
        wait_until(answer)
        assert server.stop()[0] == 0


def test_beyond_loopback_one_token_opens_every_process(tmp_path: Path) -> None:
    with crew(tmp_path, "--host", "0.0.0.0", "--fixture", "empty") as server:
        token = server.ready["admin_token"]
        assert token in server.banner
        for _ in range(4):
            status, _ = server.ask("GET", "/_upsim/worlds", key=None, token=token)
            assert status == 200
