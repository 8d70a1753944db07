"""Magic values: what the published table says happens, through the ordinary API with no extra header."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.control.harness import Sandbox
from upsim import Simulator, World
from upsim.stratum.behaviours import BEHAVIOURS


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(pool_timeout=2, listen=False) as simulator:
        yield simulator


def api(simulator: Simulator, key: str) -> httpx.Client:
    transport = httpx.WSGITransport(app=simulator.app)
    return httpx.Client(transport=transport, base_url="http://upsim", headers={"X-API-Key": key})


def test_the_table_names_every_behaviour_and_every_key_and_worker_of_a_fixed_outcome(sandbox: Sandbox) -> None:
    table = {(row.kind, row.value): row.outcome for row in sandbox.client.magic_values()}
    hosts = {value for kind, value in table if kind == "pool host"}
    assert hosts == {f"{name}.pool.test" for name in BEHAVIOURS}
    assert {value: outcome[:3] for (kind, value), outcome in table.items() if kind == "key"} == {
        "up_k_demolimited": "429",
        "up_k_demoexpired": "401",
        "up_k_demoelsewhere": "403",
    }
    assert {value: outcome for (kind, value), outcome in table.items() if kind == "worker"} == {
        "always-offline": "always offline",
        "flapping": "down for ten minutes of each half hour",
    }


def test_each_key_of_the_table_ends_as_the_table_says(sandbox: Sandbox) -> None:
    rows = [row for row in sandbox.client.magic_values() if row.kind == "key"]
    assert len(rows) == 3
    for row in rows:
        for _ in range(2):
            assert sandbox.get(row.value).status == int(row.outcome[:3])
    refused = sandbox.get("up_k_demolimited")
    assert refused.headers["X-RateLimit-Remaining"] == "0"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_a_fresh_world_has_them_too_under_keys_of_its_own(stored: Sandbox) -> None:
    with stored.client.world() as world:
        statuses = [
            stored.get(world.key("magic", name)).status
            for name in ("always over its limit", "expired", "only from elsewhere")
        ]
        assert statuses == [429, 401, 403]
        assert stored.get(world.key("vip")).status == 200


def status_of(sandbox: Sandbox, world: World, name: str) -> str:
    found = sandbox.get(world.key("vip"), f"/v1/workers?search={name}").json["data"]
    status: str = next(worker["status"] for worker in found if worker["name"] == name)
    return status


def test_the_workers_of_the_table_are_offline_always_and_now_and_then(sandbox: Sandbox) -> None:
    with sandbox.client.world(clock={"set": "2026-01-05T08:00:00Z", "freeze": True}) as world:
        flapping, offline = [], []
        for _ in range(15):
            flapping.append(status_of(sandbox, world, "flapping"))
            offline.append(status_of(sandbox, world, "always-offline"))
            world.clock.advance("1m")
        assert set(offline) == {"offline"}
        assert set(flapping) == {"online", "offline"}


@pytest.mark.parametrize("name", ["refused", "closes", "garbage", "no-subscribe", "no-auth", "wrong-dialect", "tls"])
def test_a_pool_by_a_name_of_the_table_fails_its_test_as_the_behaviour_says(simulator: Simulator, name: str) -> None:
    with simulator.world() as world, api(simulator, world.key("vip")) as client:
        pool = {"name": "n", "algorithm": "sha256", "host": f"{name}.pool.test", "port": 3333, "username": "me"}
        answer = client.post("/v1/pools", json=pool)
        finding = BEHAVIOURS[name].finding
        assert answer.status_code == 400
        assert answer.json()["error"].startswith(finding.fails.value if finding.fails else "?")
        assert client.get("/v1/pools").json()["pagination"]["total"] == 13, "nothing was saved"


def test_a_flaky_pool_fails_every_other_time(simulator: Simulator) -> None:
    with simulator.world() as world, api(simulator, world.key("vip")) as client:
        pool = {"algorithm": "sha256", "host": "flaky.pool.test", "port": 3333, "username": "me"}
        passed = [client.post("/v1/pools/test", json=pool).json()["success"] for _ in range(4)]
        assert sorted(passed[:2]) == [False, True]
        assert passed[2:] == passed[:2]


def test_a_behaviour_put_on_an_address_is_met_there_so_many_times_and_in_that_world_alone(simulator: Simulator) -> None:
    pool = {"algorithm": "sha256", "host": "Ordinary.example", "port": 3333, "username": "me"}
    with simulator.world() as world, simulator.world() as other:
        world.pools.put("ordinary.example", 3333, "refused", times=2)
        with api(simulator, world.key("vip")) as client, api(simulator, other.key("vip")) as bystander:
            found = [client.post("/v1/pools/test", json=pool).json()["success"] for _ in range(3)]
            assert found == [False, False, True]
            assert bystander.post("/v1/pools/test", json=pool).json()["success"] is True
            world.pools.put("ordinary.example", 3333, "no-auth")
            assert client.post("/v1/pools/test", json=pool).json()["success"] is False
            world.pools.remove("ordinary.example", 3333)
            assert client.post("/v1/pools/test", json=pool).json()["success"] is True
        assert set(world.pools.behaviours()) == set(BEHAVIOURS)
