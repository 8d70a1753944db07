"""The door's own decisions, in its loop: who is let in, where each miner mines, what happens when a pool fails.

What may block (the store, name look-ups, pool tests) runs beside the loop. One step, some times a second, writes down
what happened and reads where everybody should be; between two steps nothing of a share is written.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, Final

from upsim.algorithms import ALGORITHMS
from upsim.clock import SECOND, Clock, ClockState, Instant
from upsim.errors import StoreUnavailable
from upsim.model import ObjectId, Pool, WorldId, WorldRecord
from upsim.proxy import sync
from upsim.proxy.books import Books
from upsim.proxy.dialer import Dialer, Home
from upsim.proxy.keeping import Keeping
from upsim.proxy.lines import Failed, MinerLine, PoolLine
from upsim.proxy.log import Log
from upsim.proxy.relay import Counted, Relay
from upsim.proxy.steering import Key, Steering
from upsim.proxy.sync import Errand, News
from upsim.proxy.upstream import Upstream, tongues
from upsim.proxy.visit import Place, Visit
from upsim.rules import miners
from upsim.rules.miners import Arrival, Guest, TurnedAway
from upsim.stratum.dial import CannotConnect
from upsim.stratum.events import Login
from upsim.stratum.peer import Credentials
from upsim.world import Universe

_LOG: Final = logging.getLogger(__name__)
STEP_S: Final = 0.5
"""From one step to the next, in seconds of the machine's clock."""
TICK_S: Final = 1.0
"""How often simulated pools are looked at for a new job."""
READY_S: Final = 8.0
"""How long a pool may take from the first word to the first job."""
QUICK_S: Final = 3.0
"""A pool that hangs up sooner than this, and the next time again, has failed; else it is connected to once more."""
TIDY_EVERY: Final = 120
"""Steps of a world from one clearing of its old work to the next."""
WORD_S: Final = 1.0
"""How long after its login a miner may say that it takes another extranonce; see Relay.can_follow."""
LOGIN_S: Final = 60.0
"""A miner that has not logged in after this long is hung up on."""
MAX_VISITS: Final = 20_000
GATE: Final = 100
"""Miners that are being connected to one pool at one time."""
AT_ONCE: Final = 500
"""Miners let in by one question to the store."""


@dataclass
class WorldClock:
    """A world's clock, as it was when its record was last read: asked for every share, so it asks nobody."""

    wall: Clock
    state: ClockState

    def now(self) -> Instant:
        """The world's time."""
        return self.state.at(self.wall.now())


