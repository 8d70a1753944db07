"""Somebody else's client through the door: aiorpcX, a JSON-RPC library that is strict about envelopes."""

from __future__ import annotations

import asyncio
from typing import Any

import aiorpcx
import pytest

from tests.proxy.harness import Farm, beside, farm, until


class _Client(aiorpcx.RPCSession):  # type: ignore[misc] # aiorpcX has no types
    """Remembers what the door says unasked."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.jobs: list[Any] = []
        self.heard: list[str] = []
        self.has_job = asyncio.Event()

    async def handle_request(self, request: Any) -> None:
        self.heard.append(request.method)
        if request.method in ("mining.notify", "job"):
            self.jobs.append(request.args)
            self.has_job.set()


def connected(here: Farm, algorithm: str, protocol: Any) -> Any:
    """A session of the other library at the door."""
    return aiorpcx.connect_rs(
        "127.0.0.1",
        here.ports[algorithm],
        session_factory=lambda *a, **k: _Client(*a, connection=aiorpcx.JSONRPCConnection(protocol), **k),
    )


@pytest.mark.parametrize("algorithm", ["sha256", "scrypt", "sha512256d", "autolykos", "nexapow"])
def test_a_strict_client_logs_in_gets_jobs_and_follows_a_move(algorithm: str) -> None:
    async def talk() -> None:
        async with connected(here, algorithm, aiorpcx.JSONRPCv1) as session:
            hello = await session.send_request("mining.subscribe", ["aiorpcx"])
            assert len(hello) == 3
            assert await session.send_request("mining.authorize", ["vip.rig", "x"]) is True
            assert await session.send_request("mining.extranonce.subscribe", []) is True
            await until(session.has_job.is_set)
            with pytest.raises(aiorpcx.RPCError):
                await session.send_request("mining.submit", ["vip.rig", "ff", "00000000", "00000000", "00000000"])
            await beside(here.step)
            worker = here.workers()["rig"]
            assert (worker["status"], worker["shares"]["stale"]) == ("online", 1)
            session.has_job.clear()
            assign = {"worker_ids": [worker["_id"]], "profile_id": other}
            await beside(lambda: here.ask("POST", "/v1/workers/bulk-assign", assign))
            await beside(here.step)
            await until(session.has_job.is_set)
            assert len({str(job) for job in session.jobs}) == len(session.jobs) == 2
            assert set(session.heard) <= {"mining.set_difficulty", "mining.notify", "mining.set_extranonce"}

    with farm(algorithm) as here:
        here.pool("first", algorithm)
        second = here.pool("second", algorithm)
        other = here.profile("other", algorithm, second)
        asyncio.run(talk())


def test_a_strict_client_mines_monero_through_the_door() -> None:
    async def talk() -> None:
        async with connected(here, "randomx", aiorpcx.JSONRPCLoose) as session:
            login = await session.send_request("login", {"login": "vip.rig", "pass": "x", "agent": "aiorpcx"})
            assert len(login["job"]["blob"]) == 152
            assert await session.send_request("keepalived", {"id": login["id"]}) == {"status": "KEEPALIVED"}
            share = {"id": login["id"], "job_id": login["job"]["job_id"], "nonce": "00000001", "result": "00" * 32}
            assert await session.send_request("submit", share) == {"status": "OK"}
            with pytest.raises(aiorpcx.RPCError, match="Duplicate share"):
                await session.send_request("submit", share)
            await beside(here.step)
            assert here.workers()["rig"]["shares"] == {"accepted": 1, "stale": 0, "rejected": 1}

    with farm("randomx") as here:
        here.pool("main", "randomx")
        asyncio.run(talk())
