"""The overview: counts that add up and agree with the lists."""

from __future__ import annotations

from typing import Any

from ..probe import Blocked, Probe
from ..registry import scenario

TOLERANCE = 0.35
"""Hashrates move between two calls; what is added or left out by mistake moves them more."""


@scenario(
    "overview.answers",
    "overview.workers-add-up",
    "overview.pools-add-up",
    "overview.totals",
    "overview.agrees-with-lists",
    "overview.algorithms",
    "overview.hashrate",
    "overview.no-mixed-hashrate",
    cost=6,
)
def overview(probe: Probe) -> None:
    """Reads the overview and counts the lists after it."""
    reply = probe.call("get_overview")
    probe.success("overview.answers", reply)
    body, blocks = reply.body, reply.body.get("algorithms")
    if not isinstance(blocks, list) or not all(isinstance(body.get(kind), dict) for kind in ("workers", "pools")):
        raise Blocked("the overview has another form")
    for where in (body, *blocks):
        workers, pools = where["workers"], where["pools"]
        name = where.get("algorithm", "in all")
        right = workers["total"] == workers["online"] + workers["offline"]
        probe.expect("overview.workers-add-up", right, f"{name}: total = online + offline", workers, reply)
        right = pools["healthy"] + pools["unhealthy"] <= pools["total"]
        probe.expect("overview.pools-add-up", right, f"{name}: healthy + unhealthy ≤ total", pools, reply)
    for kind in ("workers", "pools"):
        for count, value in body[kind].items():
            sums = sum(block[kind].get(count, 0) for block in blocks)
            probe.expect("overview.totals", value == sums, f"{kind}.{count} is {sums}", value, reply)
    mixed = [name for name in (*body, *body["workers"], *body["pools"]) if "hashrate" in name]
    probe.expect("overview.no-mixed-hashrate", not mixed, "no hashrate outside the algorithms", mixed, reply)
    workers, pools = probe.workers(), probe.pools()
    held = sorted({one["algorithm"] for one in (*workers, *pools)})
    names = sorted(block["algorithm"] for block in blocks)
    probe.expect("overview.algorithms", names == held, f"blocks for {held}", names, reply)
    for block in blocks:
        _compare(probe, block, workers, pools)


def _compare(probe: Probe, block: dict[str, Any], workers: list[dict[str, Any]], pools: list[dict[str, Any]]) -> None:
    name = block["algorithm"]
    mine = [one for one in workers if one["algorithm"] == name]
    states = [one["health"]["status"] for one in pools if one["algorithm"] == name]
    online = sum(one["status"] == "online" for one in mine)
    listed = {"total": len(mine), "online": online, "offline": len(mine) - online}
    probe.expect(
        "overview.agrees-with-lists", block["workers"] == listed, f"{name}: workers {listed}", block["workers"]
    )
    listed = {"total": len(states), "healthy": states.count("healthy"), "unhealthy": states.count("unhealthy")}
    probe.expect("overview.agrees-with-lists", block["pools"] == listed, f"{name}: pools {listed}", block["pools"])
    total = sum(one["hashrate"] for one in mine)
    near = abs(block["hashrate"] - total) <= TOLERANCE * max(total, 1)
    probe.expect("overview.hashrate", near, f"{name}: about {total} H/s, the sum of its workers", block["hashrate"])
