"""Where each miner mines: connects it to the pool it should be on, and sees what happens when a pool fails.

The new pool is connected to before the old one is left. A pool that fails one miner is not tried with the others: it is
left by all, looked at again now and then, and come back to when it is well.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from upsim.algorithms import ALGORITHMS
from upsim.model import Pool, WorldId
from upsim.proxy.dialer import Dialer
from upsim.proxy.keeping import Keeping
from upsim.proxy.lines import Failed, PoolLine
from upsim.proxy.log import Log
from upsim.proxy.steering import Key, Steering
from upsim.proxy.tasks import Tasks
from upsim.proxy.upstream import Upstream, tongues
from upsim.proxy.visit import Place, Visit
from upsim.proxy.worlds import Worlds
from upsim.rules.miners import Guest
from upsim.stratum.dial import CannotConnect
from upsim.stratum.peer import Credentials
from upsim.world import Universe

READY_S: Final = 8.0
"""How long a pool may take from the first word to the first job."""
QUICK_S: Final = 3.0
"""A pool that hangs up sooner than this, and the next time again, has failed; else it is connected to once more."""
WORD_S: Final = 1.0
"""How long after its login a miner may say that it takes another extranonce; see Relay.can_follow."""
GATE: Final = 100
"""Miners that are being connected to one pool at one time."""


class Mover:
    """Moves all miners of a process from pool to pool."""

    def __init__(
        self,
        universe: Universe,
        dialer: Dialer,
        steering: Steering,
        worlds: Worlds,
        visits: Mapping[int, Visit],
        keeping: Keeping,
        log: Log,
        tasks: Tasks,
    ) -> None:
        """Say which miners there are: whoever comes and goes in `visits` is moved from then on."""
        self._universe = universe
        self._dialer = dialer
        self._steering = steering
        self._worlds = worlds
        self._visits = visits
        self._keeping = keeping
        self._log = log
        self._tasks = tasks
        self._gates: defaultdict[Key, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(GATE))

    def steer(self, visit: Visit) -> None:
        """See that a miner is where it should be."""
        guest = visit.guest
        if guest is None or not visit.open:
            return
        pool = self._steering.wanted(guest)
        if visit.dialling is not None:
            task, target = visit.dialling
            if pool is not None and target.id == pool.id and target.target == pool.target:
                return
            visit.dialling = None
            task.cancel()
        if pool is None:
            if visit.place is not None:
                self._log.moved(visit, None, self._worlds.now(guest.world_id))
                visit.rest()
            return
        place = visit.place
        if place is not None and place.line.is_open:
            if place.pool is pool:
                return
            if place.pool.id == pool.id and place.pool.target == pool.target:
                visit.place = Place(pool, place.line)  # its name or health may be another
                return
        kept, visit.kept = visit.kept, None
        if kept is not None and kept.line.is_open and (kept.pool.id, kept.pool.target) == (pool.id, pool.target):
            kept.line.heard, kept.line.lost = visit.heard, self._lost_by(visit)
            self._settle(visit, guest, pool, kept.line)
            return
        if kept is not None:
            kept.line.close()
        visit.dialling = self._tasks.start(self._move(visit, guest, pool)), pool

    async def _move(self, visit: Visit, guest: Guest, pool: Pool) -> None:
        try:
            # A few at a time: where a pool fails them, the others need not try it one by one.
            async with self._gates[guest.world_id, pool.id]:
                wanted = self._steering.wanted(guest)
                if not visit.open or wanted is None or wanted.id != pool.id:
                    visit.dialling = None
                    self.steer(visit)
                    return
                line = await self._reach(visit, guest, pool)
        except (CannotConnect, Failed) as problem:
            visit.dialling = None
            stage = problem.stage if isinstance(problem, Failed) else "connectivity"
            reason = problem.reason if isinstance(problem, Failed) else str(problem)
            self._fail(guest.world_id, pool, f"{stage}: {reason}")
            self.steer(visit)
            return
        await self._wait_for_word(visit, line)
        visit.dialling = None
        if not visit.open:
            line.close()
        elif not line.is_open:
            self._fail(guest.world_id, pool, "authorization: the pool closed the connection")
            self.steer(visit)
        else:
            self._settle(visit, guest, pool, line)

    async def _wait_for_word(self, visit: Visit, line: PoolLine) -> None:
        """A miner says after its login that it takes another extranonce: it is given the time to."""
        loop = asyncio.get_running_loop()
        while visit.open and not visit.relay.can_follow(line.upstream) and loop.time() < visit.let_in_at + WORD_S:
            await asyncio.sleep(WORD_S / 20)

    def _settle(self, visit: Visit, guest: Guest, pool: Pool, line: PoolLine) -> None:
        if visit.relay.can_follow(line.upstream):
            self._log.moved(visit, pool, self._worlds.now(guest.world_id))
            visit.settle(pool, line)
        else:
            self._keeping.put(visit.algorithm, visit.host, Place(pool, line))
            visit.send_back()

    async def _reach(self, visit: Visit, guest: Guest, pool: Pool) -> PoolLine:
        """A connection to a pool that gave work, in the first tongue it takes."""
        session = visit.relay.session
        assert session is not None, "it logged in"  # noqa: S101
        algorithm = ALGORITHMS[visit.algorithm]
        here = self._worlds.get(guest.world_id)
        if here is None:
            raise CannotConnect("the world is gone")
        problem: Failed | None = None
        for speaks in tongues(algorithm, session):
            credentials = Credentials(pool.username, pool.password, pool.host, pool.port)
            mask = getattr(session, "rolls", 0)
            upstream = Upstream(algorithm, speaks, credentials, mask=mask, difficulty=visit.relay.wish)
            line = PoolLine(upstream, visit.heard, self._lost_by(visit))
            try:
                await self._dialer.dial(here.home, pool.target, line)
                async with asyncio.timeout(READY_S):
                    await line.ready
            except Failed as failed:
                problem = problem or failed
                continue
            except TimeoutError:
                line.close()
                if not upstream.opened:
                    raise Failed("subscription", "the pool does not answer") from None
                raise Failed("subscription", "the pool gave no job") from None
            except BaseException:
                line.close()
                raise
            return line
        raise problem or Failed("subscription", "no tongue is known for it")

    def _lost_by(self, visit: Visit) -> Callable[[PoolLine], None]:
        return partial(self._lost, visit, asyncio.get_running_loop().time())

    def _lost(self, visit: Visit, began: float, line: PoolLine) -> None:
        """A pool hung up on a miner."""
        place, guest = visit.place, visit.guest
        if guest is not None and place is not None and place.line is line:
            quick = asyncio.get_running_loop().time() - began < QUICK_S
            if quick and visit.dropped_by == place.pool.id:
                self._fail(guest.world_id, place.pool, "authorization: the pool closes each connection after a moment")
            visit.dropped_by = place.pool.id if quick else None
        visit.lost(line)

    def unusable(self, visit: Visit, pool: Pool, reason: str) -> None:
        """A pool's work cannot be handed on."""
        if visit.guest is not None:
            self._fail(visit.guest.world_id, pool, f"subscription: {reason}")
            visit.rest()
            self.steer(visit)

    def _fail(self, world_id: WorldId, pool: Pool, reason: str) -> None:
        if self._steering.fail(world_id, pool, reason, asyncio.get_running_loop().time()):
            self._log.failed(world_id, pool, reason, self._worlds.now(world_id))
            for visit in list(self._visits.values()):
                on_it = visit.place is not None and visit.place.pool.id == pool.id
                if on_it and visit.guest is not None and visit.guest.world_id == world_id:
                    self.steer(visit)

    async def look_at(self, world_id: WorldId, pool: Pool) -> None:
        """Try a pool that failed."""
        here = self._worlds.get(world_id)
        if here is None:
            return
        test = await self._tasks.beside(self._universe.test_pool, self._universe.world(here.record), pool.target)
        if test.failure is None:
            self._steering.recovered(world_id, pool, test.latency_ms, asyncio.get_running_loop().time())
            self._log.recovered(world_id, pool, self._worlds.now(world_id))
            self.steer_all([world_id])

    def steer_all(self, world_ids: Iterable[WorldId]) -> None:
        """See that all miners of these worlds are where they should be."""
        wanted = set(world_ids)
        for visit in list(self._visits.values()):
            if visit.guest is not None and visit.guest.world_id in wanted:
                self.steer(visit)
