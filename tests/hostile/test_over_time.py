"""Hostile clients that take their time, or come in numbers: others are served, and nothing grows without end."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.doors import DOORS
from tests.hostile.cases import KEY, get
from tests.hostile.test_cases import told
from tests.hostile.trials import tried
from tests.serving import UPSIM, Serving, serving
from upsim.config import configure
from upsim.descriptors import connections
from upsim.doors import bounds, channel
from upsim.serve import Server

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what a process holds is read from /proc")

FIELDS = b"Host: 127.0.0.1\r\n" + KEY
KEPT = b"GET /v1/overview HTTP/1.1\r\n" + FIELDS + b"\r\n"
"""A request whose connection is kept."""
BEGUN = b"POST /v1/pools HTTP/1.1\r\nContent-Type: application/json\r\n" + FIELDS


@pytest.fixture(params=DOORS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Serving]:
    """A process of its own, by each door."""
    with serving(tmp_path, "--server", str(request.param), "--rate-limit", "off") as served:
        yield served


@contextmanager
def inside(monkeypatch: pytest.MonkeyPatch, door: str = "waitress", **short: int) -> Iterator[int]:
    """A server in this process, its bounds made short; its port."""
    for name, value in short.items():
        for module in (channel, bounds):
            monkeypatch.setattr(module, name, value, raising=module is channel)
    served = Server(configure({"port": "0", "rate_limit": "off", "server": door}, {}))
    url = served.listen()
    served.start()
    try:
        yield int(url.rpartition(":")[2])
    finally:
        served.close()


def connected(stack: ExitStack, port: int, sent: bytes) -> socket.socket:
    """A connection over which something was sent, open until the end of the block."""
    client = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
    client.sendall(sent)
    return client


def assert_served(port: int) -> None:
    """Assert that somebody else is answered, several times."""
    for _ in range(5):
        assert told(port, get("/v1/overview")).split(b" ", 2)[1] == b"200"
        assert told(port, get("/", b"")).split(b" ", 2)[1] == b"200"


def held(server: Serving) -> tuple[int, int]:
    """How many MB the process has in memory, and how many descriptors."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
    return kilobytes // 1024, len(os.listdir(f"/proc/{server.process.pid}/fd"))


@tried("1,000 connections that were used once and are kept open", "others are served; each costs less than 64 KB")
def test_a_thousand_idle_connections_keep_nobody_out(server: Serving) -> None:
    if connections(1000) < 1000:
        pytest.skip("this machine gives a process too few descriptors to try it")
    assert_served(server.port)
    before = held(server)
    with ExitStack() as stack:
        for client in [connected(stack, server.port, KEPT) for _ in range(1000)]:
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        assert_served(server.port)
        assert held(server)[0] - before[0] < 64
    assert_served(server.port)


@tried(
    "2,300 connections with half a head each",
    "others are served; waitress closes those that have waited longest, granian after a minute",
)
def test_heads_that_never_end_keep_nobody_out(server: Serving) -> None:
    if connections(2400) < 2400:
        pytest.skip("this machine gives a process too few descriptors to try it")
    with ExitStack() as stack:
        for _ in range(2300):
            connected(stack, server.port, b"GET /v1/ov")
        assert_served(server.port)
    assert_served(server.port)


@tried("a head that comes in drops", "waitress: 408 after a minute; granian: closed after a minute")
def test_a_head_that_takes_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with inside(monkeypatch, HEAD_S=1, CHECK_S=0) as port:
        for begun in (
            b"GET /v1/ov",
            b"GET /v1/overview HTTP/1.1\r\nX: y\r\n",
            b"GET /v1/overview HTTP/1.1\nHost: x\n\n",
        ):
            assert told(port, begun).startswith(b"HTTP/1.0 408 ")
        assert_served(port)


