"""The worlds with miners at the door, as their records were when they were last read.

A world's clock is asked for every share, and what was put on its pools for every connection to one: neither may wait
for the store.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from upsim.clock import SECOND, Clock, ClockState, Instant
from upsim.model import WorldId, WorldRecord
from upsim.proxy import sync
from upsim.proxy.dialer import Home
from upsim.proxy.inner import Address


@dataclass
class WorldClock:
    """A world's clock, as it was when its record was last read: asked for every share, so it asks nobody."""

    wall: Clock
    state: ClockState

    def now(self) -> Instant:
        """The world's time."""
        return self.state.at(self.wall.now())


@dataclass
class Present:
    """A world with miners at the door.

    Attributes:
        marked: what was put on which of its addresses.
        shown: what its clock showed when its record was last read.
        rewound: whether the clock went back since the last step.
        steps: how many were taken in it.
    """

    record: WorldRecord
    clock: WorldClock
    marked: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    shown: Instant = Instant(0)
    rewound: bool = False
    steps: int = 0

    @property
    def home(self) -> Home:
        """What a connection to a pool has to know of it."""
        return Home(self.record.id, self.record.seed, self.clock, frozenset(self.marked))


class Worlds:
    """All of them."""

    def __init__(self, wall: Clock, cut: Callable[[Address], None]) -> None:
        """Begin with none.

        Args:
            cut: hangs up on everybody at an address of a simulated pool.
        """
        self._wall = wall
        self._cut = cut
        self._present: dict[WorldId, Present] = {}

    def get(self, world_id: WorldId) -> Present | None:
        """A world; None where nobody came from it, or it ended."""
        return self._present.get(world_id)

    def now(self, world_id: WorldId) -> Instant:
        """The world's time; the machine's, where the world is not known."""
        here = self._present.get(world_id)
        return here.clock.now() if here is not None else self._wall.now()

    def update(self, world_id: WorldId, record: WorldRecord) -> bool:
        """Keep a world's record; says whether the world began anew, or an earlier time of it."""
        here = self._present.get(world_id)
        if here is None:
            here = self._present[world_id] = Present(record, WorldClock(self._wall, record.clock))
        anew = here.record.generation != record.generation
        marks = sync.marked(record)
        for address in here.marked.keys() | marks.keys():
            if here.marked.get(address) != marks.get(address):
                # Whoever is on a pool on which something was put, or taken from, meets it now.
                self._cut((world_id, *address))
        here.record, here.marked, here.clock.state = record, marks, record.clock
        now = here.clock.now()
        if now < here.shown - SECOND:
            here.rewound = anew = True
        here.shown = now
        return anew

    def forget(self, world_id: WorldId) -> None:
        """A world ended."""
        self._present.pop(world_id, None)
