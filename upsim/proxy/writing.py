"""Writes down accepted shares before their miners are told.

Shares that come while one writing is under way are written by the next, all at once: so the more there are, the less
each costs, and a process that is killed hard loses none that a miner was told of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from upsim.proxy import sync
from upsim.proxy.books import Books
from upsim.proxy.sync import Errand
from upsim.proxy.tasks import Tasks
from upsim.proxy.visit import Visit
from upsim.rules.miners import Guest
from upsim.world import Universe

AWAY_S: Final = 0.5
"""How long miners are told at once after the store did not take something: what is in the books is tried with steps."""


class Writing:
    """What miners wait to be told."""

    def __init__(
        self,
        universe: Universe,
        tasks: Tasks,
        stepping: asyncio.Lock,
        books: Books,
        guests: Callable[[], Iterable[Guest]],
    ) -> None:
        """Nobody waits yet.

        Args:
            stepping: is held while something is written: what a step took from the books is written when it is free.
            guests: who is here.
        """
        self._universe = universe
        self._tasks = tasks
        self._stepping = stepping
        self._books = books
        self._guests = guests
        self._waiting: list[tuple[Visit, bytes]] = []
        self._writing: asyncio.Task[None] | None = None
        self._away_until = 0.0

    def tell(self, visit: Visit, reply: bytes) -> None:
        """Tell a miner something once all that is in the books by now is written."""
        if asyncio.get_running_loop().time() < self._away_until:
            visit.say(reply)
            return
        self._waiting.append((visit, reply))
        if self._writing is None or self._writing.done():
            self._writing = self._tasks.start(self._write())

    async def _write(self) -> None:
        while self._waiting:
            waiting: list[tuple[Visit, bytes]] = []
            try:
                async with self._stepping:
                    waiting, self._waiting = self._waiting, []
                    await self._empty_books()
            finally:
                for visit, reply in waiting:
                    visit.say(reply)

    async def _empty_books(self) -> None:
        errands = {world_id: Errand(mined=mined) for world_id, mined in self._books.take().items()}
        if not errands:
            return  # a step wrote it
        for world_id, news in (await self._tasks.beside(sync.run, self._universe, errands)).items():
            if not news.written:
                self._books.put_back(world_id, errands[world_id].mined, self._guests())
                self._away_until = asyncio.get_running_loop().time() + AWAY_S
