"""Pool tests over the simulated network: real TCP, the right dialect, and the test names' behaviours.

The only tests of the API that touch sockets for a pool; all others are told how a test ends.
"""

from __future__ import annotations

import pytest

from tests.api.conftest import MakeApi
from tests.api.harness import Api
from upsim.algorithms import ALGORITHMS

DESCRIBED = {"name": "New", "algorithm": "randomx", "host": "any.example", "port": 3333, "username": "wallet"}


@pytest.fixture
def net(make_api: MakeApi) -> Api:
    """A simulator that really tests its pools, and waits for none longer than it must."""
    return make_api(real_pools=True, rate_limit="off", pool_timeout="0.5")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_any_name_is_a_healthy_pool_of_any_algorithm(make_api: MakeApi, algorithm: str) -> None:
    api = make_api(real_pools=True, rate_limit="off")
    answer = api.post("/v1/pools/test", DESCRIBED | {"algorithm": algorithm}).json
    assert [(entry["status"], entry["reason"]) for entry in answer["stages"]] == [("passed", None)] * 3
    assert (answer["success"], answer["latency_ms"] is not None) == (True, True)


@pytest.mark.parametrize("algorithm", ["sha256", "randomx"])
@pytest.mark.parametrize(
    ("name", "stage", "words"),
    [
        ("refused", "connectivity", "refused"),
        ("timeout", "connectivity", "no answer"),
        ("closes", "subscription", "closed"),
        ("garbage", "subscription", "not Stratum"),
        ("no-subscribe", "subscription", "Not supported."),
        ("no-auth", "authorization", "Unauthorized worker"),
        ("wrong-dialect", "subscription", "speaks"),
    ],
)
def test_a_test_name_fails_at_its_stage_and_says_why(
    net: Api, algorithm: str, name: str, stage: str, words: str
) -> None:
    described = DESCRIBED | {"algorithm": algorithm, "host": f"{name}.pool.test"}
    answer = net.post("/v1/pools/test", described).json
    assert answer["success"] is False
    failed = [entry for entry in answer["stages"] if entry["status"] == "failed"]
    if algorithm == "randomx" and name in ("no-subscribe", "no-auth"):
        # In Monero's dialect logging in is both in one: what is refused is the login.
        assert failed[0]["stage"] in ("subscription", "authorization")
    else:
        assert [entry["stage"] for entry in failed] == [stage]
        assert words in failed[0]["reason"]
    refused = net.post("/v1/pools", described)
    assert refused.status == 400
    assert failed[0]["stage"] in refused.error


def test_a_pool_that_is_tls_only_wants_tls(net: Api) -> None:
    described = DESCRIBED | {"host": "tls.pool.test"}
    assert net.post("/v1/pools/test", described | {"tls": True}).json["success"] is True
    plain = net.post("/v1/pools/test", described | {"tls": False}).json
    assert plain["success"] is False


def test_a_flaky_pool_fails_every_other_time(net: Api) -> None:
    described = DESCRIBED | {"host": "flaky.pool.test"}
    outcomes = [net.post("/v1/pools/test", described).json["success"] for _ in range(6)]
    assert sorted(outcomes[:2]) == [False, True]
    assert outcomes == outcomes[:2] * 3


def test_a_slow_pool_passes_and_its_times_show_it(make_api: MakeApi) -> None:
    api = make_api(real_pools=True, rate_limit="off")
    answer = api.post("/v1/pools/test", DESCRIBED | {"host": "slow.pool.test"}).json
    assert answer["success"] is True
    assert answer["stages"][1]["duration_ms"] >= 1_000


def test_the_whole_life_of_a_pool(net: Api) -> None:
    created = net.post("/v1/pools", DESCRIBED)
    assert created.status == 201
    pool = f"/v1/pools/{created.json['_id']}"
    assert net.put(pool, {"host": "refused.pool.test"}).status == 400
    assert net.get(pool).json["host"] == "any.example"
    assert net.put(pool, {"host": "moved.example"}).json["health"]["status"] == "healthy"
    assert net.delete(pool).status == 200
