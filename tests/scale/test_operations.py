"""What those who run upsim look at: readiness for a load balancer, metrics for Prometheus."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.control.harness import Answer, Sandbox, opened
from tests.scale.cable import Cable
from tests.serving import KEY, serving
from upsim.web.metrics import METRICS

READY = "/_upsim/ready"
METRICS_AT = "/_upsim/metrics"


@pytest.fixture
def measured() -> Iterator[Sandbox]:
    """A simulator that counts."""
    with opened(metrics="on") as sandbox:
        yield sandbox


def samples(text: str) -> dict[str, float]:
    """Every number of an exposition, by name and labels."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


# Readiness


def test_anybody_may_ask_whether_it_is_ready_and_hears_no_more() -> None:
    for settings in ({"admin_token": "a-token"}, {"host": "0.0.0.0"}, {"sandbox": "on"}):
        with opened(**settings) as sandbox:
            answer = sandbox.raw("GET", READY, headers={"Host": "192.0.2.7:8080"}, address="192.0.2.8")
            assert (answer.status, answer.json) == (200, {"status": "ready"})
            assert sandbox.raw("GET", "/_upsim/health/", headers={"Host": "192.0.2.7"}).status in (401, 404)


def refusal(answer: Answer) -> str:
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) >= 1
    return answer.error


@pytest.mark.mongodb
def test_who_cannot_reach_the_store_is_not_ready_and_says_so(mongodb_by_cable: tuple[str, Cable]) -> None:
    url, cable = mongodb_by_cable
    with opened(url) as sandbox:
        cable.cut()
        assert refusal(sandbox.raw("GET", READY)).startswith("Not ready: store: it does not answer.")
        cable.mend()
        for _ in range(1000):
            if sandbox.raw("GET", READY).status == 200:
                return
            time.sleep(0.02)  # what was lost is looked for once a second
        pytest.fail("it did not become ready again")


def test_who_cannot_count_is_not_ready(redis_by_cable: tuple[str, Cable]) -> None:
    url, cable = redis_by_cable
    with opened(limits_storage=url) as sandbox:
        assert sandbox.raw("GET", READY).status == 200
        cable.cut()
        assert "limits: their storage does not answer" in refusal(sandbox.raw("GET", READY))
        assert [world.id for world in sandbox.client.worlds()] == ["default"], "the control plane goes on"


def test_who_is_about_to_stop_is_not_ready_though_it_answers() -> None:
    with opened() as sandbox:
        sandbox.server.readiness.draining.set()
        assert "process: it is about to stop" in refusal(sandbox.raw("GET", READY))
        assert sandbox.get(KEY).status == 200


# Metrics


def test_every_call_is_counted_by_operation_and_status(measured: Sandbox) -> None:
    made = Counter[tuple[str, int]]()
    for path, operation in (("/v1/pools", "list_pools"), ("/v1/nowhere", "unknown"), ("/v1/workers", "list_workers")):
        for key in (KEY, "up_k_demobasic", "up_k_wrong"):
            for _ in range(4):
                made[operation, measured.get(key, path).status] += 1
    counted = samples(measured.raw("GET", METRICS_AT).text)
    for (operation, status), number in made.items():
        assert counted[f'upsim_calls_total{{operation="{operation}",status="{status}"}}'] == number
    refused = sum(number for (_, status), number in made.items() if status == 429)
    assert counted["upsim_refused_by_limit_total"] == refused == 2
    timed = counted['upsim_call_seconds_count{operation="list_pools"}']
    assert timed == sum(number for (operation, _), number in made.items() if operation == "list_pools")
    assert counted["upsim_worlds"] == 1


def test_calls_that_a_loss_refused_are_counted(redis_by_cable: tuple[str, Cable]) -> None:
    url, cable = redis_by_cable
    with opened(limits_storage=url, metrics="on") as sandbox:
        cable.cut()
        assert [sandbox.get(KEY).status for _ in range(3)] == [503] * 3
        counted = samples(sandbox.raw("GET", METRICS_AT).text)
        assert counted['upsim_unavailable_total{part="limits"}'] == 3


def test_all_metrics_that_are_documented_are_told_and_no_others(measured: Sandbox) -> None:
    measured.get(KEY)
    answer = measured.raw("GET", METRICS_AT)
    assert answer.headers["Content-Type"].startswith("text/plain")
    told = set(re.findall(r"^# TYPE (upsim_\w+) \w+$", answer.text, re.MULTILINE))
    assert {name for name in told if not name.endswith("_created")} == {metric.name for metric in METRICS}
    assert "process_resident_memory_bytes" in answer.text


def test_metrics_need_the_token_and_to_be_asked_for() -> None:
    with opened(admin_token="a-token", metrics="on") as guarded:
        assert guarded.raw("GET", METRICS_AT).status == 401
        assert guarded.raw("GET", METRICS_AT, headers={"Authorization": "Bearer a-token"}).status == 200
    with opened() as plain:
        answer = plain.raw("GET", METRICS_AT)
        assert answer.status == 404
        assert "it would with --metrics on" in answer.error


def test_whichever_of_several_processes_is_scraped_answers_for_all(tmp_path: Path) -> None:
    store = f"sqlite:{tmp_path / 'shared.db'}"
    options = ("--processes", "2", "--metrics", "--rate-limit", "off", "--pool-ports", "randomx=0", "--store", store)
    with serving(tmp_path, *options) as server:
        for _ in range(30):
            assert server.ask("GET", "/v1/pools")[0] == 200
        found = re.fullmatch(r"stratum\+tcp://(.+):(\d+)", server.ready["pools"][0]["url"])
        assert found is not None, server.ready
        host, port = found.groups()
        with socket.create_connection((host, int(port))) as miner:
            miner.sendall(b'{"id": 1, "method": "login", "params": {"login": "me", "pass": "x"}}\n')
            for _ in range(200):
                counted = samples(httpx.get(server.ready["url"] + METRICS_AT).text)
                assert counted['upsim_calls_total{operation="list_pools",status="200"}'] == 30
                if counted["upsim_pool_sessions"] == 1:
                    break
                time.sleep(0.02)  # sessions are counted once a second
            else:
                pytest.fail("the miner was never counted")
