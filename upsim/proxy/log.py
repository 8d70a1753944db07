"""What happens at the door, told as it happens: the last few hundred events of each world, for whoever looks on."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import Any, Final

from upsim.clock import Instant, iso
from upsim.model import Pool, WorldId
from upsim.proxy.relay import Counted
from upsim.proxy.visit import Visit
from upsim.stratum.wire import clip

KEPT: Final = 500
"""Events of one world."""
WORLDS: Final = 1_000
"""Worlds whose events are kept: beyond, those of the one that was quiet for longest go."""


class Log:
    """Events by world, each with a number that grows. Filled and read in the door's loop."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._events: OrderedDict[WorldId, deque[dict[str, Any]]] = OrderedDict()
        self._last = 0

    def since(self, world_id: WorldId, number: int) -> list[dict[str, Any]]:
        """The world's events with a greater number, oldest first."""
        return [event for event in self._events.get(world_id, ()) if event["seq"] > number]

    def _add(self, world_id: WorldId, at: Instant, event: str, **facts: Any) -> None:
        known = self._events.get(world_id)
        if known is None:
            known = self._events[world_id] = deque(maxlen=KEPT)
            if len(self._events) > WORLDS:
                self._events.popitem(last=False)
        self._events.move_to_end(world_id)
        self._last += 1
        known.append({"seq": self._last, "at": iso(at), "event": event, **facts})

    def _of(self, visit: Visit, at: Instant, event: str, **facts: Any) -> None:
        guest = visit.guest
        if guest is not None:
            who = {"session": visit.number, "worker_id": guest.worker_id, "worker": clip(guest.worker)}
            self._add(guest.world_id, at, event, **who, **facts)

    def came(self, visit: Visit, at: Instant) -> None:
        """A miner was let in."""
        agent = visit.relay.session.agent if visit.relay.session is not None else ""
        self._of(visit, at, "came", agent=clip(agent), peer=visit.peer)

    def went(self, visit: Visit, at: Instant) -> None:
        """A miner left."""
        self._of(visit, at, "went", peer=visit.peer)

    def share(self, visit: Visit, counted: Counted, at: Instant) -> None:
        """A share was answered."""
        code = None if counted.code is None else int(counted.code)
        self._of(visit, at, "share", difficulty=counted.difficulty, code=code, text=clip(counted.text) or None)

    def moved(self, visit: Visit, pool: Pool | None, at: Instant) -> None:
        """A miner's pool changed."""
        before = None if visit.was_on is None else visit.was_on.name
        self._of(visit, at, "moved", pool=None if pool is None else pool.name, before=before)

    def failed(self, world_id: WorldId, pool: Pool, reason: str, at: Instant) -> None:
        """A pool failed."""
        self._add(world_id, at, "failed", pool_id=pool.id, pool=pool.name, text=reason)

    def recovered(self, world_id: WorldId, pool: Pool, at: Instant) -> None:
        """A pool is well again."""
        self._add(world_id, at, "recovered", pool_id=pool.id, pool=pool.name)