@tried(
    "100 bodies that never come whole",
    "others are served, the bodies are refused with 408 after a minute",
)
@pytest.mark.parametrize("door", DOORS)
def test_bodies_that_never_end_keep_nobody_out(monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    with inside(monkeypatch, door, HEAD_S=2, CHECK_S=0) as port, ExitStack() as stack:
        begun = [BEGUN + b"Content-Length: 100\r\n\r\n{", BEGUN + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{"]
        slow = [connected(stack, port, begun[number % 2]) for number in range(100)]
        assert_served(port)
        for client in slow[:2]:
            assert client.recv(1 << 16).split(b" ", 2)[1] == b"408"


@tried("a few bodies that never come whole, with keys that open nothing", "others are served")
def test_bodies_of_those_who_may_not_come_in_keep_nobody_out(server: Serving) -> None:
    with ExitStack() as stack:
        for key in (b"up_k_demoexpired", b"up_k_demolimited", b"up_k_nobodys"):
            head = b"POST /v1/pools HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: " + key
            connected(stack, server.port, head + b"\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        assert_served(server.port)


@tried("Expect: 100-continue, and nothing after it, 20 times", "others are served; 408 after a minute")
@pytest.mark.parametrize("door", DOORS)
def test_who_asks_to_go_on_and_does_not_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch, door: str) -> None:
    with inside(monkeypatch, door, HEAD_S=2, CHECK_S=0) as port, ExitStack() as stack:
        fields = b"Expect: 100-continue\r\nContent-Length: 10\r\n\r\n"
        silent = [connected(stack, port, BEGUN + fields) for _ in range(20)]
        assert_served(port)
        heard = b""
        while piece := silent[0].recv(1 << 16):
            heard += piece
        assert heard.startswith(b"HTTP/1.1 100 ")
        assert b" 408 " in heard


@tried("half a body, then the end", "not carried out")
@pytest.mark.parametrize("length", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n64\r\n"])
def test_a_body_that_breaks_off_is_not_acted_upon(server: Serving, length: bytes) -> None:
    """Though what came of it would be a whole pool."""
    pool = b'{"name": "half", "algorithm": "randomx", "host": "healthy.pool.test", "port": 1, "username": "u"}'
    if b"chunked" in length:
        pool = pool[:-1]  # the end of an object is the end of a body that makes sense
    for hangs_up in (True, False):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
            client.sendall(BEGUN + length + pool)
            if not hangs_up:
                client.shutdown(socket.SHUT_WR)
                assert b" 201 " not in client.recv(1 << 16)
    assert_served(server.port)
    _, found = server.ask("GET", "/v1/pools?algorithm=randomx&limit=100")
    assert "half" not in {one["name"] for one in found["data"]}


@tried("100 MB in chunks", "413; of what came, no more than 1 MB was kept")
def test_a_hundred_megabytes_are_never_held(server: Serving) -> None:
    assert_served(server.port)
    before = held(server)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(BEGUN + b"Transfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            for _ in range(100):
                client.sendall(b"100000\r\n" + bytes(1 << 20) + b"\r\n")
        with suppress(ConnectionError):
            assert client.recv(1 << 16).split(b" ", 2)[1] == b"413"
    assert held(server)[0] - before[0] < 32
    assert_served(server.port)


@tried(
    "12 connections, each with 180 requests at once for what is large, that read nothing",
    "others are served; waitress gives each up after a minute in which nothing was taken",
)
def test_who_reads_no_answer_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than threads."""
    with inside(monkeypatch, HEAD_S=1, CHECK_S=0) as port, ExitStack() as stack:
        for _ in range(12):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", port))
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 180)
        assert_served(port)


@tried("300 clients that go away in the midst of a request", "others are served, no descriptor is left")
def test_clients_that_go_away_leave_nothing(server: Serving) -> None:
    assert_served(server.port)
    before = held(server)
    for begun in (b"GET /v1/ov", BEGUN + b"Content-Length: 10\r\n\r\n{", KEPT):
        for _ in range(100):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
                client.sendall(begun)
    assert_served(server.port)
    assert held(server)[1] <= before[1] + 16


@tried("2 MB for a world to load, without the admin token", "401, and no more than 1 MB was kept; with it, it is read")
def test_only_who_may_load_a_world_has_room_for_it(tmp_path: Path) -> None:
    body = b" " * (2 << 20) + b'{"id": "big", "fixture": "empty"}'
    head = b"POST /_upsim/worlds HTTP/1.1\r\nContent-Type: application/json\r\nHost: x\r\nConnection: close\r\n"
    with serving(tmp_path, "--admin-token", "only-ours") as served:
        for token, status in (
            (b"", b"401"),
            (b"X-Upsim-Token: guess\r\n", b"401"),
            (b"X-Upsim-Token: only-ours\r\n", b"201"),
        ):
            answer = told(served.port, head + token + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            assert answer.split(b" ", 2)[1] == status


@tried("as many connections to a pool's port as it takes, where descriptors are few", "the API is served all the same")
def test_miners_take_no_descriptors_from_the_api(tmp_path: Path) -> None:
    few = ("sh", "-c", 'ulimit -n 700; exec "$0" "$@"', *UPSIM)
    options = ("--pool-ports", "randomx=0", "--rate-limit", "off")
    with serving(tmp_path, *options, command=few) as served, ExitStack() as stack:
        port = int(served.ready["pools"][0]["url"].rpartition(":")[2])
        for number in range(800):
            miner = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            if number % 2:
                miner.sendall(b'{"id": 1, "method": "login", "params": {"login": "wallet", "pass": "x"}}\n')
        before = -1
        while (now := held(served)[1]) != before:  # until it has taken in all that it takes
            before = now
            time.sleep(0.2)
        assert_served(served.port)
