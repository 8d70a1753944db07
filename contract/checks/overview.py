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
    for kind, counted, listed in (("workers", _workers, workers), ("pools", _pools, pools)):
        first = counted(name, listed)
        right = block[kind] == first
        second = first
        if not right:  # workers and pools change by themselves: what lies between two looks is well
            second = counted(name, probe.again(f"list_{kind}"))
            right = all(_between(block[kind].get(count), first[count], second[count]) for count in first)
        probe.expect("overview.agrees-with-lists", right, f"{name}: {kind} {first} to {second}", block[kind])
    total = sum(one["hashrate"] for one in workers if one["algorithm"] == name)
    near = abs(block["hashrate"] - total) <= TOLERANCE * max(total, 1)
    probe.expect("overview.hashrate", near, f"{name}: about {total} H/s, the sum of its workers", block["hashrate"])


def _between(value: object, one: int, other: int) -> bool:
    return isinstance(value, int) and min(one, other) <= value <= max(one, other)


def _workers(name: str, workers: list[dict[str, Any]]) -> dict[str, int]:
    states = [one["status"] for one in workers if one["algorithm"] == name]
    return {"total": len(states), "online": states.count("online"), "offline": states.count("offline")}


def _pools(name: str, pools: list[dict[str, Any]]) -> dict[str, int]:
    states = [one["health"]["status"] for one in pools if one["algorithm"] == name]
    return {"total": len(states), "healthy": states.count("healthy"), "unhealthy": states.count("unhealthy")}
