"""Independent peers: aiorpcX, strict about JSON-RPC, as a client of our pool and as a server our tester tries."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiorpcx
import pytest

from upsim.algorithms import ALGORITHMS
from upsim.clock import SystemClock
from upsim.model import PoolTarget, PoolTest, Stage, WorldId
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.ports import PoolServer
from upsim.stratum.service import LocalBehaviours, PoolNetwork, PoolWorld
from upsim.stratum.wire import RejectCode


class _Client(aiorpcx.RPCSession):  # type: ignore[misc] # aiorpcX has no types
    """Collects what the pool sends unasked."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.heard: list[tuple[str, Any]] = []
        self.has_job = asyncio.Event()

    async def handle_request(self, request: Any) -> None:
        self.heard.append((request.method, request.args))
        if request.method in ("mining.notify", "job"):
            self.has_job.set()


async def _session(port: int, protocol: Any, talk: Callable[[_Client], Any]) -> Any:
    transport = aiorpcx.connect_rs(
        "127.0.0.1",
        port,
        session_factory=lambda *a, **k: _Client(*a, connection=aiorpcx.JSONRPCConnection(protocol), **k),
    )
    async with transport as session:
        return await talk(session)


@pytest.mark.parametrize("algorithm", ["sha256", "scrypt", "sha512256d", "autolykos", "nexapow"])
def test_a_strict_client_mines_v1(algorithm: str) -> None:
    async def talk(session: _Client) -> Any:
        hello = await session.send_request("mining.subscribe", ["aiorpcx"])
        assert await session.send_request("mining.authorize", ["wallet.rig1", "x"]) is True
        await session.has_job.wait()
        # The library cannot read the arrays of V1, but takes them for what they are: errors.
        with pytest.raises(aiorpcx.RPCError):
            await session.send_request("mining.submit", ["wallet.rig1", "ffff", "00000000", "00000000", "00000000"])
        return hello, [method for method, _ in session.heard]

    with PoolServer() as server:
        pool = SimulatedPool(ALGORITHMS[algorithm], 1)
        hello, heard = asyncio.run(_session(server.open(pool), aiorpcx.JSONRPCv1, talk))
    assert len(hello) == 3
    assert pool.tally.rejects == {RejectCode.STALE: 1}
    assert heard == ["mining.set_difficulty", "mining.notify"]


def test_a_strict_client_mines_monero() -> None:
    async def talk(session: _Client) -> Any:
        login = await session.send_request("login", {"login": "wallet", "pass": "x", "agent": "aiorpcx"})
        kept = await session.send_request("keepalived", {"id": login["id"]})
        share = {"id": login["id"], "job_id": login["job"]["job_id"], "nonce": "00000001", "result": "00" * 32}
        return login, kept, await session.send_request("submit", share)

    with PoolServer() as server:
        pool = SimulatedPool(ALGORITHMS["randomx"], 1)
        login, kept, share = asyncio.run(_session(server.open(pool), aiorpcx.JSONRPCLoose, talk))
    assert len(login["job"]["blob"]) == 152
    assert kept == {"status": "KEEPALIVED"}
    assert share == {"status": "OK"}
    assert pool.tally.accepted == 1


class _PoolOfOthers(aiorpcx.RPCSession):  # type: ignore[misc] # aiorpcX has no types
    """A little pool written with somebody else's library."""

    refuses = False

    async def handle_request(self, request: Any) -> Any:
        match request.method:
            case "mining.subscribe":
                return [[["mining.notify", "1"]], "08000002", 4]
            case "mining.authorize" if self.refuses:
                raise aiorpcx.RPCError(24, "Unauthorized worker")
            case "mining.authorize":
                await self.send_notification("mining.set_difficulty", [1])
                job = ["1", "00" * 32, "00", "00", [], "20000000", "1d00ffff", "64b3f3ec", True]
                await self.send_notification("mining.notify", job)
                return True
        raise aiorpcx.RPCError(-3, f"Method {request.method} not found")


class _RefusingPool(_PoolOfOthers):
    refuses = True


@contextmanager
def served(kind: type[_PoolOfOthers]) -> Iterator[int]:
    """Runs the other library's server in its own loop; gives its port."""
    ready: threading.Event = threading.Event()
    found: list[Any] = []

    async def serve() -> None:
        def make(*args: Any, **settings: Any) -> Any:
            return kind(*args, connection=aiorpcx.JSONRPCConnection(aiorpcx.JSONRPCv1), **settings)

        server = await aiorpcx.serve_rs(make, "127.0.0.1", 0)
        stop = asyncio.Event()
        found.extend([server.sockets[0].getsockname()[1], asyncio.get_running_loop(), stop])
        ready.set()
        await stop.wait()
        server.close()
        await server.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait()
    try:
        yield found[0]
    finally:
        found[1].call_soon_threadsafe(found[2].set)
        thread.join()


def tried(port: int, algorithm: str) -> PoolTest:
    network = PoolNetwork("simulated", LocalBehaviours(), deadline_s=5.0)
    try:
        world = PoolWorld(WorldId("w"), 1, SystemClock())
        return network.test(world, PoolTarget("127.0.0.1", port, False, algorithm, "wallet.rig1", "x"))
    finally:
        network.close()


def test_our_tester_passes_somebody_elses_pool() -> None:
    with served(_PoolOfOthers) as port:
        found = tried(port, "sha256")
    assert found.failure is None
    assert found.remarks == ()


def test_our_tester_quotes_somebody_elses_refusal() -> None:
    with served(_RefusingPool) as port:
        failure = tried(port, "sha256").failure
    assert failure is not None
    assert failure.stage is Stage.AUTHORIZATION
    assert "Unauthorized worker" in str(failure.reason)


def test_our_tester_tells_somebody_elses_dialect() -> None:
    with served(_PoolOfOthers) as port:
        failure = tried(port, "randomx").failure
    assert failure is not None
    assert failure.stage is Stage.SUBSCRIPTION
    assert "speaks Bitcoin-style Stratum V1, not Monero's login dialect" in str(failure.reason)
