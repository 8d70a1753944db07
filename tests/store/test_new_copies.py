"""A copy that must be new: of all that are asked for at once under one name, one is made."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.store.invariants import check_world
from tests.store.things import key, record
from upsim.errors import AlreadyExists
from upsim.model import WorldId
from upsim.store.base import Store

COPY = WorldId("copy")


def test_a_copy_that_must_be_new_leaves_one_that_is_there_alone(store: Store, world: WorldId) -> None:
    store.copy_content(world, COPY, with_keys=False, record=record(COPY), new_keys=[key(970)], only_new=True)
    with pytest.raises(AlreadyExists, match="World 'copy'"):
        store.copy_content(
            world, COPY, with_keys=False, record=record(COPY, seed=9), new_keys=[key(971)], only_new=True
        )
    assert store.get_world(COPY) == record(COPY)
    assert store.list_keys(COPY) == [key(970)]
    assert store.find_caller(key(971).digest) is None
    check_world(store, COPY)


def test_of_many_that_make_one_world_at_once_one_succeeds(stores: tuple[Store, Store], world: WorldId) -> None:
    def make(number: int) -> bool:
        try:
            stores[number % 2].copy_content(
                world, COPY, with_keys=False, record=record(COPY), new_keys=[key(980 + number)], only_new=True
            )
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(make, range(6)))
    assert made.count(True) == 1
    assert stores[1].list_keys(COPY) == [key(980 + made.index(True))]
    check_world(stores[0], COPY)
