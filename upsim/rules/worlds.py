"""Worlds: how one begins."""

from __future__ import annotations

from typing import Final

from upsim.clock import ClockState
from upsim.fixture import Fixture
from upsim.model import WorldId, WorldRecord
from upsim.world import Universe

DEFAULT: Final = WorldId("default")
"""The world a newcomer meets."""


def open_default(universe: Universe, fixture: Fixture, seed: int) -> WorldRecord:
    """The default world: as the store has it, or new from the fixture, with the fixture's own memorable keys."""
    known = universe.store.get_world(DEFAULT)
    if known is not None:
        return known
    record = WorldRecord(DEFAULT, fixture.name, seed, ClockState.real(), universe.wall.now())
    universe.store.create_world(record, fixture.content)
    return record
