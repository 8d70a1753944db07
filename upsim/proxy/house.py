"""The door's miners, in its loop: who is here, and the steps in which what they did is written down.

What may block (the store, name look-ups, pool tests) runs beside the loop. One step, some times a second, writes down
what happened and reads where everybody should be; between two steps accepted shares alone are written.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Final

from upsim.algorithms import ALGORITHMS
from upsim.model import ObjectId, Pool, WorldId
from upsim.proxy import sync
from upsim.proxy.books import Books
from upsim.proxy.dialer import Dialer
from upsim.proxy.entrance import Entrance
from upsim.proxy.keeping import Keeping
from upsim.proxy.lines import MinerLine
from upsim.proxy.log import Log
from upsim.proxy.moving import Mover
from upsim.proxy.presence import Presence
from upsim.proxy.relay import Counted, Relay
from upsim.proxy.steering import Steering
from upsim.proxy.sync import Errand, News
from upsim.proxy.tasks import Tasks
from upsim.proxy.visit import Visit
from upsim.proxy.worlds import Worlds
from upsim.proxy.writing import Writing
from upsim.rules import miners
from upsim.rules.miners import Guest
from upsim.stratum.events import Login
from upsim.world import Universe

_LOG: Final = logging.getLogger(__name__)
STEP_S: Final = 0.5
"""From one step to the next, in seconds of the machine's clock."""
TICK_S: Final = 1.0
"""How often simulated pools are looked at for a new job."""
TIDY_EVERY: Final = 120
"""Steps of a world from one clearing of its old work to the next."""
LOGIN_S: Final = 60.0
"""A miner that has not logged in after this long is hung up on."""
MAX_VISITS: Final = 20_000


