"""The door's word with the store, once a step: writes down what happened, reads where everybody should be.

Runs beside the loop, in a thread that may block; is given plain values and gives plain values back. What a store that
is away for a moment did not take is handed back, to be tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from upsim.errors import NotFound, StoreUnavailable
from upsim.model import Mined, ObjectId, WorldId, WorldRecord
from upsim.rules import miners
from upsim.rules.behaviours import list_behaviours
from upsim.rules.miners import Plan
from upsim.rules.presence import put_offline
from upsim.rules.worlds import require_world
from upsim.world import Universe

_LOG: Final = logging.getLogger(__name__)

Accounts = Mapping[ObjectId, Collection[ObjectId]]
"""Workers by account."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What the door found out about a pool: an error, or None where it is well again."""

    pool_id: ObjectId
    error: str | None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """What to write and read in one world.

    Attributes:
        here: whose miners are connected.
        gone: whose left since the last time.
        tested: pools that failed, or are well again.
        mined: what was done.
        tidy: forget work of too long ago, of whoever did something.
        rewound: the world's clock went back: what lies ahead of it has not happened.
    """

    here: Accounts = field(default_factory=dict)
    gone: Accounts = field(default_factory=dict)
    tested: Sequence[Tested] = ()
    mined: Sequence[Mined] = ()
    tidy: bool = False
    rewound: bool = False


@dataclass(frozen=True, slots=True)
class News:
    """What came of an errand.

    Attributes:
        record: the world's; None where it is no more.
        plans: where each account's miners should be; none where the store is away.
        written: whether all was written.
    """

    record: WorldRecord | None
    plans: Mapping[ObjectId, Plan]
    written: bool = True


def run(universe: Universe, errands: Mapping[WorldId, Errand]) -> dict[WorldId, News]:
    """Run the errands of each world; a world that cannot be had leaves the others alone."""
    return {world_id: _run(universe, world_id, errand) for world_id, errand in errands.items()}


def _run(universe: Universe, world_id: WorldId, errand: Errand) -> News:
    record: WorldRecord | None = None
    written = False
    try:
        world = require_world(universe, world_id)
        record = world.record
        for test in errand.tested:
            universe.store.record_test(world_id, test.pool_id, world.now(), test.latency_ms, test.error)
        if errand.rewound:
            miners.forget_future(world)
        if errand.mined:
            miners.write_down(world, errand.mined, tidy=errand.tidy)
        written = True  # presence is only set, so it can be set again
        put_offline(world, errand.gone)
        return News(record, {account: miners.read_plan(world, account, ids) for account, ids in errand.here.items()})
    except NotFound:
        return News(record if record is not None else None, {})
    except StoreUnavailable as problem:
        _LOG.warning("the store did not take what the miners of %s did; it is tried again: %s", world_id, problem)
        return News(record, {}, written)


def marked(record: WorldRecord) -> dict[tuple[str, int], tuple[str, int]]:
    """What was put on which of a world's addresses: name and turn."""
    return {(one.host, one.port): (one.behaviour, one.turn) for one in list_behaviours(record)}
