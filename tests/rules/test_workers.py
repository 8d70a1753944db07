"""A worker as it is shown: always under a profile that exists, whatever happens between two look-ups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from upsim import fixture
from upsim.clock import ClockState, Instant, parse_iso
from upsim.model import PoolTarget, PoolTest, WorldId, WorldRecord
from upsim.rules.devices import summands
from upsim.rules.profiles import delete_profile
from upsim.rules.workers import get_worker, list_workers
from upsim.store.asking import Span, WorkerFilter
from upsim.store.base import Store
from upsim.store.factory import open_store
from upsim.world import World

NOW = parse_iso("2025-06-01T12:00:10Z")


class Standing:
    """A clock that does not move."""

    def now(self) -> Instant:
        return NOW


class Meanwhile:
    """A store in which something happens just before profiles are first looked up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.happening: Any = None

    def __getattr__(self, name: str) -> Any:
        if name == "get_profiles" and self.happening is not None:
            happening, self.happening = self.happening, None
            happening()
        return getattr(self._store, name)


def no_pools(world: World, target: PoolTarget) -> PoolTest:
    """Nobody tries a pool here."""
    raise AssertionError(target)


@pytest.fixture
def store(store_url: str) -> Iterator[Meanwhile]:
    """The demo world in a store of each kind."""
    kept = open_store(store_url, summands)
    kept.create_world(WorldRecord(WorldId("w"), "demo", 7, ClockState.real(), NOW), fixture.load("demo").content)
    yield Meanwhile(kept)
    kept.close()


def test_a_worker_whose_profile_is_deleted_while_it_is_read_is_shown_under_the_default(store: Meanwhile) -> None:
    record = store.get_world(WorldId("w"))
    world = World(record, store, no_pools, Standing())
    account = next(one for one in store.list_accounts(world.id) if one.name == "vip")
    profiles = store.list_profiles(world.id, account.id, Span(0, 100), "sha256").items
    doomed = next(profile for profile in profiles if profile.name == "Lottery")
    default = next(profile for profile in profiles if profile.is_default)
    workers = store.list_workers(world.id, account.id, WorkerFilter(profile_id=doomed.id), Span(0, 100)).items
    assert workers

    store.happening = lambda: delete_profile(world, account, doomed.id)
    shown = list_workers(
        world, account, Span(0, 100), algorithm=None, profile_id=doomed.id, search=None, online=None
    ).page.items
    assert {(view.worker.profile_id, view.profile_name) for view in shown} == {(default.id, default.name)}
    assert len(shown) == len(workers)
    assert get_worker(world, account, workers[0].id).profile_name == default.name
