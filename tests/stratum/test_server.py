"""The server under strain: hostile and silent peers stay bounded, and leave everybody else alone."""

from __future__ import annotations

import contextlib
import json
import resource
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from upsim.algorithms import ALGORITHMS
from upsim.clock import ClockState, Instant
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.server import MAX_UNREAD_BYTES
from upsim.tls.certificates import throw_away_context, unverified_context

from .conftest import NOON

HALF_OPEN = 2_000
SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":[]}\n'
HELLO = SUBSCRIBE + b'{"id":2,"method":"mining.authorize","params":["u","x"]}\n'


class StoodStill:
    """A clock that shows what it is told."""

    def __init__(self) -> None:
        self.state = ClockState(Instant(0), NOON, 0.0)

    def now(self) -> Instant:
        return self.state.at(Instant(0))


@pytest.fixture
def clock() -> StoodStill:
    return StoodStill()


@pytest.fixture
def server(clock: StoodStill, no_thread_left: None) -> Iterator[PoolServer]:
    with PoolServer(clock, pace=0.02) as made:
        yield made


@pytest.fixture
def pool() -> SimulatedPool:
    return SimulatedPool(ALGORITHMS["sha256"], 1)


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def said(connection: socket.socket, lines: int) -> list[bytes]:
    """The next lines of a connection."""
    data = b""
    while data.count(b"\n") < lines:
        piece = connection.recv(65_536)
        assert piece, f"closed after {data!r}"
        data += piece
    return data.splitlines()


def closed(connection: socket.socket) -> bool:
    """Reads to the end; says whether the other side hung up."""
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def mines(port: int) -> bool:
    """Whether a miner is served there."""
    with connected(port) as miner:
        miner.sendall(HELLO)
        return b"mining.notify" in said(miner, 4)[3]


def test_a_port_serves_plain_and_tls_alike(server: PoolServer, pool: SimulatedPool) -> None:
    port = server.open(pool)
    assert mines(port)
    with unverified_context().wrap_socket(connected(port)) as miner:
        miner.sendall(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
        assert json.loads(said(miner, 1)[0])["id"] == 1


def test_each_certificate_is_made_for_the_occasion(server: PoolServer, pool: SimulatedPool) -> None:
    ports = [server.open(pool), server.open(pool)]
    assert len({ssl.get_server_certificate(("127.0.0.1", port)) for port in ports}) == 1, "one a server"
    assert throw_away_context() is not throw_away_context()


def test_a_line_of_10_mb_is_hung_up_on_and_others_go_on(server: PoolServer, pool: SimulatedPool) -> None:
    port = server.open(pool)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with connected(port) as flood:

        def pour() -> None:
            try:
                for _ in range(160):
                    flood.sendall(b"A" * 65_536)
            except OSError:
                return

        pouring = threading.Thread(target=pour)
        pouring.start()
        assert mines(port)
        assert closed(flood)
        pouring.join()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000


def test_half_open_connections_leave_others_alone(server: PoolServer, pool: SimulatedPool) -> None:
    """Two thousand peers that connect and say nothing: one is served as ever, and all are let go of in the end."""
    port = server.open(pool)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 3 * HALF_OPEN:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 3 * HALF_OPEN), hard))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    silent = [connected(port) for _ in range(HALF_OPEN)]
    try:
        assert mines(port)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000
    finally:
        for connection in silent:
            connection.close()
    assert mines(port)


