"""POST /v1/pools/test: three stages in order, for pools that are saved or not; and what it does to health."""

from __future__ import annotations

from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario
from .pools import SETTINGS, count, read

STAGES = ["connectivity", "subscription", "authorization"]


@scenario(
    "pools.test",
    "pools.test.stages",
    "pools.test.stops-at-failure",
    "pools.test.success",
    "pools.test.latency",
    "pools.test.saves-nothing",
    needs=("good",),
    writes=True,
    cost=6,
)
def testing_descriptions(probe: Probe) -> None:
    """Tests pools that are not saved: one that is well, and one that fails at each stage there is a pool for."""
    before = count(probe)
    good = {key: value for key, value in probe.pool_body(probe.home()).items() if key != "name"}
    reply = probe.call("test_pool", body=good)
    if reply.status == 400:
        raise Blocked("the description of a pool, whose form is assumed, is refused")
    probe.need("pools.test", reply.ok, "any 2xx", "", reply)
    _judge(probe, reply)
    right = reply.body.get("success") is True
    probe.expect("pools.test.success", right, "success true", reply.body.get("success"), reply)
    for stage in probe.settings.bad:
        reply = probe.call("test_pool", body=probe.bad_pool(stage, probe.home()))
        _judge(probe, reply, stage)
    null = reply.body.get("pool_id", 0) is None
    probe.expect("pools.test.saves-nothing", null and count(probe) == before, "no pool saved, pool_id null", "", reply)


@scenario("pools.test.failure-is-200", needs=("bad",), writes=True, cost=3)
def testing_bad_pools(probe: Probe) -> None:
    """Tests pools that fail at each stage there is a pool for."""
    for stage in probe.settings.bad:
        reply = probe.call("test_pool", body=probe.bad_pool(stage, probe.home()))
        right = reply.status == 200 and reply.body.get("success") is False
        probe.expect("pools.test.failure-is-200", right, f"200 with success false, failed at {stage}", "", reply)


def _judge(probe: Probe, reply: Reply, failing: str | None = None) -> None:
    stages = [one for one in reply.body.get("stages", []) if isinstance(one, dict)]
    names = [one.get("stage") for one in stages]
    probe.expect("pools.test.stages", names == STAGES, f"the stages {STAGES}", names, reply)
    states = [one.get("status") for one in stages]
    place = STAGES.index(failing) if failing else 3
    wanted = ["passed"] * place + ["failed"] * (failing is not None) + ["skipped"] * (2 - place)
    details = all(
        {
            "passed": one.get("duration_ms") is not None and one.get("reason") is None,
            "failed": bool(one.get("reason")),
            "skipped": one.get("duration_ms") is None and one.get("reason") is None,
        }.get(one.get("status", ""), False)
        for one in stages
    )
    probe.expect("pools.test.stops-at-failure", states == wanted and details, f"the states {wanted}", stages, reply)
    agrees = reply.body.get("success") is all(state == "passed" for state in states)
    probe.expect("pools.test.success", agrees, "success exactly where all passed", reply.body.get("success"), reply)
    null = reply.body.get("latency_ms", 0) is None
    probe.expect("pools.test.latency", null is (failing == STAGES[0]), "latency_ms unless connecting failed", "", reply)


@scenario(
    "pools.test.resets-health",
    "pools.test.failure-recorded",
    "pools.test.keeps-settings",
    "pools.test.body",
    needs=("good",),
    writes=True,
    cost=14,
)
def testing_a_saved_pool(probe: Probe) -> None:
    """Tests a saved pool that is well, and by its id beside a description of another; looks at its health."""
    name = probe.home()
    pool = probe.make_pool(name)
    if "status" not in (pool.get("health") or {}):
        raise Blocked("pools do not show their health, whose form is assumed")
    other = {"algorithm": name, "host": "127.0.0.1", "port": 1, "username": "u"}
    probe.client.moment()
    reply = probe.call("test_pool", body={"pool_id": pool["_id"], **other})
    right = reply.ok and reply.body.get("pool_id") == pool["_id"] and reply.body.get("success") is True
    probe.expect("pools.test.body", right, "pool_id decides what is tested", "", reply)
    found = read(probe, pool["_id"])
    same = reply.body.get("pool_id") == pool["_id"] and all(found.get(key) == pool.get(key) for key in SETTINGS)
    probe.expect("pools.test.keeps-settings", same, "the settings as they were", found, reply)
    health = found.get("health", {})
    well = (
        health.get("status") == "healthy"
        and health.get("consecutive_failures") == 0
        and health.get("last_error") is None
    )
    well = well and (health.get("last_checked_at") or "") > pool["health"]["last_checked_at"]
    probe.expect("pools.test.resets-health", well, "healthy, no error, no failures, checked just now", health, reply)
    for body in ({}, {"host": "pool.example.com"}, {"pool_id": None}):
        probe.status("pools.test.body", probe.call("test_pool", body=body), 400)
    _unhealthy(probe)
    _flaky(probe, name)


def _flaky(probe: Probe, algorithm: str) -> None:
    """A pool that fails now and then: saved when it is well, tested until it has failed and been well again."""
    if probe.settings.flaky is None:
        return
    for _ in range(3):
        reply = probe.try_pool({"name": probe.name("flaky"), **probe.settings.flaky, "algorithm": algorithm})
        if reply.ok:
            break
    identity = reply.body.get("_id")
    failures = 0
    seen: set[bool] = set()
    for _ in range(6):
        if identity is None or len(seen) == 2:
            break
        probe.client.moment()
        reply = probe.call("test_pool", body={"pool_id": identity})
        health = read(probe, identity).get("health", {})
        shown = (health.get("status"), health.get("consecutive_failures"))
        well = reply.body.get("success") is True
        failures = 0 if well else failures + 1
        seen.add(well)
        if well:
            right = shown == ("healthy", 0) and health.get("last_error") is None
            probe.expect("pools.test.resets-health", right, "healthy, no failures, no error", health, reply)
        else:
            right = shown == ("unhealthy", failures) and bool(health.get("last_error"))
            probe.expect(
                "pools.test.failure-recorded", right, f"unhealthy, {failures} failures, an error", health, reply
            )


def _unhealthy(probe: Probe) -> None:
    """A pool that is unhealthy: tested again it fails once more, or is well again; either way its health says so."""
    sick = [one for one in probe.pools() if one["health"]["status"] == "unhealthy"]
    for before in sick[:3]:
        probe.client.moment()
        reply = probe.call("test_pool", body={"pool_id": before["_id"]})
        health = read(probe, before["_id"]).get("health", {})
        failures = health.get("consecutive_failures")
        if reply.body.get("success") is True:
            well = (health.get("status"), failures, health.get("last_error")) == ("healthy", 0, None)
            probe.expect("pools.test.resets-health", well, "healthy, no failures, no error", health, reply)
        elif reply.ok:
            more = before["health"]["consecutive_failures"] + 1
            right = (health.get("status"), failures) == ("unhealthy", more) and bool(health.get("last_error"))
            probe.expect("pools.test.failure-recorded", right, f"unhealthy, {more} failures, an error", health, reply)
