"""The simulated pool: decides what its sessions ask. Who may log in, which job comes, what a share is worth.

Knows no sockets and no time of its own: each call says what time it is. One pool serves any number of connections, each
on its own terms (a fault may hold for one of them only).
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from upsim.algorithms import Algorithm, Dialect
from upsim.clock import SECOND, Instant
from upsim.stratum.dialects import session_class
from upsim.stratum.events import (
    DifficultyAsked,
    Event,
    JobAsked,
    Leave,
    Login,
    Say,
    Submission,
    Subscribed,
    Verdict,
    rejected,
)
from upsim.stratum.feed import JobFeed, Moment
from upsim.stratum.jobs import Job
from upsim.stratum.ledger import Tally
from upsim.stratum.session import Duplicates, PoolSession
from upsim.stratum.terms import HEALTHY, Terms
from upsim.stratum.vardiff import Vardiff, VardiffSettings
from upsim.stratum.wire import RejectCode

START_DIFFICULTY: Final[Mapping[str, float]] = MappingProxyType(
    {
        "sha256": 65_536.0, "scrypt": 65_536.0, "sha512256d": 16.0, "kheavyhash": 512.0, "verushash": 4_194_304.0,
        "equihash": 64.0, "equihash125": 1.0, "equihash144": 1.0, "equihash192": 1.0, "ethash": 1.0, "etchash": 1.0,
        "kawpow": 0.5, "firopow": 0.5, "autolykos": 2.0**32, "octopus": 1e9, "nexapow": 0.05, "randomx": 100_000.0,
    }
)  # fmt: skip
"""Where sessions begin, by algorithm: a share every ten seconds or so from one common machine."""
MAX_WORKERS: Final = 20_000
"""Workers a pool keeps accounts of; beyond, those that came first are forgotten."""
_PASSWORD_DIFFICULTY: Final = re.compile(r"(?:^|[,;\s])d=(\d{1,18}(?:\.\d{1,12})?(?:e-?\d{1,3})?)(?:$|[,;\s])")
_LOGIN_DIFFICULTY: Final = re.compile(r"\+(\d{1,18})$")
_LOWEST, _HIGHEST = 1e-12, 1e18
_MOVED: Final = 0x5555
"""How far a changed extranonce is from the first: it fits into two bytes, and is nobody else's for a long time."""


class PoolWatcher:
    """Told of what happens at a pool, as it happens, always from the pool's own thread. Does nothing; subclass it."""

    def logged_in(self, seat: Seat, login: Login, refusal: str) -> None:
        """Somebody logged in, or was refused."""

    def judged(self, seat: Seat, submission: Submission, verdict: Verdict) -> None:
        """A share was judged."""

    def left(self, seat: Seat) -> None:
        """A connection ended."""


@dataclass(slots=True)
class Seat:
    """One connection at a pool.

    Attributes:
        number: of the connection, from 0.
        terms: how the pool treats it.
        feed: where its jobs come from.
        session: its conversation; None before its first line.
        tally: its shares.
        vardiff: steers its difficulty; None leaves that alone.
        moment: which job it got last.
        variant: how often it got other work for the same moment.
        judged: shares it sent.
        peer: address and port of the other side, for people.
    """

    number: int
    terms: Terms
    feed: JobFeed
    tally: Tally
    session: PoolSession | None = None
    vardiff: Vardiff | None = None
    moment: Moment | None = None
    variant: int = 0
    judged: int = 0
    peer: str = ""


@dataclass(slots=True)
class Output:
    """What a pool has to say, in order, and whether it hangs up then."""

    lines: list[bytes] = field(default_factory=list)
    close: bool = False


