"""What both engines decide alike, from values they have read inside one atomic step. Pure.

What they decide about the past of profiles and workers is in courses.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from upsim.clock import Instant
from upsim.errors import ChangedMeanwhile, InvalidInput, NotFound
from upsim.model import Health, HealthStatus, ObjectId, Pool, Profile
from upsim.store.asking import PoolChanges

DIGEST_LENGTH = 64
"""Hex characters of a key's digest (SHA-256). A stored digest that is longer opens nothing: it is a hidden copy's."""


def came_at(history: Sequence[Sequence[Any]]) -> Instant | None:
    """When a measured worker's miner came or left last, by the worker's history; None where it never did."""
    return next((at for at, kind, *_ in reversed(history) if kind in ("online", "offline")), None)


def changed_pool(pool: Pool, changes: PoolChanges) -> Pool:
    """The pool after the changes.

    Raises:
        ChangedMeanwhile: host, port, tls, username or password would become something else than was tested.
    """
    fields = ("name", "algorithm", "host", "port", "tls", "username", "password")
    wishes = {name: value for name in fields if (value := getattr(changes, name)) is not None}
    changed = replace(pool, **wishes, updated_at=changes.at)
    if replace(changed.target, algorithm=pool.algorithm) == pool.target:
        return changed
    if changed.target != changes.tested:
        raise ChangedMeanwhile("Pool")
    return replace(changed, health=Health(HealthStatus.HEALTHY, changes.at, None, 0, changes.latency_ms))


def check_holdable(pool_ids: Collection[ObjectId], algorithms: Mapping[ObjectId, str], algorithm: str) -> None:
    """Check that a profile of the algorithm may hold these pools, given the algorithms of those that exist.

    Raises:
        NotFound: one is not the account's.
        InvalidInput: one is of another algorithm.
    """
    _check_known("Pool", pool_ids, algorithms)
    for position, pool_id in enumerate(pool_ids):
        if algorithms[pool_id] != algorithm:
            raise InvalidInput(
                f"pools[{position}].pool_id",
                f"pool {pool_id} is for {algorithms[pool_id]}, the profile for {algorithm}: all must be of one.",
            )


def check_assignable(worker_ids: Collection[ObjectId], algorithms: Mapping[ObjectId, str], profile: Profile) -> None:
    """Check that these workers may mine on the profile, given the algorithms of those that exist.

    Raises:
        NotFound: one is not the account's.
        InvalidInput: one is of another algorithm.
    """
    _check_known("Worker", worker_ids, algorithms)
    for worker_id in worker_ids:
        if algorithms[worker_id] != profile.algorithm:
            raise InvalidInput(
                "worker_ids",
                f"worker {worker_id} mines {algorithms[worker_id]}, profile {profile.name!r} is for"
                f" {profile.algorithm}: nothing was assigned.",
            )


def _check_known(kind: str, ids: Collection[ObjectId], known: Collection[ObjectId]) -> None:
    missing = [one for one in ids if one not in known]
    if missing:
        raise NotFound(kind, *missing)
