"""Who is calling: keys, headers, scopes, and what is checked before what."""

from __future__ import annotations

from typing import Any

from ..clauses import operations
from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario
from ..settings import Key

WRONG = Key("up_k_contractnosuchkey", "nobody")


def harmless(probe: Probe, operation: str) -> tuple[str | None, dict[str, Any] | None, dict[str, Any]]:
    """Id, query and body of a call that a server may well carry out: it changes nothing, or is refused.

    Raises:
        Blocked: what it would name is not there.
    """
    profiles, pools = probe.profiles(), probe.pools()
    workers = probe.workers()
    default = next((one for one in profiles if one.get("is_default")), None)
    if default is None or not pools:
        raise Blocked("there is no default profile, or no pool")
    held = {entry["pool_id"] for one in profiles for entry in one["pools"]}
    pool = next((one for one in pools if one["_id"] in held), pools[0])
    identity = {"worker": workers[0]["_id"] if workers else None, "pool": pool["_id"], "profile": default["_id"]}
    known = operations()[operation]
    kind = known.path.split("/")[2].removesuffix("s")
    if kind == "worker" and not workers and (known.has_id or known.has_body):
        raise Blocked("there is no worker")
    bodies: dict[str, dict[str, Any]] = {
        "bulk_assign_workers": {
            "worker_ids": [workers[0]["_id"]] if workers else [],
            "profile_id": workers[0]["profile_id"] if workers else default["_id"],
        },
        "create_pool": {
            "name": probe.name("never"),
            "algorithm": "sha256",
            "host": "127.0.0.1",
            "port": 1,
            "username": "u",
        },
        "test_pool": {"algorithm": "sha256", "host": "127.0.0.1", "port": 1, "username": "u"},
        "create_profile": {
            "name": probe.name("never"),
            "algorithm": default["algorithm"],
            "pools": [{"pool_id": entry["pool_id"]} for entry in default["pools"]],
        },
    }
    query = (
        {"algorithm": default["algorithm"]} if operation in ("get_default_profile", "get_workers_hashrate") else None
    )
    return identity[kind] if known.has_id else None, query, bodies.get(operation, {})


def attempt(probe: Probe, operation: str, role: str | Key) -> Reply:
    """That harmless call, with some key."""
    identity, query, body = harmless(probe, operation)
    if operation == "create_profile":
        return probe.try_profile(body, role)
    if operation == "create_pool":
        return probe.try_pool(body, role)
    if operations()[operation].has_body:
        return probe.call(operation, identity, role=role, query=query, body=body)
    return probe.call(operation, identity, role=role, query=query)


@scenario("auth.key-required", "order.key-first", "rate.keyless-free", cost=0)
def without_a_key(probe: Probe) -> None:
    """Calls all eighteen operations, an unknown path and bad bodies without a key."""
    for operation in operations().values():
        identity = "0" * 24 if operation.has_id else None
        reply = probe.call(operation.id, identity, role=None)
        probe.status("auth.key-required", reply, 401)
        bare = reply.header("x-ratelimit-remaining") is None
        probe.expect("rate.keyless-free", bare, "no X-RateLimit headers without a key", "", reply)
    probe.status("order.key-first", probe.request("GET", "/v1/no-such-thing", role=None), 401)
    probe.status("order.key-first", probe.call("get_worker", "not-an-id", role=None), 401)
    probe.status("order.key-first", probe.call("create_pool", role=None, body=[1]), 401)