class SimulatedPool:
    """A pool of one algorithm.

    Args:
        algorithm: what it mines.
        seed: its jobs follow from it.
        difficulty: where sessions begin; None takes the algorithm's usual one.
        vardiff: how difficulty is steered; None leaves it alone.
        work_limit: most expected hashes a share has to show, so that pretended miners get by; None asks for all.
        watcher: told of logins and shares.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        seed: int,
        *,
        difficulty: float | None = None,
        vardiff: VardiffSettings | None = None,
        work_limit: float | None = None,
        watcher: PoolWatcher | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.difficulty = START_DIFFICULTY[algorithm.id] if difficulty is None else difficulty
        self.tally = Tally(algorithm)
        self.workers: OrderedDict[str, Tally] = OrderedDict()
        self._seed = seed
        self._feed = JobFeed(algorithm, seed)
        self._vardiff = vardiff
        self._work_limit = work_limit
        self._watcher = watcher or PoolWatcher()
        self._duplicates = Duplicates()
        self._next = 0

    def join(self, terms: Terms = HEALTHY) -> Seat:
        """Take a connection in."""
        feed = self._feed if terms.block_s is None else JobFeed(self.algorithm, self._seed, terms.block_s)
        seat = Seat(self._next, terms, feed, Tally(self.algorithm))
        self._next += 1
        return seat

    def leave(self, seat: Seat) -> None:
        """A connection ended."""
        self._watcher.left(seat)

    def receive(self, seat: Seat, line: bytes, now: Instant) -> Output:
        """Take a line from a connection."""
        session = seat.session or self._begin(seat, line, now)
        output = Output()
        began = session.begun
        for event in session.receive(line):
            self._decide(seat, session, event, now, output)
            if output.close:
                break
        if session.begun and not began:
            self._unasked(seat, session, now, output)
        return output

    def tick(self, seat: Seat, now: Instant) -> Output:
        """Let time pass for a connection: a new job where one is due, and a retarget."""
        output = Output()
        session = seat.session
        if session is None or not session.begun or not seat.terms.jobs:
            return output
        if seat.vardiff is not None and (difficulty := seat.vardiff.retarget(session.difficulty, now)) is not None:
            output.lines += self.retarget(seat, difficulty, now)
        elif seat.feed.moment(now) != seat.moment:
            output.lines += session.offer(self._job(seat, now))
        return output

    def retarget(self, seat: Seat, difficulty: float, now: Instant) -> list[bytes]:
        """Change a connection's difficulty, and send the job that it holds for: a new one, of the same block."""
        session = seat.session
        if session is None:
            return []
        session.difficulty = difficulty
        if not session.begun:
            return []
        seat.variant += 1
        return session.offer(self._job(seat, now))

    # Decisions

    def _begin(self, seat: Seat, line: bytes, now: Instant) -> PoolSession:
        speaks = session_class(self.algorithm, line)
        difficulty = self.difficulty * seat.terms.difficulty_factor
        session = speaks(self.algorithm, seat.number, difficulty, self._duplicates, self._work_limit)
        session.refuses_subscription = seat.terms.refuse_subscription
        seat.session = session
        if self._vardiff is not None:
            seat.vardiff = Vardiff(self._vardiff, difficulty, now)
        return session

    def _decide(self, seat: Seat, session: PoolSession, event: Event, now: Instant, output: Output) -> None:
        match event:
            case Say(line):
                output.lines.append(line)
            case Subscribed() if session.ready:
                output.lines += session.begin(self._first_job(seat, now))
            case Login():
                self._log_in(seat, session, event, now, output)
            case JobAsked():
                output.lines += session.hand(event, self._first_job(seat, now))
            case Submission():
                self._judge(seat, session, event, now, output)
            case DifficultyAsked(difficulty):
                self._fix(seat, difficulty, now, output)
            case Leave():
                output.close = True

    def _log_in(self, seat: Seat, session: PoolSession, login: Login, now: Instant, output: Output) -> None:
        terms = seat.terms
        refusal = terms.refuse_login or ("" if login.username.strip() else "Unauthorized worker")
        self._watcher.logged_in(seat, login, refusal)
        if refusal:
            output.lines += session.refuse(login, refusal)
            output.close = terms.hang_up_on_refusal
            return
        wish = _PASSWORD_DIFFICULTY.search(login.password)
        if wish is None and self.algorithm.dialect is Dialect.MONERO:
            wish = _LOGIN_DIFFICULTY.search(login.username)
        if wish is not None and not session.begun:
            self._fix(seat, float(wish.group(1)), now, output)
        output.lines += session.grant(login, self._first_job(seat, now))

    def _fix(self, seat: Seat, difficulty: float, now: Instant, output: Output) -> None:
        """Follow a miner's wish, and leave the difficulty there."""
        if _LOWEST <= difficulty <= _HIGHEST:
            seat.vardiff = None
            if seat.session is not None and seat.session.difficulty != difficulty:
                output.lines += self.retarget(seat, difficulty, now)

    def _judge(self, seat: Seat, session: PoolSession, submission: Submission, now: Instant, output: Output) -> None:
        terms = seat.terms
        seat.judged += 1
        if terms.reject_with is not None and (terms.reject_first is None or seat.judged <= terms.reject_first):
            verdict = rejected(terms.reject_with)
        else:
            verdict = session.judge(submission, now // SECOND)
        self._count(seat, submission, verdict, now)
        if terms.answers_shares:
            if verdict.code is None:
                output.lines += session.accept(submission)
            else:
                output.lines += session.reject(submission, verdict.code, verdict.text)
        if verdict.code is not None and terms.hang_up_on_refusal:
            output.close = True

    def _count(self, seat: Seat, submission: Submission, verdict: Verdict, now: Instant) -> None:
        self.tally.add(verdict, now)
        seat.tally.add(verdict, now)
        if verdict.code not in (RejectCode.UNAUTHORIZED, RejectCode.NOT_SUBSCRIBED):
            # Names nobody logged in with get no account: anyone could fill the books with them.
            self._worker(submission.worker).add(verdict, now)
        if verdict.accepted and seat.vardiff is not None:
            seat.vardiff.share()
        self._watcher.judged(seat, submission, verdict)

    def _worker(self, name: str) -> Tally:
        known = self.workers.get(name)
        if known is None:
            known = self.workers[name] = Tally(self.algorithm)
            if len(self.workers) > MAX_WORKERS:
                self.workers.popitem(last=False)
        return known

    def _unasked(self, seat: Seat, session: PoolSession, now: Instant, output: Output) -> None:
        """What some pools do right after the first job."""
        terms = seat.terms
        output.lines += list(terms.after_job)
        if terms.retarget_by is not None:
            output.lines += self.retarget(seat, session.difficulty * terms.retarget_by, now)
        if terms.moves_extranonce and session.extranonce1_bytes:
            before, session.extranonce1 = session.extranonce1, session.extranonce_for(seat.number + _MOVED)
            told = session.tell_extranonce()
            if not told:
                session.extranonce1 = before
                return
            seat.variant += 1
            output.lines += [*told, *session.offer(replace(self._job(seat, now), clean=True))]

    # Jobs

    def _first_job(self, seat: Seat, now: Instant) -> Job | None:
        """The job a newcomer gets: nothing came before, so it is a clean one."""
        if not seat.terms.jobs:
            return None
        return replace(self._job(seat, now), clean=True)

    def _job(self, seat: Seat, now: Instant) -> Job:
        moment = seat.feed.moment(now)
        # A world's clock may jump: whether earlier jobs still count depends on what this connection had before.
        clean = seat.moment is None or seat.moment.height != moment.height
        if seat.moment != moment:
            seat.variant = 0
        seat.moment = moment
        return seat.feed.job(moment, seat.variant, clean)


def seed_of(seed: int, *parts: object) -> int:
    """A seed for something within a world."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
