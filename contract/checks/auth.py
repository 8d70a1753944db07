"""Who is calling: keys, headers, scopes, and what is checked before what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..clauses import operations
from ..exchange import Reply
from ..probe import Blocked, Probe
from ..registry import scenario
from ..settings import Key

WRONG = Key("up_k_contractnosuchkey", "nobody")


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is to name in calls that a server may well carry out: they change nothing, or are refused."""

    worker: dict[str, Any]
    pool: dict[str, Any]
    profile: dict[str, Any]

    @classmethod
    def of(cls, probe: Probe) -> Standing:
        """Look around.

        Raises:
            Blocked: there is no worker, no default profile or no pool.
        """
        profiles, pools, workers = probe.profiles(), probe.pools(), probe.workers()
        default = next((one for one in profiles if one.get("is_default")), None)
        if default is None or not pools or not workers:
            raise Blocked("there is no worker, no pool or no default profile")
        held = {entry["pool_id"] for one in profiles for entry in one["pools"]}
        return cls(workers[0], next((one for one in pools if one["_id"] in held), pools[0]), default)

    def attempt(self, probe: Probe, operation: str, role: str | Key) -> Reply:
        """Such a call, with some key."""
        known, profile = operations()[operation], self.profile
        nowhere = {"algorithm": "sha256", "host": "127.0.0.1", "port": 1, "username": "u"}
        kind = known.path.split("/")[2].removesuffix("s")
        identity = {"worker": self.worker, "pool": self.pool, "profile": profile}[kind]["_id"] if known.has_id else None
        if operation == "create_profile":
            pools = [{"pool_id": entry["pool_id"]} for entry in profile["pools"]]
            body = {"name": probe.name("never"), "algorithm": profile["algorithm"], "pools": pools}
            return probe.try_profile(body, role)
        if operation == "create_pool":
            return probe.try_pool({"name": probe.name("never"), **nowhere}, role)
        if operation == "test_pool":
            return probe.call(operation, role=role, body=nowhere)
        if operation == "bulk_assign_workers":
            body = {"worker_ids": [self.worker["_id"]], "profile_id": self.worker["profile_id"]}
            return probe.call(operation, role=role, body=body)
        if known.has_body:
            return probe.call(operation, identity, role=role, body={})
        wanted = operation in ("get_default_profile", "get_workers_hashrate")
        return probe.call(operation, identity, role=role, query={"algorithm": profile["algorithm"]} if wanted else None)


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
    standing = Standing.of(probe)
    for operation in operations().values():
        lacking = [key for key in probe.settings.limited if operation.scope not in key.scopes]
        having = [key for key in probe.settings.limited if operation.scope in key.scopes]
        if lacking:
            probe.status("auth.scope-required", standing.attempt(probe, operation.id, lacking[0]), 403)
        if having:
            fewest = min(having, key=lambda key: len(key.scopes))
            reply = standing.attempt(probe, operation.id, fewest)
            allowed = reply.status not in (401, 403)
            probe.expect("auth.scope-suffices", allowed, f"{operation.scope} opens {operation.id}", "", reply)


@scenario("order.scope-before-validation", needs=("limited",), writes=True, cost=4)
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
