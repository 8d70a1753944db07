"""The door: who is let in, as what, and what the API then says of it."""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

import pytest
from werkzeug.test import Client as HttpClient

from tests.proxy.harness import Pretender, Refused, beside, farm, until
from upsim.algorithms import ALGORITHMS
from upsim.config import configure
from upsim.errors import ConfigError
from upsim.serve import Server
from upsim.simulator import Simulator


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_miner_of_every_dialect_is_a_worker_and_its_shares_count(algorithm: str) -> None:
    async def mine() -> None:
        miner = Pretender(algorithm, "vip.rig-1")
        await miner.connect(here.ports[algorithm])
        await beside(lambda: here.step(30))
        await miner.shares(3)
        await beside(here.step)
        assert here.ask("GET", "/v1/overview")["workers"] == {"total": 1, "online": 1, "offline": 0}
        worker = here.workers()["rig-1"]
        assert (worker["status"], worker["algorithm"], worker["pool_id"]) == ("online", algorithm, pool)
        assert worker["shares"]["accepted"] == 3
        assert worker["hashrate"] > 0
        assert worker["uptime_seconds"] == 30
        assert worker["profile_name"] == f"Default {algorithm}"
        await miner.hang_up()

    with farm(algorithm) as here:
        pool = here.pool("main", algorithm)
        asyncio.run(mine())
        here.empty()
        worker = here.workers()["rig-1"]
        assert (worker["status"], worker["hashrate"], worker["pool_id"]) == ("offline", 0, None)
        assert worker["shares"]["accepted"] == 3
        assert worker["last_seen_at"] == "2025-06-01T12:00:40.000Z"


def test_ethproxy_is_spoken_too() -> None:
    async def mine() -> None:
        miner = Pretender("etchash", "vip.rig-1", tongue=1)
        await miner.connect(here.ports["etchash"])
        await miner.shares(2)
        await miner.hang_up()

    with farm("etchash") as here:
        here.pool("main", "etchash")
        asyncio.run(mine())


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("nobody.rig", "Unknown account nobody: write account.worker"),
        ("vip", "No worker's name: write vip.worker"),
        ("basic.rig", "No profile for {algorithm}: the account has to make one first"),
        ("elsewhere/vip.rig", "Unknown world elsewhere: write world/account.worker"),
        ("vip." + "x" * 81, "A worker's name has at most 80 printable characters"),
    ],
)
@pytest.mark.parametrize("algorithm", ["sha256", "randomx", "octopus", "kheavyhash", "etchash"])
def test_who_is_not_let_in_is_told_why(algorithm: str, login: str, said: str) -> None:
    async def mine() -> None:
        with pytest.raises(Refused) as refusal:
            await Pretender(algorithm, login).connect(here.ports[algorithm])
        assert str(refusal.value).endswith(said.replace("{algorithm}", algorithm))

    with farm(algorithm) as here:
        here.pool("main", algorithm)
        asyncio.run(mine())
        assert here.workers() == {}


def test_one_name_is_one_worker_however_many_connections_it_has() -> None:
    async def mine() -> None:
        first, second = Pretender("kheavyhash", "vip.twins"), Pretender("kheavyhash", "vip.twins")
        for miner in (first, second):
            await miner.connect(here.ports["kheavyhash"])
            await miner.shares(2)
        await beside(here.step)
        assert here.workers()["twins"]["shares"]["accepted"] == 4
        await first.hang_up()
        while len(here.sessions()) > 1:
            await asyncio.sleep(0)
        await beside(here.step)
        assert here.workers()["twins"]["status"] == "online"
        await second.hang_up()

    with farm("kheavyhash") as here:
        here.pool("main", "kheavyhash")
        asyncio.run(mine())
        assert list(here.workers()) == ["twins"]


def test_each_test_has_its_own_world_at_one_door() -> None:
    async def mine() -> None:
        first, second = Pretender("kheavyhash", f"{worlds[0]}/vip.rig"), Pretender("kheavyhash", f"{worlds[1]}/vip.rig")
        for miner, shares in ((first, 1), (second, 3)):
            await miner.connect(here.ports["kheavyhash"])
            await miner.shares(shares)
        await beside(here.step)
        for world, key, shares in zip(worlds, keys, (1, 3), strict=True):
            page = here.ask("GET", "/v1/workers?search=rig&limit=1", key=key)
            assert page["data"][0]["shares"]["accepted"] == shares
            told = here.ask("GET", f"/_upsim/worlds/{world}/miners")
            assert (told["total"], told["algorithms"]) == (1, {"kheavyhash": 1})
            assert [event["event"] for event in told["events"]] == ["came", "moved", *["share"] * shares]
            assert here.ask("GET", f"/_upsim/worlds/{world}/miners?since={told['mark']}")["events"] == []
        await beside(lambda: here.ask("DELETE", f"/_upsim/worlds/{worlds[0]}"))
        await beside(here.step)
        await until(first.gone.is_set)
        assert not second.gone.is_set()
        assert await second.share()
        await first.hang_up()
        await second.hang_up()

    with farm("kheavyhash") as here:
        pool = {
            "name": "main",
            "algorithm": "kheavyhash",
            "host": "a.example",
            "port": 1,
            "username": "w",
            "password": "x",
        }
        worlds, keys = [], []
        for _ in range(2):
            made = here.ask("POST", "/_upsim/worlds", {})
            worlds.append(made["id"])
            keys.append(next(one["keys"][0]["key"] for one in made["accounts"] if one["name"] == "vip"))
            here.ask("POST", "/v1/pools", pool, key=keys[-1])
        asyncio.run(mine())


def test_a_server_without_a_door_says_so() -> None:
    server = Server(configure({"fixture": "empty"}, {}))
    try:
        found = HttpClient(server.app).get("/_upsim/worlds/default/miners").json
        assert found == {"ports": [], "total": 0, "algorithms": {}, "sessions": [], "events": [], "mark": 0}
    finally:
        server.close()


def test_a_taken_port_is_named_and_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())  # other tests in this process may have a door open
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Server(configure({"fixture": "empty", "stratum": f"sha256={taken.getsockname()[1]}"}, {}))
        try:
            with pytest.raises(
                ConfigError,
                match=r"stratum: cannot listen on 127\.0\.0\.1:\d+: Address already in use\. Choose another port\.",
            ):
                server.open_ports()
        finally:
            server.close()
    begun = set(threading.enumerate()) - before
    assert not [thread for thread in begun if thread.name.startswith("upsim-door")]


def test_a_simulator_tells_where_its_door_is() -> None:
    with Simulator(fixture="empty", stratum={"sha256": 0}) as sim:
        assert list(sim.miners) == ["sha256"]
        host, port = sim.miners["sha256"].removeprefix("stratum+tcp://").split(":")
        socket.create_connection((host, int(port)), timeout=10).close()


def test_what_is_too_long_or_no_json_is_hung_up_on_and_others_go_on() -> None:
    async def mine() -> None:
        miner = Pretender("sha256", "vip.rig")
        await miner.connect(here.ports["sha256"])
        for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"x" * 70_000, b"\x16\x03\x01\x02\x00\n", b"\xff\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", here.ports["sha256"])
            writer.write(rubbish)
            with suppress(ConnectionError):
                async with asyncio.timeout(60):
                    await reader.read()
            writer.close()
        await miner.shares(1)
        await miner.hang_up()

    with farm("sha256") as here:
        here.pool("main", "sha256")
        asyncio.run(mine())
