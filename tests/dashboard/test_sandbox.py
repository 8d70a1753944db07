"""The public sandbox: everybody a world of their own, nobody anything else."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest
from werkzeug.test import Client

from tests.dashboard.conftest import HandClock, MakeServer
from upsim.config import configure
from upsim.dashboard.sandbox import AT_ONCE, CAPS
from upsim.errors import ConfigError
from upsim.model import Outcome, PoolTarget, PoolTest, Stage, StageResult
from upsim.serve import Server
from upsim.world import World


def visit(server: Server, address: str = "192.0.2.1") -> dict[str, Any]:
    answer = Client(server.app).post("/_upsim/visits", environ_base={"REMOTE_ADDR": address})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    made: dict[str, Any] = answer.json or {}
    return made


def key_of(world: dict[str, Any], account: str = "vip") -> str:
    found = next(one for one in world["accounts"] if one["name"] == account)
    return str(found["keys"][0]["key"])


def test_a_visitor_gets_a_world_by_a_link_that_cannot_be_guessed(sandbox: Server) -> None:
    world = visit(sandbox)
    assert re.fullmatch(r"s-[0-9a-f]{32}", world["id"])
    assert world["link"] == f"/s/{world['id']}"
    assert world["caps"] == dict(CAPS)
    client = Client(sandbox.app)
    assert client.get(world["link"]).status_code == 200
    assert client.get(f"/_upsim/worlds/{world['id']}").status_code == 200
    assert client.get("/v1/overview", headers={"X-API-Key": key_of(world)}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_upsim/worlds"),
        ("POST", "/_upsim/worlds"),
        ("GET", "/_upsim/worlds/default"),
        ("POST", "/_upsim/worlds/default/clock"),
        ("GET", "/_upsim/worlds/default/accounts/vip/look?call=/v1/overview"),
        ("GET", "/_upsim/worlds/s-short"),
        ("GET", "/_upsim/magic"),
    ],
)
def test_a_visitor_reaches_no_other_world(sandbox: Server, method: str, path: str) -> None:
    answer = Client(sandbox.app).open(path, method=method, json=None if method == "GET" else {})
    assert answer.status_code == 401


@pytest.mark.parametrize("key", ["up_k_demovip", "up_k_demobasic"])
def test_the_default_world_is_closed(sandbox: Server, key: str) -> None:
    answer = Client(sandbox.app).get("/v1/overview", headers={"X-API-Key": key})
    assert answer.status_code == 403
    assert answer.json is not None
    assert "world of your own" in answer.json["error"]


def test_the_host_alone_changes_caps_and_options(sandbox: Server) -> None:
    world = visit(sandbox)
    path = f"/_upsim/worlds/{world['id']}/options"
    client = Client(sandbox.app)
    assert client.post(path, json={"caps": {"workers": 10**6}}).status_code == 401
    token = {"X-Upsim-Token": str(sandbox.admin_token)}
    assert client.post(path, json={"caller_address": True}, headers=token).status_code == 200


def test_a_world_ends_by_itself_and_gives_its_place_back(sandbox: Server, clock: HandClock) -> None:
    worlds = [visit(sandbox, f"192.0.2.{number}") for number in range(4)]
    client = Client(sandbox.app)
    full = client.post("/_upsim/visits", environ_base={"REMOTE_ADDR": "192.0.2.9"})
    assert full.status_code == 503
    assert full.json is not None
    assert "All 4 places" in full.json["error"]
    assert full.headers["Retry-After"] == "3600"
    clock.advance(3600)
    assert client.get("/v1/overview", headers={"X-API-Key": key_of(worlds[0])}).status_code == 401
    assert client.get(f"/_upsim/worlds/{worlds[0]['id']}").status_code == 404
    visit(sandbox, "192.0.2.9")


def test_one_address_cannot_take_every_place(make_server: MakeServer) -> None:
    sandbox = make_server(sandbox="on", sandbox_worlds="8")
    visit(sandbox)
    visit(sandbox)
    third = Client(sandbox.app).post("/_upsim/visits", environ_base={"REMOTE_ADDR": "192.0.2.1"})
    assert third.status_code == 503
    assert third.json is not None
    assert "Your address" in third.json["error"]
    visit(sandbox, "192.0.2.2")


def test_what_an_address_has_is_counted_by_all_processes_and_no_reset_makes_it_less(
    make_server: MakeServer, tmp_path: Path
) -> None:
    settings = {"sandbox": "on", "sandbox_worlds": "8", "store": f"sqlite:{tmp_path / 'shared.db'}"}
    first, second = make_server(**settings), make_server(**settings)
    one, _ = visit(first), visit(second)
    assert Client(second.app).post(f"/_upsim/worlds/{one['id']}/reset").status_code == 200
    for sandbox in (first, second):
        third = Client(sandbox.app).post("/_upsim/visits", environ_base={"REMOTE_ADDR": "192.0.2.1"})
        assert third.status_code == 503
    shown = Client(first.app).get(f"/_upsim/worlds/{one['id']}").get_data(as_text=True)
    assert "visitor" not in shown
    visit(first, "192.0.2.2")


def test_behind_a_trusted_proxy_the_visitors_own_address_counts(make_server: MakeServer) -> None:
    sandbox = make_server(sandbox="on", sandbox_worlds="4", trusted_proxy="10.0.0.1")
    for number in range(3):
        answer = Client(sandbox.app).post(
            "/_upsim/visits",
            environ_base={"REMOTE_ADDR": "10.0.0.1"},
            headers={"X-Forwarded-For": f"198.51.100.{number}"},
        )
        assert answer.status_code == 201


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "LOCALHOST.", "::1", "::ffff:127.0.0.1", "0.0.0.0", "127.8.8.8", "a.localhost"]
)
def test_no_pool_test_reaches_the_host_itself(sandbox: Server, host: str) -> None:
    pool = {"algorithm": "sha256", "host": host, "port": 22, "username": "me"}
    answer = Client(sandbox.app).post(
        "/v1/pools/test", json=pool, headers={"X-API-Key": key_of(visit(sandbox))}
    )  # fmt: skip
    if answer.status_code == 400:  # no host name to the API in the first place
        return
    assert answer.json is not None
    assert answer.json["success"] is False
    assert answer.json["stages"][0]["status"] == "failed"
    assert "connects nowhere" in answer.json["stages"][0]["reason"]


def test_a_simulated_pool_is_still_tested(sandbox: Server) -> None:
    pool = {"algorithm": "sha256", "host": "eu.pool.example", "port": 3333, "username": "me"}
    answer = Client(sandbox.app).post(
        "/v1/pools/test", json=pool, headers={"X-API-Key": key_of(visit(sandbox))}
    )  # fmt: skip
    assert answer.json is not None
    assert answer.json["success"] is True


def test_real_pools_and_a_sandbox_are_refused_together() -> None:
    with pytest.raises(ConfigError, match="connects nowhere"):
        configure({"sandbox": "on", "pool_network": "real"}, {})


def test_waits_that_a_visitor_asks_for_are_bounded(sandbox: Server) -> None:
    faults = f"/_upsim/worlds/{visit(sandbox)['id']}/faults"
    client = Client(sandbox.app)
    assert client.post(faults, json={"effect": "latency", "latency": 30}).status_code == 400
    assert client.post(faults, json={"effect": "latency", "latency": 1}).status_code == 201


def test_caps_are_answered_clearly(sandbox: Server) -> None:
    world = visit(sandbox)
    client = Client(sandbox.app)
    path = f"/_upsim/worlds/{world['id']}/accounts/vip"
    profile = client.get(f"{path}/look", query_string={"call": "/v1/profiles?limit=1&algorithm=sha256"}).json
    assert profile is not None
    row = {"name": "rig-{n}", "model": "s21", "profile_id": profile["data"][0]["_id"], "count": 1000}
    answer = client.post(f"{path}/workers", json=row)
    assert answer.status_code == 400
    assert answer.json is not None
    assert "this world may have 1000 workers" in answer.json["error"]


def test_a_world_has_so_many_calls_under_way_and_no_more(clock: HandClock) -> None:
    inside, go_on = Semaphore(0), Event()

    def test_pool(world: World, target: PoolTarget) -> PoolTest:
        inside.release()
        go_on.wait(60)
        return PoolTest(tuple(StageResult(stage, Outcome.PASSED, 1) for stage in Stage))

    server = Server(configure({"sandbox": "on"}, {}), clock, test_pool)
    try:
        world, other = visit(server), visit(server)
        pool = {"algorithm": "sha256", "host": "eu.pool.example", "port": 3333, "username": "me"}

        def call(_: int = 0, whose: dict[str, Any] = world) -> int:
            key = {"X-API-Key": key_of(whose)}
            return Client(server.app).post("/v1/pools/test", json=pool, headers=key).status_code

        with ThreadPoolExecutor(AT_ONCE) as crowd:
            under_way = crowd.map(call, range(AT_ONCE))
            for _ in range(AT_ONCE):
                assert inside.acquire(timeout=60)
            clock_path = f"/_upsim/worlds/{world['id']}/clock"
            refused = Client(server.app).get(clock_path)
            assert refused.status_code == call() == 503
            assert refused.headers["Retry-After"] == "1"
            assert Client(server.app).get(f"/_upsim/worlds/{other['id']}/clock").status_code == 200
            go_on.set()
            assert list(under_way) == [200] * AT_ONCE
        assert Client(server.app).get(clock_path).status_code == 200
    finally:
        go_on.set()
        server.close()


def test_a_hundred_visitors_at_once_each_see_only_their_world(make_server: MakeServer) -> None:
    sandbox = make_server(sandbox="on", sandbox_worlds="400")

    def live(number: int) -> tuple[str, set[str], list[str]]:
        client = Client(sandbox.app)
        address = f"198.51.{number // 200}.{number % 200}"
        made = client.post("/_upsim/visits", environ_base={"REMOTE_ADDR": address}).json
        assert made is not None
        path = f"/_upsim/worlds/{made['id']}"
        key = {"X-API-Key": key_of(made, "basic")}
        profile = client.get("/v1/profiles?limit=1", headers=key).json
        assert profile is not None
        renamed = f"visitor {number}"
        client.put(f"/v1/profiles/{profile['data'][0]['_id']}", json={"name": renamed}, headers=key)
        client.post(f"{path}/clock", json={"freeze": True, "set": f"2026-03-02T00:{number % 60:02}:00Z"})
        names = client.get("/v1/profiles", headers=key).json
        journal = client.get(f"{path}/journal").json
        clock = client.get(f"{path}/clock").json
        assert names is not None
        assert journal is not None
        assert clock is not None
        assert clock["now"] == f"2026-03-02T00:{number % 60:02}:00.000Z"
        called = [f"{entry['method']} {entry['path'].split('/')[2]}" for entry in journal["data"]]
        return made["id"], {one["name"] for one in names["data"]}, called

    with ThreadPoolExecutor(100) as crowd:
        lives = list(crowd.map(live, range(100)))
    assert len({world for world, _, _ in lives}) == 100
    for number, (_, names, called) in enumerate(lives):
        assert {name for name in names if name.startswith("visitor")} == {f"visitor {number}"}
        assert called == ["GET profiles", "PUT profiles", "GET profiles"]
