"""The list of workers: filters, and facts that hold of each worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..exchange import Reply
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
    "workers.no-pool",
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
        if pool is None:
            probe.expect("workers.no-pool", one["hashrate"] == 0, "hashrate 0 without a pool", one["hashrate"])
        if one["status"] == "offline":
            rest = (one["hashrate"], one.get("uptime_seconds"), pool)
            probe.expect("workers.offline", rest == (0, 0, None), "hashrate 0, uptime 0, no pool", rest)
        elif one["status"] == "online":
            probe.expect("workers.online", one.get("last_seen_at") is not None, "a time in last_seen_at", "null")


Wanted = Callable[[dict[str, Any]], bool]


def held(probe: Probe, clause: str, query: dict[str, Any], wanted: Wanted, before: list[dict[str, Any]]) -> None:
    """A filtered list holds what it should, and counts it.

    Workers come and go while a run looks: where the list is not what the workers were before, they are read again, and
    only those that were the same both times are insisted on.
    """
    reply = probe.call("list_workers", query={**query, "limit": 100})
    right, said = _fits(reply, wanted, before, before)
    if not right:
        right, said = _fits(reply, wanted, before, probe.again("list_workers"))
    probe.expect(clause, right, f"{query}: {said}", "", reply)


def _fits(reply: Reply, wanted: Wanted, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> tuple[bool, str]:
    first = {one["_id"] for one in before if wanted(one)}
    second = {one["_id"] for one in after if wanted(one)}
    must, may = first & second, first | second
    ids, total = [one["_id"] for one in reply.items], reply.body.get("pagination", {}).get("total", -1)
    whole = total > len(ids) or must <= set(ids)
    right = reply.ok and len(must) <= total <= len(may) and set(ids) <= may and whole and len(ids) == min(total, 100)
    order = [one["_id"] for one in before if one["_id"] in set(ids)]
    count = f"{len(must)}" if must == may else f"{len(must)} to {len(may)}"
    return right and order == [one for one in ids if one in set(order)], f"{count} workers, in the order of the list"


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

    def where(**fields: str) -> Wanted:
        return lambda one: all(one[name] == value for name, value in fields.items())

    for name in sorted({one["algorithm"] for one in workers})[:3]:
        held(probe, "workers.filter-algorithm", {"algorithm": name}, where(algorithm=name), workers)
    for name in ("online", "offline"):
        held(probe, "workers.filter-status", {"status": name}, where(status=name), workers)
    profile = workers[-1]["profile_id"]
    held(probe, "workers.filter-profile", {"profile_id": profile}, where(profile_id=profile), workers)
    held(probe, "workers.filter-profile", {"profile_id": probe.unused_id()}, lambda one: False, workers)
    name = workers[0]["name"]
    for part in (name, name[1:4].upper(), name[-2:], "%", "_", ".", "*", "no such worker"):
        held(probe, "workers.filter-search", {"search": part}, _named(part), workers)
    first = workers[0]
    both = {"algorithm": first["algorithm"], "status": first["status"]}
    held(probe, "lists.filters-combine", both, where(**both), workers)
    three = {**both, "profile_id": first["profile_id"]}
    same, called = where(**three), _named(name[:3])
    held(
        probe,
        "lists.filters-combine",
        {**three, "search": name[:3]},
        lambda one: same(one) and called(one),
        workers,
    )


def _named(part: str) -> Wanted:
    return lambda one: part.lower() in one["name"].lower()


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
        if ids != wanted[:100]:  # a pool may have been checked meanwhile
            pools = probe.again("list_pools")
            wanted = [one["_id"] for one in pools if value in (one["algorithm"], one["health"]["status"])]
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
