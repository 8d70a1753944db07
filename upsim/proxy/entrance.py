"""Lets miners in: those who ask at about the same time by one question to the store, beside the loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from typing import Final, Protocol

from upsim.errors import StoreUnavailable
from upsim.model import ObjectId, WorldId
from upsim.proxy import sync
from upsim.proxy.presence import Presence
from upsim.proxy.sync import Errand, News
from upsim.proxy.tasks import Tasks
from upsim.proxy.visit import Visit
from upsim.rules import miners
from upsim.rules.miners import Arrival, Guest, TurnedAway
from upsim.stratum.events import Login
from upsim.world import Universe

AT_ONCE: Final = 500
"""Miners let in by one question to the store."""


class Inside(Protocol):
    """Where they are let in to."""

    def meet(self, world_id: WorldId, news: News) -> None:
        """What the store says of a world that somebody comes from, and of where they should be."""

    def seat(self, visit: Visit, login: Login, guest: Guest) -> None:
        """A miner is in."""


class Entrance:
    """Where all miners of a process come in."""

    def __init__(
        self,
        universe: Universe,
        tasks: Tasks,
        stepping: asyncio.Lock,
        presence: Presence,
        inside: Inside,
        default: WorldId | None,
    ) -> None:
        """Nobody asked yet.

        Args:
            stepping: is held while the store is asked, so that no step writes down meanwhile who is here.
            default: the world of a login that names none; None asks everybody to name one.
        """
        self._universe = universe
        self._tasks = tasks
        self._stepping = stepping
        self._presence = presence
        self._inside = inside
        self._default = default
        self._waiting: deque[tuple[Visit, Login]] = deque()
        self._letting_in: asyncio.Task[None] | None = None

    def ask(self, visit: Visit, login: Login) -> None:
        """Somebody wants in."""
        self._waiting.append((visit, login))
        if self._letting_in is None or self._letting_in.done():
            self._letting_in = self._tasks.start(self._let_in())

    async def _let_in(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # whoever else asks in this turn of the loop comes too
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            by_algorithm: defaultdict[str, list[tuple[Visit, Login]]] = defaultdict(list)
            for visit, login in batch:
                by_algorithm[visit.algorithm].append((visit, login))
            for algorithm, asking in by_algorithm.items():
                async with self._stepping:
                    await self._admit(algorithm, asking)

    async def _admit(self, algorithm: str, asking: list[tuple[Visit, Login]]) -> None:
        arrivals = [Arrival(login.username, login.rig) for _, login in asking]
        try:
            found = await self._tasks.beside(miners.admit, self._universe, algorithm, arrivals, self._default)
        except StoreUnavailable:
            found = [TurnedAway("The proxy cannot let anybody in for a moment: try again")] * len(asking)
        new: defaultdict[WorldId, dict[ObjectId, list[ObjectId]]] = defaultdict(dict)
        for guest in found:
            if isinstance(guest, Guest):
                new[guest.world_id].setdefault(guest.account_id, []).append(guest.worker_id)
        errands = {world_id: Errand(here=here) for world_id, here in new.items()}
        for world_id, news in (await self._tasks.beside(sync.run, self._universe, errands)).items():
            self._inside.meet(world_id, news)
        for (visit, login), outcome in zip(asking, found, strict=True):
            if not visit.open:
                if isinstance(outcome, Guest):
                    self._presence.never_came(outcome)
            elif visit.guest is not None and isinstance(outcome, TurnedAway):
                visit.close()  # its account went from under it
            elif isinstance(outcome, TurnedAway):
                visit.do(visit.relay.refuse(login, outcome.text))
            else:
                self._inside.seat(visit, login, outcome)
