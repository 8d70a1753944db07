"""Ids: malformed, unknown, another user's, in upper case."""

from __future__ import annotations

import json
from typing import Any

from ..clauses import operations
from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario

MALFORMED = ("12", "g" * 24, "0" * 23, "0" * 25)


def named(probe: Probe, operation: str, identity: str, **more: Any) -> Reply:
    """An operation on some id, with an empty body where it needs one."""
    if operations()[operation].has_body:
        more.setdefault("body", {})
    return probe.call(operation, identity, **more)


def with_id() -> list[str]:
    """The operations whose path holds an id."""
    return [one.id for one in operations().values() if one.has_id]


@scenario("ids.malformed", writes=True, cost=10)
def malformed_ids(probe: Probe) -> None:
    """Gives each operation an id that is none."""
    for turn, operation in enumerate(with_id()):
        probe.status("ids.malformed", named(probe, operation, MALFORMED[turn % len(MALFORMED)]), 400)
    body = {"worker_ids": ["12"], "profile_id": "0" * 24}
    probe.status("ids.malformed", probe.call("bulk_assign_workers", body=body), 400)
    probe.status("ids.malformed", probe.call("test_pool", body={"pool_id": "g" * 24}), 400)


@scenario("ids.unknown", writes=True, cost=10)
def unknown_ids(probe: Probe) -> None:
    """Gives each operation an id that names nothing."""
    for operation in with_id():
        probe.status("ids.unknown", named(probe, operation, probe.unused_id()), 404)
    probe.status("ids.unknown", probe.call("test_pool", body={"pool_id": probe.unused_id()}), 404)


@scenario("ids.foreign", "ids.foreign-like-unknown", needs=("other_user",), writes=True, cost=20)
def foreign_ids(probe: Probe) -> None:
    """Names another user's worker, pool and profile in every way there is; none of the calls could harm if obeyed."""
    mine = {one["_id"] for one in (*probe.profiles(), *probe.pools(), *probe.workers())}
    profiles, pools, workers = probe.profiles("other_user"), probe.pools("other_user"), probe.workers("other_user")
    before = json.dumps([profiles, pools], sort_keys=True)
    theirs = {one["_id"] for one in (*profiles, *pools, *workers)}
    probe.expect(
        "ids.foreign", not mine & theirs, "lists of two users have nothing in common", sorted(mine & theirs)[:3]
    )
    default = next((one for one in profiles if one["is_default"]), None)
    if default is None or not workers:
        raise Blocked("the other user has no default profile or no worker")
    # A default profile cannot be deleted and a pool in use cannot either: even a server that obeys does no harm.
    identity = {"worker": workers[0]["_id"], "pool": default["pools"][0]["pool_id"], "profile": default["_id"]}
    for operation in with_id():
        kind = operations()[operation].path.split("/")[2].removesuffix("s")
        _foreign(
            probe, named(probe, operation, identity[kind]), identity[kind], named(probe, operation, probe.unused_id())
        )
    own = next((one for one in probe.workers()), None)
    if own is not None:
        body = {"worker_ids": [identity["worker"]], "profile_id": own["profile_id"]}
        _foreign(probe, probe.call("bulk_assign_workers", body=body), identity["worker"])
        body = {"worker_ids": [own["_id"]], "profile_id": identity["profile"]}
        probe.undo_assign([own])
        _foreign(probe, probe.call("bulk_assign_workers", body=body), identity["profile"])
    _foreign(probe, probe.call("test_pool", body={"pool_id": identity["pool"]}), identity["pool"])
    body = {"name": probe.name("thief"), "algorithm": default["algorithm"], "pools": [{"pool_id": identity["pool"]}]}
    _foreign(probe, probe.try_profile(body), identity["pool"])
    found = probe.call("list_workers", query={"profile_id": identity["profile"]})
    leaked = [one["_id"] for one in found.items if one["_id"] in theirs]
    probe.expect("ids.foreign", not leaked, "none of the other user's workers", leaked, found)
    after = json.dumps([probe.profiles("other_user"), probe.pools("other_user")], sort_keys=True)
    probe.expect("ids.foreign", after == before, "the other user's pools and profiles as before", "changed")


def _foreign(probe: Probe, reply: Reply, identity: str, unknown: Reply | None = None) -> None:
    probe.refusal("ids.foreign", reply)
    probe.status("ids.foreign-like-unknown", reply, 404)
    if unknown is not None and unknown.status == 404:
        asked = unknown.exchange.url.split("/")[5].partition("?")[0]
        same = reply.error.replace(identity, "ID") == unknown.error.replace(asked, "ID")
        probe.expect(
            "ids.foreign-like-unknown", same, f"the message of an unknown id: {unknown.error}", reply.error, reply
        )


@scenario("ids.case", cost=3)
def upper_case_ids(probe: Probe) -> None:
    """Asks for a pool by its id in upper case."""
    pool = next((one for one in probe.pools() if one["_id"] != one["_id"].upper()), None)
    if pool is None:
        raise Blocked("no pool has a letter in its id")
    reply = probe.call("get_pool", pool["_id"].upper())
    same = reply.ok and reply.body.get("_id") == pool["_id"]
    probe.expect("ids.case", same, f"the pool {pool['_id']}", "", reply)


@scenario("resources.same-as-item", "workers.get", "pools.get", cost=6)
def single_resources(probe: Probe) -> None:
    """Reads a worker and a pool alone and compares with the list."""
    for operation, items in (("get_worker", probe.workers()), ("get_pool", probe.pools())):
        clause = operation.replace("get_", "") + "s.get"
        for item in items[:1] + items[-1:]:
            reply = probe.call(operation, item["_id"])
            probe.expect(clause, reply.ok and reply.body.get("_id") == item["_id"], "the one the id names", "", reply)
            moving = {
                "hashrate",
                "shares",
                "uptime_seconds",
                "last_seen_at",
                "status",
                "pool_id",
                "pool_name",
                "health",
            }
            same = reply.body.keys() == item.keys() and all(
                reply.body[name] == value for name, value in item.items() if name not in moving
            )
            probe.expect("resources.same-as-item", same, "the fields and values of the list", "", reply)
