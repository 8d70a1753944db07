"""Mining pools: tested before they are saved, kept while a profile holds them."""

from __future__ import annotations

from dataclasses import replace

from upsim.errors import NotFound, PoolInUse, PoolTestFailed, QuotaExceeded
from upsim.ids import object_id
from upsim.model import Account, Health, HealthStatus, ObjectId, Page, Pool, PoolTarget, PoolTest, Profile
from upsim.records import dataclass
from upsim.rules.caps import at_most_pools
from upsim.store.asking import PoolChanges, Span
from upsim.world import World


@dataclass(frozen=True, slots=True)
class Created:
    """A new pool, and the profile that was made for it where there was none."""

    pool: Pool
    profile_id: ObjectId | None


def list_pools(
    world: World, account: Account, span: Span, algorithm: str | None, status: HealthStatus | None
) -> Page[Pool]:
    """A page of the account's pools."""
    return world.store.list_pools(world.id, account.id, span, algorithm, status)


def get_pool(world: World, account: Account, pool_id: ObjectId) -> Pool:
    """The account's pool.

    Raises:
        NotFound: the account has no such pool.
    """
    pool = world.store.get_pool(world.id, account.id, pool_id)
    if pool is None:
        raise NotFound("Pool", pool_id)
    return pool


def create_pool(world: World, account: Account, name: str, target: PoolTarget) -> Created:
    """Test a pool and, if it passes, save it; the account's first pool of an algorithm brings a default profile.

    Raises:
        QuotaExceeded: the tier allows no more pools of the algorithm.
        PoolTestFailed: the pool did not pass.

    Source: reference, POST /v1/pools.
    """
    at_most = at_most_pools(world, account)
    if at_most is not None:  # The store holds the limit; asked here too, so that nobody waits for a test in vain.
        held = world.store.count_pools(world.id, account.id).get(target.algorithm)
        if held is not None and held.total >= at_most:
            raise QuotaExceeded("pools", at_most, target.algorithm)
    test = _passed(world.test_pool(world, target))
    now = world.now()
    pool = Pool(
        id=new_id(world, "pool"),
        account_id=account.id,
        name=name,
        algorithm=target.algorithm,
        host=target.host,
        port=target.port,
        tls=target.tls,
        username=target.username,
        password=target.password,
        health=Health(HealthStatus.HEALTHY, now, None, 0, test.latency_ms),
        created_at=now,
        updated_at=now,
    )
    profile = Profile(
        new_id(world, "profile"),
        account.id,
        f"Default {target.algorithm}",
        target.algorithm,
        (pool.id,),
        True,
        now,
        now,
    )
    return Created(pool, world.store.add_pool(world.id, pool, at_most, profile))


def update_pool(world: World, account: Account, pool_id: ObjectId, changes: PoolChanges) -> Pool:
    """Change a pool; test it again exactly when host, port, TLS or credentials change.

    Raises:
        NotFound: the account has no such pool.
        PoolInUse: the algorithm would change, and profiles hold the pool.
        QuotaExceeded: the tier allows no more pools of the new algorithm.
        PoolTestFailed: the pool did not pass, nothing was saved.
        ChangedMeanwhile: another request changed the connection while this one tested it.

    Source: reference, PUT /v1/pools/{id}.
    """
    pool = get_pool(world, account, pool_id)
    if changes.algorithm not in (None, pool.algorithm):
        holders = world.store.list_holders(world.id, pool_id)
        if holders:
            raise PoolInUse(holders, "given another algorithm")
    wanted = _wanted(pool.target, changes)
    if replace(wanted, algorithm=pool.algorithm) != pool.target:
        test = _passed(world.test_pool(world, wanted))
        changes = replace(changes, tested=wanted, latency_ms=test.latency_ms)
    return world.store.update_pool(world.id, account.id, pool_id, changes, at_most_pools(world, account))


def delete_pool(world: World, account: Account, pool_id: ObjectId) -> None:
    """Delete a pool that no profile holds.

    Raises:
        NotFound: the account has no such pool.
        PoolInUse: profiles hold it.
    """
    world.store.delete_pool(world.id, account.id, pool_id)


def check_pool(world: World, target: PoolTarget) -> PoolTest:
    """Test a pool that is not saved."""
    return world.test_pool(world, target)


def check_saved_pool(world: World, account: Account, pool_id: ObjectId) -> PoolTest:
    """Test a saved pool and note in its health what came of it; success resets its health.

    Raises:
        NotFound: the account has no such pool.

    Source: reference, POST /v1/pools/test.
    """
    test = world.test_pool(world, get_pool(world, account, pool_id).target)
    failure = test.failure
    error = f"{failure.stage}: {failure.reason}" if failure else None
    world.store.record_test(world.id, pool_id, world.now(), test.latency_ms, error)
    return test


def new_id(world: World, kind: str) -> ObjectId:
    """An id for a new thing of this kind: follows from the world's seed, time and how many there were before."""
    return ObjectId(object_id(world.now(), world.seed, kind, world.store.next_number(world.id, "ids")))


def _wanted(target: PoolTarget, changes: PoolChanges) -> PoolTarget:
    fields = ("host", "port", "tls", "algorithm", "username", "password")
    return replace(target, **{name: value for name in fields if (value := getattr(changes, name)) is not None})


def _passed(test: PoolTest) -> PoolTest:
    failure = test.failure
    if failure is not None:
        raise PoolTestFailed(failure.stage, failure.reason or "no reason was given")
    return test
