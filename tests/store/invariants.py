"""What is true of a world whatever happened to it, asked through the store's own methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from tests.store.things import ALL
from upsim.model import Account, HealthStatus, Page, Pool, Profile, Worker, WorldId
from upsim.store.asking import Span, WorkerFilter
from upsim.store.base import Store

_Item = TypeVar("_Item", Pool, Profile, Worker)


def check_world(store: Store, world: WorldId, *, at_most: int | None = None) -> None:
    """Assert every invariant of a world that nobody changes meanwhile; `at_most` pools and profiles of an algorithm."""
    accounts = store.list_accounts(world)
    assert len({account.name for account in accounts}) == len(accounts)
    for account in accounts:
        pools = _listed(partial(store.list_pools, world, account.id))
        profiles = _listed(partial(store.list_profiles, world, account.id))
        workers = _listed(partial(store.list_workers, world, account.id, WorkerFilter()))
        _check_pools(store, world, account, pools, profiles)
        _check_profiles(store, world, account, pools, profiles)
        _check_workers(store, world, account, profiles, workers)
        if at_most is not None:
            for held in (Counter(pool.algorithm for pool in pools), Counter(one.algorithm for one in profiles)):
                assert max(held.values(), default=0) <= at_most
    for key in store.list_keys(world):
        caller = store.find_caller(key.digest)
        assert caller is not None
        assert (caller.world, caller.key) == (store.get_world(world), key)
        assert caller.account in accounts


def _listed(ask: Callable[[Span], Page[_Item]]) -> Sequence[_Item]:
    """The whole list, read in one page, which the small pages together have to equal."""
    whole = ask(ALL)
    assert whole.total == len(whole.items)
    assert list(whole.items) == sorted(whole.items, key=lambda item: (item.created_at, item.id))
    assert len({item.id for item in whole.items}) == whole.total
    step = max(1, whole.total // 3)
    pages = [ask(Span(offset, step)) for offset in range(0, whole.total, step)]
    assert [item for page in pages for item in page.items] == list(whole.items)
    return whole.items


def _check_pools(
    store: Store, world: WorldId, account: Account, pools: Sequence[Pool], profiles: Sequence[Profile]
) -> None:
    assert all(pool.account_id == account.id for pool in pools)
    assert store.get_pools(world, account.id, [pool.id for pool in pools]) == {pool.id: pool for pool in pools}
    counts = store.count_pools(world, account.id)
    assert {algorithm: count.total for algorithm, count in counts.items()} == Counter(pool.algorithm for pool in pools)
    for algorithm, count in counts.items():
        states = Counter(pool.health.status for pool in pools if pool.algorithm == algorithm)
        assert (count.healthy, count.unhealthy) == (states[HealthStatus.HEALTHY], states[HealthStatus.UNHEALTHY])
    for pool in pools:
        holders = [profile.name for profile in profiles if pool.id in profile.pool_ids]
        assert store.list_holders(world, pool.id) == holders


def _check_profiles(
    store: Store, world: WorldId, account: Account, pools: Sequence[Pool], profiles: Sequence[Profile]
) -> None:
    algorithms = {pool.id: pool.algorithm for pool in pools}
    for profile in profiles:
        assert profile.account_id == account.id
        assert profile.pool_ids
        assert len(set(profile.pool_ids)) == len(profile.pool_ids)
        assert [algorithms.get(pool_id) for pool_id in profile.pool_ids] == [profile.algorithm] * len(profile.pool_ids)
    assert store.get_profiles(world, account.id, [one.id for one in profiles]) == {one.id: one for one in profiles}
    for algorithm in {profile.algorithm for profile in profiles}:
        defaults = [profile for profile in profiles if profile.algorithm == algorithm and profile.is_default]
        assert defaults == [store.get_default_profile(world, account.id, algorithm)]


def _check_workers(
    store: Store, world: WorldId, account: Account, profiles: Sequence[Profile], workers: Sequence[Worker]
) -> None:
    algorithms = {profile.id: profile.algorithm for profile in profiles}
    for worker in workers:
        assert worker.account_id == account.id
        assert algorithms.get(worker.profile_id) == worker.algorithm, f"{worker.id} is on no profile of its algorithm"
    assert store.list_algorithms(world, account.id) == sorted({worker.algorithm for worker in workers})
    for profile in profiles:
        on_it = store.list_workers(world, account.id, WorkerFilter(profile_id=profile.id), ALL)
        assert list(on_it.items) == [worker for worker in workers if worker.profile_id == profile.id]
        assert on_it.total == len(on_it.items)
