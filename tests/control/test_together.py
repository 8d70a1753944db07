"""Fifty tests at once against one process, each with a world of its own that it resets, freezes and faults as it likes.

UPSIM_TEST_ROUNDS and UPSIM_TEST_WORLDS make it larger than a suite has time for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from upsim import Simulator

ROUNDS = int(os.environ.get("UPSIM_TEST_ROUNDS", "1"))
WORLDS = int(os.environ.get("UPSIM_TEST_WORLDS", "50"))
ASSIGN = "/v1/workers/bulk-assign"


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator(threads=16) as simulator:
        yield simulator


def one_test(simulator: Simulator, number: int) -> str:
    """What a test of somebody's client might do; each step fails if another world shows through."""
    seconds = 1767600000 + number * 3600
    with (
        simulator.world(seed=number, clock={"set": seconds, "freeze": True}) as world,
        httpx.Client(base_url=world.url, timeout=120) as api,
    ):
        vip, basic = ({"X-API-Key": world.key(name)} for name in ("vip", "basic"))
        pools = [api.get("/v1/pools", headers=basic) for _ in range(11)]
        assert [answer.status_code for answer in pools] == [200] * 10 + [429]
        assert pools[0].headers["X-RateLimit-Reset"] == str(seconds + 60)
        world.clock.advance(int(pools[-1].headers["Retry-After"]))
        assert api.get("/v1/pools", headers=basic).status_code == 200

        named = {"name": f"mine-{number}", "algorithm": "sha256"}
        held = api.get("/v1/pools?algorithm=sha256", headers=vip).json()["data"][0]["_id"]
        made = api.post("/v1/profiles", headers=vip, json={**named, "pools": [{"pool_id": held}]})
        assert made.status_code == 201
        assert made.json()["created_at"] == api.get("/v1/profiles", headers=vip).json()["data"][-1]["created_at"]
        world.snapshot("made")

        world.faults.add(method="POST", path=ASSIGN, times=2, status=500 + number % 50)
        body = {"worker_ids": ["0" * 24], "profile_id": made.json()["_id"]}
        mark = world.journal.mark()
        found = [api.post(ASSIGN, headers=vip, json=body).status_code for _ in range(3)]
        assert found == [500 + number % 50] * 2 + [404]
        world.journal.assert_called("POST", ASSIGN, times=3, since=mark, body={"profile_id": made.json()["_id"]})

        world.reset()
        assert world.clock.read().timestamp == seconds
        assert world.faults.list() == ()
        assert f"mine-{number}" not in api.get("/v1/profiles?limit=100", headers=vip).text
        series = api.get("/v1/workers/hashrate?algorithm=randomx&timeRange=1h", headers=vip).text
        world.restore("made")
        assert f"mine-{number}" in api.get("/v1/profiles?limit=100", headers=vip).text
        assert world.clock.read().timestamp == seconds + 60
        assert [entry.account for entry in world.journal] == ["vip"]
        return series


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_fifty_tests_at_once_share_a_process_and_nothing_else(simulator: Simulator, round_: int) -> None:
    with ThreadPoolExecutor(WORLDS) as pool:
        series = list(pool.map(lambda number: one_test(simulator, number), range(WORLDS)))
    assert len(set(series)) == WORLDS, "a seed, a fleet"
    assert one_test(simulator, 3) == series[3], "alone as in company"
    assert [info.id for info in simulator.worlds()] == ["default"]
    assert len(simulator.default.journal) == 0


def test_what_one_world_remembers_no_other_is_told(simulator: Simulator) -> None:
    path = "/v1/workers/hashrate?algorithm=sha256&timeRange=24h"
    told = []
    for seed, days in ((1, 0), (2, 0), (1, 1), (1, 0), (2, 1), (1, 0)):
        # The same name each time: whatever is kept by it would be found again.
        with simulator.world(id="same", seed=seed, clock={"set": 1767600000 + days * 86_400, "freeze": True}) as world:
            key = {"X-API-Key": world.key("vip")}
            with httpx.Client(base_url=world.url, headers=key) as api:
                workers = [worker["_id"] for worker in api.get("/v1/workers?algorithm=sha256").json()["data"]]
                whole = api.get(path).text
                world.workers.offline(workers)
                world.clock.advance("1d")
                assert api.get(path).text != whole
                told.append((seed, days, whole))
    alike = {(seed, days): {text for s, d, text in told if (s, d) == (seed, days)} for seed, days, _ in told}
    assert all(len(texts) == 1 for texts in alike.values())
    assert len({text for _, _, text in told}) == 4