class House:
    """All miners of a process."""

    def __init__(
        self, universe: Universe, dialer: Dialer, executor: ThreadPoolExecutor, log: Log, default: WorldId | None
    ) -> None:
        """Open for nobody yet.

        Args:
            default: the world of a login that names none; None asks everybody to name one.
        """
        self.visits: dict[int, Visit] = {}
        self.log = log
        self._universe = universe
        self._dialer = dialer
        self._tasks = Tasks(executor)
        self._steering = Steering()
        self._books = Books()
        self._worlds = Worlds(universe.wall, dialer.inner.cut)
        self._presence = Presence()
        self._stepping = asyncio.Lock()
        self._writing = Writing(universe, self._tasks, self._stepping, self._books, self._guests)
        self._entrance = Entrance(universe, self._tasks, self._stepping, self._presence, self, default)
        self._numbers = count()
        self._job_ids = count(1)
        self._keeping = Keeping()
        self._mover = Mover(
            universe, dialer, self._steering, self._worlds, self.visits, self._keeping, log, self._tasks
        )

    # Miners come and go

    def welcome(self, algorithm: str, line: MinerLine) -> Visit:
        """A miner connected."""
        number = next(self._numbers)
        kept = self._keeping.take(algorithm, line.host)
        extranonce = kept.line.upstream.miner.extranonce1 if kept is not None else ""
        relay = Relay(ALGORITHMS[algorithm], number, self._job_ids, extranonce)
        visit = Visit(self, relay, line, number, algorithm, self._universe.wall.now(), kept)
        if len(self.visits) >= MAX_VISITS:
            line.close()
        self.visits[number] = visit
        asyncio.get_running_loop().call_later(LOGIN_S, self._check_login, number)
        return visit

    def _check_login(self, number: int) -> None:
        visit = self.visits.get(number)
        if visit is not None and visit.guest is None:
            visit.close()

    def ask(self, visit: Visit, login: Login) -> None:
        """Somebody wants in."""
        self._entrance.ask(visit, login)

    def meet(self, world_id: WorldId, news: News) -> None:
        """What the store says of a world that somebody comes from: of who was here before it was not asked."""
        if news.record is None:
            if news.written:
                self._world_ended(world_id)
            return
        self._worlds.update(world_id, news.record)
        known = self._steering.plans
        plans = {account: miners.joined(known.get((world_id, account)), plan) for account, plan in news.plans.items()}
        self._steering.told(world_id, (), plans)

    def seat(self, visit: Visit, login: Login, guest: Guest) -> None:
        """A miner was let in; or again, as another worker perhaps, where its own is no more."""
        before, visit.guest, visit.asking = visit.guest, guest, False
        self._presence.came(guest)
        if before is None:
            visit.let_in_at = asyncio.get_running_loop().time()
            self.log.came(visit, self._worlds.now(guest.world_id))
            visit.do(visit.relay.grant(login))
        else:
            self._presence.changed(before)
        self.steer(visit)

    def left(self, visit: Visit) -> None:
        """A miner's connection ended."""
        self.visits.pop(visit.number, None)
        guest = visit.guest
        if guest is None:
            return
        if self._presence.left(guest):
            self._books.forget(guest)
        self.log.went(visit, self._worlds.now(guest.world_id))

    # Shares

    def count(self, visit: Visit, counted: Counted) -> None:
        """A share was answered."""
        counts, guest = visit.counts, visit.guest
        if guest is None:
            return  # nobody's: it was refused, and told so, before anybody logged in
        now = self._worlds.now(guest.world_id)
        if counted.code is None:
            counts.accepted += 1
            counts.last_at = now
        elif counted.code == 21:
            counts.stale += 1
        else:
            counts.rejected += 1
        self._books.count(guest, visit.algorithm, counted, now)
        self.log.share(visit, counted, now)
        if counted.reply:
            self._writing.tell(visit, counted.reply)

    # Pools

    def steer(self, visit: Visit) -> None:
        """See that a miner is where it should be."""
        self._mover.steer(visit)

    def unusable(self, visit: Visit, pool: Pool, reason: str) -> None:
        """A pool's work cannot be handed on."""
        self._mover.unusable(visit, pool, reason)

    # Steps

    async def run(self) -> None:
        """Take steps until cancelled."""
        ticking = self._tasks.start(self._tick_for_ever())
        try:
            while True:
                await asyncio.sleep(STEP_S)
                try:
                    await self.step()
                except Exception:
                    # The edge: one step that fails must not be the last.
                    _LOG.exception("a step of the door failed; the next is in %s s", STEP_S)
        finally:
            ticking.cancel()

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._dialer.inner.tick()
            except Exception:
                _LOG.exception("jobs could not be sent; the next try is in %s s", TICK_S)

    async def step(self) -> None:
        """Write down what happened, read where everybody should be, and see to it."""
        async with self._stepping:
            errands = self._errands()
            if not errands:
                return
            found = await self._tasks.beside(sync.run, self._universe, errands)
            for world_id, news in found.items():
                self._learn(world_id, errands[world_id], news)
        self._mover.steer_all(found)
        now = asyncio.get_running_loop().time()
        for world_id, pool in self._steering.due(self._guests(), now):
            self._tasks.start(self._mover.look_at(world_id, pool))

    def _errands(self) -> dict[WorldId, Errand]:
        mined = self._books.take()
        here: defaultdict[WorldId, dict[ObjectId, dict[ObjectId, None]]] = defaultdict(dict)
        for guest in self._guests():  # a worker's several miners are one
            here[guest.world_id].setdefault(guest.account_id, {})[guest.worker_id] = None
        gone = self._presence.take_gone()
        worlds = {*mined, *here, *gone}
        errands = {}
        for world_id in worlds:
            left: defaultdict[ObjectId, list[ObjectId]] = defaultdict(list)
            for guest in gone.get(world_id, {}).values():
                left[guest.account_id].append(guest.worker_id)
            known = self._worlds.get(world_id)
            tidy = rewound = False
            if known is not None:
                known.steps += 1
                tidy, rewound, known.rewound = known.steps % TIDY_EVERY == 0, known.rewound, False
            tested = self._steering.take_untold(world_id)
            errands[world_id] = Errand(here[world_id], left, tested, mined.get(world_id, []), tidy, rewound)
        return errands

    def _guests(self) -> Iterable[Guest]:
        return [visit.guest for visit in self.visits.values() if visit.guest is not None]

    def _learn(self, world_id: WorldId, errand: Errand, news: News) -> None:
        """Take in what came of a step."""
        if not news.written:
            self._steering.put_back(world_id, errand.tested)
            self._books.put_back(world_id, errand.mined, self._guests())
        if news.record is None:
            if news.written:
                self._world_ended(world_id)
            return
        anew = self._worlds.update(world_id, news.record)
        self._steering.told(world_id, errand.tested if news.written else (), news.plans)
        if news.plans:
            self._readmit(world_id, anew)

    def _readmit(self, world_id: WorldId, whole: bool) -> None:
        """Let those in again whose worker is no more, or all, where the world began anew; meanwhile they go on."""
        for visit in self.visits_in(world_id):
            guest = visit.guest
            if guest is None or visit.login is None or visit.asking:
                continue
            plan = self._steering.plans.get((world_id, guest.account_id))
            if whole or plan is None or guest.worker_id in plan.missing:
                visit.asking = True
                self.ask(visit, visit.login)

    def _world_ended(self, world_id: WorldId) -> None:
        self._worlds.forget(world_id)
        for visit in list(self.visits.values()):
            if visit.guest is not None and visit.guest.world_id == world_id:
                visit.close()

    # Looking on

    def visits_in(self, world_id: WorldId) -> list[Visit]:
        """A world's miners, those that came first first."""
        return [one for one in self.visits.values() if one.guest is not None and one.guest.world_id == world_id]

    # Below

    async def tick(self) -> None:
        """Send what simulated pools have due."""
        await self._dialer.inner.tick()

    async def close(self) -> None:
        """Hang up on everybody, and write down what is left to be written."""
        for visit in list(self.visits.values()):
            visit.close()
        self._keeping.clear()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await self.step()
        self._tasks.cancel()
