"""A world as one readable document, to be looked at, kept beside a test, or begun with in another process.

It holds no secret: neither passwords of pools nor keys, which are issued anew where it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from upsim.clock import ClockState, Instant
from upsim.errors import InvalidInput
from upsim.ids import digest_of, hint_of, new_key
from upsim.model import (
    Account,
    ApiKey,
    Health,
    HealthStatus,
    ObjectId,
    Pool,
    Profile,
    Scope,
    Tier,
    Worker,
    WorldRecord,
)
from upsim.rules.worlds import IssuedKey, NewWorld, Wish, new_record
from upsim.store.base import Content
from upsim.world import Universe, World

FORMAT: Final = "upsim-world/1"


def save_world(world: World) -> dict[str, Any]:
    """The world as a document. Passwords of pools become "x", which every simulated pool takes."""
    content = world.store.read_content(world.id)
    record = world.record
    return {
        "format": FORMAT,
        "fixture": record.fixture,
        "seed": record.seed,
        "now": record.clock.at(world.wall.now()),
        "speed": record.clock.speed,
        "options": dict(record.options),
        "accounts": [
            {"id": one.id, "name": one.name, "tier": one.tier, "created_at": one.created_at} for one in content.accounts
        ],
        "keys": [
            {
                "id": one.id,
                "account_id": one.account_id,
                "name": one.name,
                "scopes": sorted(one.scopes),
                "networks": list(one.networks),
                "created_at": one.created_at,
                "expires_at": one.expires_at,
                "revoked_at": one.revoked_at,
                "exhausted": one.exhausted,
            }
            for one in content.keys
        ],
        "pools": [
            {
                "id": one.id,
                "account_id": one.account_id,
                "name": one.name,
                "algorithm": one.algorithm,
                "host": one.host,
                "port": one.port,
                "tls": one.tls,
                "username": one.username,
                "health": {
                    "status": one.health.status,
                    "last_checked_at": one.health.last_checked_at,
                    "last_error": one.health.last_error,
                    "consecutive_failures": one.health.consecutive_failures,
                    "latency_ms": one.health.latency_ms,
                },
                "created_at": one.created_at,
                "updated_at": one.updated_at,
            }
            for one in content.pools
        ],
        "profiles": [
            {
                "id": one.id,
                "account_id": one.account_id,
                "name": one.name,
                "algorithm": one.algorithm,
                "pool_ids": list(one.pool_ids),
                "is_default": one.is_default,
                "created_at": one.created_at,
                "updated_at": one.updated_at,
            }
            for one in content.profiles
        ],
        "workers": [
            {
                "id": one.id,
                "account_id": one.account_id,
                "name": one.name,
                "algorithm": one.algorithm,
                "profile_id": one.profile_id,
                "model": one.model,
                "nominal": one.nominal,
                "home": one.home,
                "cell": one.cell,
                "weights": list(one.weights),
                "created_at": one.created_at,
                "updated_at": one.updated_at,
                "retired_at": one.retired_at,
                "history": [list(event) for event in one.history],
            }
            for one in content.workers
        ],
    }


def load_world(universe: Universe, wish: Wish, document: Mapping[str, Any]) -> NewWorld:
    """Begin a world with a saved one: its seed, its time and all it holds, with keys of its own.

    Raises:
        InvalidInput: the document is not one that save_world made, or was broken since.
        AlreadyExists: a world of the wished name is there.
    """
    if document.get("format") != FORMAT:
        raise InvalidInput("snapshot.format", f"must be {FORMAT!r}: take what /_upsim/worlds/…/download answers.")
    try:
        content, issued = _content(document)
        record = _record(universe, wish, document)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("snapshot", f"is not whole: {type(error).__name__} {error}.") from error
    universe.store.create_world(record, content)
    return NewWorld(record, issued)


def _record(universe: Universe, wish: Wish, document: Mapping[str, Any]) -> WorldRecord:
    record = new_record(universe, replace(wish, seed=int(document["seed"])), str(document["fixture"]))
    wall = universe.wall.now()
    clock = ClockState(wall, Instant(int(document["now"])), float(document["speed"]))
    options = dict(document["options"])
    return replace(record, clock=clock, options={**options, **record.options})


def _content(document: Mapping[str, Any]) -> tuple[Content, tuple[IssuedKey, ...]]:
    accounts = [
        Account(ObjectId(one["id"]), str(one["name"]), Tier(one["tier"]), Instant(one["created_at"]))
        for one in document["accounts"]
    ]
    known = {account.id for account in accounts}
    issued = tuple(_key(one) for one in _of(document["keys"], known))
    pools = [_pool(one) for one in _of(document["pools"], known)]
    profiles = [
        Profile(**{**one, "pool_ids": tuple(one["pool_ids"])}) for one in _of(document["profiles"], known)
    ]  # fmt: skip
    held = {pool.id: pool.algorithm for pool in pools}
    if any(held[pool_id] != profile.algorithm for profile in profiles for pool_id in profile.pool_ids):
        raise ValueError("a profile holds a pool of another algorithm")
    mined = {profile.id: profile.algorithm for profile in profiles}
    workers = [
        Worker(
            **{
                **one,
                "weights": tuple(one["weights"]),
                "history": tuple((Instant(at), kind, value, moved) for at, kind, value, moved in one["history"]),
            }
        )
        for one in _of(document["workers"], known)
    ]
    if any(mined[worker.profile_id] != worker.algorithm for worker in workers):
        raise ValueError("a worker has a profile of another algorithm")
    return Content(accounts, [one.key for one in issued], pools, profiles, workers), issued


def _of(rows: Sequence[Mapping[str, Any]], known: set[ObjectId]) -> Sequence[Mapping[str, Any]]:
    if any(row["account_id"] not in known for row in rows):
        raise ValueError("something belongs to no account")
    return rows


def _pool(one: Mapping[str, Any]) -> Pool:
    health = one["health"]
    return Pool(**{**one, "password": "x", "health": Health(**{**health, "status": HealthStatus(health["status"])})})


def _key(one: Mapping[str, Any]) -> IssuedKey:
    secret = new_key()
    fields = {
        **one,
        "scopes": frozenset(Scope(scope) for scope in one["scopes"]),
        "networks": tuple(one["networks"]),
        "digest": digest_of(secret),
        "hint": hint_of(secret),
        "issued": True,
    }
    return IssuedKey(ApiKey(**fields), secret)
