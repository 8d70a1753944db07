"""A store of each kind with one small world in it."""

from __future__ import annotations

import pytest

from tests.store.things import WORLD, content, record
from upsim.model import WorldId
from upsim.store.base import Store


@pytest.fixture
def world(store: Store) -> WorldId:
    """The world of things.content, in the store."""
    store.create_world(record(), content())
    return WORLD