@dataclass
class _Here:
    """A world with miners at the door."""

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
        self._executor = executor
        self._default = default
        self._steering = Steering()
        self._books = Books()
        self._worlds: dict[WorldId, _Here] = {}
        self._present: Counter[tuple[WorldId, str]] = Counter()
        self._gone: dict[WorldId, dict[str, Guest]] = defaultdict(dict)
        self._waiting: deque[tuple[Visit, Login]] = deque()
        self._letting_in: asyncio.Task[None] | None = None
        self._stepping = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._numbers = count()
        self._job_ids = count(1)
        self._keeping = Keeping()
        self._gates: defaultdict[Key, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(GATE))

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
        """Somebody wants in: those who ask at about the same time are let in together."""
        self._waiting.append((visit, login))
        if self._letting_in is None or self._letting_in.done():
            self._letting_in = self._start(self._let_in())

    async def _let_in(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # whoever else asks in this turn of the loop comes too
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            by_algorithm: defaultdict[str, list[tuple[Visit, Login]]] = defaultdict(list)
            for visit, login in batch:
                by_algorithm[visit.algorithm].append((visit, login))
            for algorithm, asking in by_algorithm.items():
                arrivals = [Arrival(login.username, login.rig) for _, login in asking]
                async with self._stepping:
                    await self._admit(algorithm, asking, arrivals)

    async def _admit(self, algorithm: str, asking: list[tuple[Visit, Login]], arrivals: list[Arrival]) -> None:
        try:
            found = await self._beside(miners.admit, self._universe, algorithm, arrivals, self._default)
        except StoreUnavailable:
            found = [TurnedAway("The proxy cannot let anybody in for a moment: try again")] * len(asking)
        new: defaultdict[WorldId, dict[ObjectId, list[ObjectId]]] = defaultdict(dict)
        for guest in found:
            if isinstance(guest, Guest):
                new[guest.world_id].setdefault(guest.account_id, []).append(guest.worker_id)
        errands = {world_id: Errand(here=here) for world_id, here in new.items()}
        for world_id, news in (await self._beside(sync.run, self._universe, errands)).items():
            self._learn(world_id, Errand(), news, merge=True)
        for (visit, login), outcome in zip(asking, found, strict=True):
            if not visit.open:
                if isinstance(outcome, Guest) and not self._present[outcome.world_id, outcome.worker_id]:
                    self._gone[outcome.world_id][outcome.worker_id] = outcome  # it left while it was let in
            elif visit.guest is not None and isinstance(outcome, TurnedAway):
                visit.close()  # its account went from under it
            elif isinstance(outcome, TurnedAway):
                visit.do(visit.relay.refuse(login, outcome.text))
            else:
                self._seat(visit, login, outcome)

    def _seat(self, visit: Visit, login: Login, guest: Guest) -> None:
        before, visit.guest, visit.asking = visit.guest, guest, False
        self._present[guest.world_id, guest.worker_id] += 1
        self._gone[guest.world_id].pop(guest.worker_id, None)
        if before is None:
            visit.let_in_at = asyncio.get_running_loop().time()
            self.log.came(visit, self._now(guest.world_id))
            visit.do(visit.relay.grant(login))
        else:
            self._absent(before)
        self.steer(visit)

    def _absent(self, guest: Guest) -> bool:
        """One miner less of a worker; says whether it was the last."""
        key = guest.world_id, guest.worker_id
        self._present[key] -= 1
        if self._present[key] > 0:
            return False
        del self._present[key]
        return True

    def left(self, visit: Visit) -> None:
        """A miner's connection ended."""
        self.visits.pop(visit.number, None)
        guest = visit.guest
        if guest is None:
            return
        if self._absent(guest):
            self._books.forget(guest)
            self._gone[guest.world_id][guest.worker_id] = guest
        self.log.went(visit, self._now(guest.world_id))

    # Shares

    def count(self, visit: Visit, counted: Counted) -> None:
        """A share was answered."""
        counts, guest = visit.counts, visit.guest
        if guest is None:
            return  # nobody's: it was refused before anybody logged in
        now = self._now(guest.world_id)
        if counted.code is None:
            counts.accepted += 1
            counts.last_at = now
        elif counted.code == 21:
            counts.stale += 1
        else:
            counts.rejected += 1
        self._books.count(guest, visit.algorithm, counted, now)
        self.log.share(visit, counted, now)

    def _now(self, world_id: WorldId) -> Instant:
        here = self._worlds.get(world_id)
        return here.clock.now() if here is not None else self._universe.wall.now()

    # Pools

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
                self.log.moved(visit, None, self._now(guest.world_id))
                visit.rest()
            return
        place = visit.place
        if place is not None and place.line.is_open and place.pool.id == pool.id and place.pool.target == pool.target:
            return
        kept, visit.kept = visit.kept, None
        if kept is not None and kept.line.is_open and (kept.pool.id, kept.pool.target) == (pool.id, pool.target):
            kept.line.heard, kept.line.lost = visit.heard, self._lost_by(visit)
            self._settle(visit, guest, pool, kept.line)
            return
        if kept is not None:
            kept.line.close()
        visit.dialling = self._start(self._move(visit, guest, pool)), pool

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
            self.log.moved(visit, pool, self._now(guest.world_id))
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
            self.log.failed(world_id, pool, reason, self._now(world_id))
            for visit in list(self.visits.values()):
                on_it = visit.place is not None and visit.place.pool.id == pool.id
                if on_it and visit.guest is not None and visit.guest.world_id == world_id:
                    self.steer(visit)

    async def _look_at(self, world_id: WorldId, pool: Pool) -> None:
        """Try a pool that failed."""
        here = self._worlds.get(world_id)
        if here is None:
            return
        test = await self._beside(self._universe.test_pool, self._universe.world(here.record), pool.target)
        if test.failure is None:
            self._steering.recovered(world_id, pool, test.latency_ms, asyncio.get_running_loop().time())
            self.log.recovered(world_id, pool, self._now(world_id))
            self._steer_all([world_id])

    # Steps

    async def run(self) -> None:
        """Take steps until cancelled."""
        ticking = self._start(self._tick_for_ever())
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
            found = await self._beside(sync.run, self._universe, errands)
            for world_id, news in found.items():
                self._learn(world_id, errands[world_id], news)
        self._steer_all(found)
        now = asyncio.get_running_loop().time()
        for world_id, pool in self._steering.due(self._guests(), now):
            self._start(self._look_at(world_id, pool))

    def _errands(self) -> dict[WorldId, Errand]:
        mined = self._books.take()
        here: defaultdict[WorldId, dict[ObjectId, list[ObjectId]]] = defaultdict(dict)
        for guest in {(guest.world_id, guest.worker_id): guest for guest in self._guests()}.values():
            here[guest.world_id].setdefault(guest.account_id, []).append(guest.worker_id)
        gone, self._gone = self._gone, defaultdict(dict)
        worlds = {*mined, *here, *(world_id for world_id, guests in gone.items() if guests)}
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

    def _learn(self, world_id: WorldId, errand: Errand, news: News, merge: bool = False) -> None:
        """Take in what came of an errand."""
        if not news.written:
            self._steering.put_back(world_id, errand.tested)
            self._books.put_back(world_id, errand.mined, self._guests())
        record = news.record
        if record is None and news.written:
            self._world_ended(world_id)
            return
        if record is None:
            return
        anew = self._update(world_id, record)
        plans = news.plans
        if merge:
            known = self._steering.plans
            plans = {
                account_id: miners.joined(known.get((world_id, account_id)), plan) for account_id, plan in plans.items()
            }
        self._steering.told(world_id, errand.tested if news.written else (), plans)
        if not merge and plans:
            self._readmit(world_id, anew)

    def _update(self, world_id: WorldId, record: WorldRecord) -> bool:
        """Keep a world's record; says whether the world began anew, or an earlier time of it."""
        here = self._worlds.get(world_id)
        if here is None:
            here = self._worlds[world_id] = _Here(record, WorldClock(self._universe.wall, record.clock))
        anew = here.record.generation != record.generation
        marks = sync.marked(record)
        for address in here.marked.keys() | marks.keys():
            if here.marked.get(address) != marks.get(address):
                # Whoever is on a pool on which something was put, or taken from, meets it now.
                self._dialer.inner.cut((world_id, *address))
        here.record, here.marked, here.clock.state = record, marks, record.clock
        now = here.clock.now()
        if now < here.shown - SECOND:
            here.rewound = anew = True
        here.shown = now
        return anew

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
        self._worlds.pop(world_id, None)
        for visit in list(self.visits.values()):
            if visit.guest is not None and visit.guest.world_id == world_id:
                visit.close()

    def _steer_all(self, world_ids: Iterable[WorldId]) -> None:
        wanted = set(world_ids)
        for visit in list(self.visits.values()):
            if visit.guest is not None and visit.guest.world_id in wanted:
                self.steer(visit)

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
        for task in list(self._tasks):
            task.cancel()

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("the door stumbled", exc_info=task.exception())

    async def _beside(self, work: Any, *given: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *given)