@scenario("auth.x-api-key", "auth.bearer", "auth.invalid-key", "auth.other-scheme", "auth.x-api-key-wins", cost=4)
def both_headers(probe: Probe) -> None:
    """Sends the key, and a wrong one, in each header and in both."""
    key = probe.key("main")
    probe.success("auth.x-api-key", probe.call("list_workers", query={"limit": 1}))
    probe.success("auth.bearer", probe.call("list_workers", query={"limit": 1}, bearer=True))
    probe.status("auth.invalid-key", probe.call("list_workers", role=WRONG), 401)
    probe.status("auth.invalid-key", probe.call("list_workers", role=WRONG, bearer=True), 401)
    probe.status("auth.invalid-key", probe.call("list_workers", role=None, headers={"X-API-Key": ""}), 401)
    probe.status("auth.invalid-key", probe.call("list_workers", role=Key(key.secret + "0", "nobody")), 401)
    basic = {"Authorization": f"Basic {key.secret}"}
    probe.status("auth.other-scheme", probe.call("list_workers", role=None, headers=basic), 401)
    both = probe.call("list_workers", query={"limit": 1}, headers={"Authorization": f"Bearer {WRONG.secret}"})
    probe.success("auth.x-api-key-wins", both)
    other = {"Authorization": f"Bearer {key.secret}"}
    probe.status("auth.x-api-key-wins", probe.call("list_workers", role=WRONG, headers=other), 401)


@scenario("auth.key-unusable", needs=("unusable",), cost=0)
def expired_key(probe: Probe) -> None:
    """Uses a key that is expired or revoked."""
    probe.status("auth.key-unusable", probe.call("list_workers", role="unusable"), 401)


@scenario("auth.address", needs=("wrong_address",), cost=0)
def wrong_address(probe: Probe) -> None:
    """Uses a key from an address it is not allowed from."""
    reply = probe.call("list_workers", role="wrong_address", mind_limit=False)
    probe.status("auth.address", reply, 403)


@scenario("auth.scope-required", "auth.scope-suffices", needs=("limited",), writes=True, cost=40)
def scopes(probe: Probe) -> None:
    """Calls each operation with a key that lacks its scope, and with one that has it but not all others."""
    for operation in operations().values():
        lacking = [key for key in probe.settings.limited if operation.scope not in key.scopes]
        having = [key for key in probe.settings.limited if operation.scope in key.scopes]
        if lacking:
            probe.status("auth.scope-required", attempt(probe, operation.id, lacking[0]), 403)
        if having:
            fewest = min(having, key=lambda key: len(key.scopes))
            reply = attempt(probe, operation.id, fewest)
            allowed = reply.status not in (401, 403)
            probe.expect("auth.scope-suffices", allowed, f"{operation.scope} opens {operation.id}", "", reply)


@scenario("order.scope-before-validation", needs=("limited",), cost=4)
def scope_before_validation(probe: Probe) -> None:
    """Sends bad parameters and bad bodies with a key that lacks the scope."""
    for operation, identity, raw in (
        ("get_worker", "not-an-id", None),
        ("create_pool", None, b"{"),
        ("update_profile", "not-an-id", b"{}"),
    ):
        lacking = [key for key in probe.settings.limited if operations()[operation].scope not in key.scopes]
        if lacking:
            headers = {"Content-Type": "application/json"} if raw else None
            reply = probe.call(operation, identity, role=lacking[0], raw=raw, headers=headers)
            probe.status("order.scope-before-validation", reply, 403)


@scenario("order.validation-before-existence", writes=True, cost=3)
def validation_before_existence(probe: Probe) -> None:
    """Sends bad bodies for ids that name nothing."""
    clause = "order.validation-before-existence"
    probe.status(clause, probe.call("update_pool", probe.unused_id(), body={"port": 0}), 400)
    probe.status(clause, probe.call("update_profile", probe.unused_id(), body={"name": ""}), 400)
    query = {"timeRange": "2h"}
    probe.status(clause, probe.call("get_worker_hashrate", probe.unused_id(), query=query), 400)


@scenario("order.existence-before-conflict", writes=True, cost=2)
def existence_before_conflict(probe: Probe) -> None:
    """Asks a default profile to change its algorithm and to take a pool that does not exist."""
    default = next((one for one in probe.profiles() if one["is_default"]), None)
    if default is None:
        raise Blocked("there is no default profile")
    other = "scrypt" if default["algorithm"] != "scrypt" else "sha256"
    body = {"algorithm": other, "pools": [{"pool_id": probe.unused_id()}]}
    probe.status("order.existence-before-conflict", probe.call("update_profile", default["_id"], body=body), 404)