def test_who_does_not_log_in_is_let_go(server: PoolServer, pool: SimulatedPool) -> None:
    port = server.open(pool, behaviour="login-timeout")
    with connected(port) as idle:
        idle.sendall(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
        said(idle, 1)
        assert closed(idle)


def test_who_does_not_read_is_let_go(server: PoolServer, pool: SimulatedPool) -> None:
    """Replies are not collected for a peer that asks and never reads."""
    port = server.open(pool)
    greedy = connected(port)
    greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    asked = b'{"id":1,"method":"mining.subscribe","params":["' + b"x" * 60 + b'"]}\n'
    try:
        with pytest.raises(ConnectionError):
            greedy.sendall(asked * (100 * MAX_UNREAD_BYTES // len(asked)))
    finally:
        greedy.close()
    assert mines(port)


def test_a_new_block_reaches_everybody(server: PoolServer, pool: SimulatedPool, clock: StoodStill) -> None:
    port = server.open(pool)
    miners = [connected(port) for _ in range(20)]
    for miner in miners:
        miner.sendall(HELLO)
        said(miner, 4)
    clock.state = clock.state.advanced(Instant(0), 86_400_000)
    jobs = {said(miner, 1)[0] for miner in miners}
    for miner in miners:
        miner.close()
    assert len(jobs) == 1
    assert json.loads(jobs.pop())["params"][8] is True


def test_closing_hangs_up_on_everybody(pool: SimulatedPool, no_thread_left: None) -> None:
    server = PoolServer()
    port = server.open(pool)
    miner = connected(port)
    miner.sendall(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    said(miner, 1)
    server.close()
    assert closed(miner)
    miner.close()
    with pytest.raises(ConnectionRefusedError):
        connected(port)


def test_a_port_that_is_taken_is_an_error(server: PoolServer, pool: SimulatedPool) -> None:
    port = server.open(pool)
    with pytest.raises(OSError, match="use"):
        server.open(pool, port)


def test_a_behaviour_can_hold_for_the_next_connections_only(server: PoolServer, pool: SimulatedPool) -> None:
    port = server.open(pool, behaviour="closes", behaviour_times=1)
    with connected(port) as first:
        assert closed(first)
    assert mines(port)


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [("stale-burst", 21), ("duplicate-burst", 22), ("low-difficulty-burst", 23), ("unchecked-login", 24)],
)
def test_bursts_of_refusals_have_their_code(behaviour: str, code: int, server: PoolServer, pool: SimulatedPool) -> None:
    with connected(server.open(pool, behaviour=behaviour)) as miner:
        miner.sendall(HELLO)
        said(miner, 4)
        miner.sendall(b'{"id":4,"method":"mining.submit","params":["u","1","00000000","00000000","00000000"]}\n')
        assert json.loads(said(miner, 1)[0])["error"][0] == code


def test_shares_that_are_never_answered(server: PoolServer, pool: SimulatedPool) -> None:
    with connected(server.open(pool, behaviour="mute-shares")) as miner:
        miner.sendall(HELLO)
        said(miner, 4)
        miner.sendall(
            b'{"id":4,"method":"mining.submit","params":["u","1","00","00","00"]}\n{"id":5,"method":"mining.ping","params":[]}\n'
        )
        assert json.loads(said(miner, 1)[0]) == {"id": 5, "result": "pong", "error": None}


def test_a_pool_that_bans_hangs_up_after_a_refused_share(server: PoolServer, pool: SimulatedPool) -> None:
    with connected(server.open(pool, behaviour="bans-rejects")) as miner:
        miner.sendall(HELLO)
        said(miner, 4)
        miner.sendall(b'{"id":4,"method":"mining.submit","params":["u","1","00","00","00"]}\n')
        assert closed(miner)


@pytest.mark.parametrize("behaviour", ["retarget", "new-extranonce", "reconnect", "message"])
def test_what_a_pool_does_after_the_first_job(behaviour: str, server: PoolServer, pool: SimulatedPool) -> None:
    """In order, and a changed difficulty or extranonce is followed by a job that it holds for."""
    expected = {
        "retarget": ["mining.set_difficulty", "mining.notify"],
        "new-extranonce": ["mining.set_extranonce", "mining.notify"],
        "reconnect": ["client.reconnect"],
        "message": ["client.show_message"],
    }[behaviour]
    with connected(server.open(pool, behaviour=behaviour)) as miner:
        miner.sendall(SUBSCRIBE + b'{"id":3,"method":"mining.extranonce.subscribe","params":[]}\n')
        said(miner, 2)
        miner.sendall(b'{"id":2,"method":"mining.authorize","params":["u","x"]}\n')
        heard = [json.loads(line).get("method") for line in said(miner, 3 + len(expected))]
    assert heard == [None, "mining.set_difficulty", "mining.notify", *expected]


def test_a_port_cannot_refuse_one_by_one_so_it_resets(server: PoolServer, pool: SimulatedPool) -> None:
    port = server.open(pool, behaviour="flaky")
    assert mines(port)
    with socket.socket() as second, contextlib.suppress(ConnectionResetError):
        second.connect(("127.0.0.1", port))
        assert second.recv(1) == b""
    assert mines(port)


def test_a_source_of_behaviours_that_fails_costs_one_connection(
    server: PoolServer, pool: SimulatedPool, caplog: pytest.LogCaptureFixture
) -> None:
    def meets(number: int) -> str:
        if number == 0:
            raise RuntimeError("the store is away")
        return "healthy"

    port = server.open(pool, behaviour=meets)
    with connected(port) as first:
        assert closed(first)
    assert mines(port)
    assert "the store is away" in caplog.text


def test_a_clock_that_fails_does_not_stop_the_jobs(pool: SimulatedPool, caplog: pytest.LogCaptureFixture) -> None:
    """Jobs come again once the clock does."""

    class Stumbling(StoodStill):
        fails = 0

        def now(self) -> Instant:
            if self.fails > 0:
                self.fails -= 1
                raise RuntimeError("no time")
            return super().now()

    clock = Stumbling()
    with PoolServer(clock) as server, connected(server.open(pool)) as miner:
        miner.sendall(HELLO)
        said(miner, 4)
        clock.fails = 1
        clock.state = clock.state.advanced(Instant(0), 86_400_000)
        assert b"mining.notify" in said(miner, 1)[0]
    assert "no time" in caplog.text
