"""The list of workers: filters, and facts that hold of each worker."""

from __future__ import annotations

from typing import Any

from ..probe import Blocked, Probe
from ..registry import scenario

SEEN = ("_id", "name", "profile_id", "status", "algorithm", "hashrate")
"""What the vendor's client decodes."""


@scenario(
    "workers.list",
    "workers.item-fields",
    "workers.profile-name",
    "workers.always-a-profile",
    "workers.offline",
    "workers.online",
    "workers.pool",
    cost=4,
)
def facts_of_workers(probe: Probe) -> None:
    """Reads all workers and holds each against its profile and itself."""
    workers = probe.workers()
    profiles = {one["_id"]: one for one in probe.profiles()}
    probe.success("workers.list", probe.call("list_workers", query={"limit": 1}))
    if not workers:
        raise Blocked("the user has no worker")
    for one in workers:
        lacking = [name for name in SEEN if name not in one]
        probe.expect("workers.item-fields", not lacking, f"the fields {', '.join(SEEN)}", f"no {lacking}")
        profile = profiles.get(one["profile_id"])
        right = profile is not None and profile["algorithm"] == one["algorithm"]
        probe.expect("workers.always-a-profile", right, f"a profile of {one['algorithm']}", one["profile_id"])
        if profile is None:
            continue
        name = one.get("profile_name")
        probe.expect("workers.profile-name", name == profile["name"], f"profile_name {profile['name']!r}", repr(name))
        held = {entry["pool_id"]: entry["name"] for entry in profile["pools"]}
        pool = one.get("pool_id")
        right = (pool is None and one.get("pool_name") is None) or held.get(pool) == one.get("pool_name")
        probe.expect("workers.pool", right, f"one of the profile's pools {held}, or null", (pool, one.get("pool_name")))
        if one["status"] == "offline":
            rest = (one["hashrate"], one.get("uptime_seconds"), pool)
            probe.expect("workers.offline", rest == (0, 0, None), "hashrate 0, uptime 0, no pool", rest)
        elif one["status"] == "online":
            probe.expect("workers.online", one.get("last_seen_at") is not None, "a time in last_seen_at", "null")


def compare(probe: Probe, clause: str, query: dict[str, Any], wanted: list[str]) -> None:
    """A filtered list holds what it should, and counts it."""
    reply = probe.call("list_workers", query={**query, "limit": 100})
    ids = [one["_id"] for one in reply.items]
    total = reply.body.get("pagination", {}).get("total")
    right = reply.ok and ids == wanted[:100] and total == len(wanted)
    probe.expect(clause, right, f"{query}: {len(wanted)} workers", f"{len(ids)}, total {total}", reply)


@scenario(
    "workers.filter-algorithm",
    "workers.filter-status",
    "workers.filter-profile",
    "workers.filter-search",
    "lists.filters-combine",
    cost=16,
)
def filters_of_workers(probe: Probe) -> None:
    """Filters the list in every way and compares with the whole list."""
    workers = probe.workers()
    if not workers:
        raise Blocked("the user has no worker")

    def ids(**fields: str) -> list[str]:
        return [one["_id"] for one in workers if all(one[name] == value for name, value in fields.items())]

    for name in sorted({one["algorithm"] for one in workers})[:3]:
        compare(probe, "workers.filter-algorithm", {"algorithm": name}, ids(algorithm=name))
    for name in ("online", "offline"):
        compare(probe, "workers.filter-status", {"status": name}, ids(status=name))
    profile = workers[-1]["profile_id"]
    compare(probe, "workers.filter-profile", {"profile_id": profile}, ids(profile_id=profile))
    compare(probe, "workers.filter-profile", {"profile_id": probe.unused_id()}, [])
    name = workers[0]["name"]
    for part in (name, name[1:4].upper(), name[-2:], "%", "_", ".", "*", "no such worker"):
        wanted = [one["_id"] for one in workers if part.lower() in one["name"].lower()]
        compare(probe, "workers.filter-search", {"search": part}, wanted)
    first = workers[0]
    both = {"algorithm": first["algorithm"], "status": first["status"]}
    compare(probe, "lists.filters-combine", both, ids(**both))
    three = {**both, "profile_id": first["profile_id"], "search": name[:3]}
    wanted = [one["_id"] for one in workers if name[:3].lower() in one["name"].lower()]
    matching = set(ids(algorithm=first["algorithm"], status=first["status"], profile_id=first["profile_id"]))
    compare(probe, "lists.filters-combine", three, [one for one in wanted if one in matching])


@scenario("pools.list", "pools.filter-algorithm", "pools.filter-status", "pools.untested", cost=6)
def facts_of_pools(probe: Probe) -> None:
    """Reads all pools and filters them."""
    probe.success("pools.list", probe.call("list_pools", query={"limit": 1}))
    pools = probe.pools()
    if not pools:
        raise Blocked("the user has no pool")
    for one in pools:
        tested = one["health"]["last_checked_at"] is not None
        right = tested is (one["health"]["status"] != "unknown")
        probe.expect("pools.untested", right, "unknown exactly where last_checked_at is null", one["health"])
    for clause, name, value in (
        ("pools.filter-algorithm", "algorithm", pools[-1]["algorithm"]),
        ("pools.filter-status", "status", "healthy"),
        ("pools.filter-status", "status", "unhealthy"),
        ("pools.filter-status", "status", "unknown"),
    ):
        reply = probe.call("list_pools", query={name: value, "limit": 100})
        wanted = [one["_id"] for one in pools if value in (one["algorithm"], one["health"]["status"])]
        ids = [one["_id"] for one in reply.items]
        probe.expect(clause, ids == wanted[:100], f"{name}={value}: {len(wanted)} pools", f"{len(ids)}", reply)


@scenario("profiles.list", "profiles.one-default", "profiles.pools-true", "profiles.filter-algorithm", cost=5)
def facts_of_profiles(probe: Probe) -> None:
    """Reads all profiles and holds them against the pools."""
    probe.success("profiles.list", probe.call("list_profiles", query={"limit": 1}))
    profiles = probe.profiles()
    pools = {one["_id"]: one for one in probe.pools()}
    if not profiles:
        raise Blocked("the user has no profile")
    for name in sorted({one["algorithm"] for one in profiles}):
        defaults = sum(one["is_default"] is True for one in profiles if one["algorithm"] == name)
        probe.expect("profiles.one-default", defaults == 1, f"{name}: one default", f"{defaults}")
    for one in profiles:
        ids = [entry["pool_id"] for entry in one["pools"]]
        right = len(set(ids)) == len(ids) and all(
            entry["pool_id"] in pools
            and pools[entry["pool_id"]]["algorithm"] == one["algorithm"]
            and all(pools[entry["pool_id"]][field] == entry[field] for field in ("name", "host", "port"))
            and pools[entry["pool_id"]]["health"]["status"] == entry["status"]
            for entry in one["pools"]
        )
        probe.expect("profiles.pools-true", right, "the user's pools of its algorithm, as they are", one["pools"])
    name = profiles[-1]["algorithm"]
    reply = probe.call("list_profiles", query={"algorithm": name, "limit": 100})
    wanted = [one["_id"] for one in profiles if one["algorithm"] == name]
    right = [one["_id"] for one in reply.items] == wanted[:100]
    probe.expect("profiles.filter-algorithm", right, f"{len(wanted)} profiles of {name}", "", reply)
