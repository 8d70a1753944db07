"""One miner's conversation at the door, joined with the conversations at pools that its work comes from.

Pure: lines and decisions in, acts out. It answers a share only when the pool has, and what the pool said; a share whose
pool is gone is refused, never guessed. When the pool changes, the miner gets a job that makes its earlier ones
worthless, and those still under way are answered by the pool they were for.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from upsim.algorithms import Algorithm
from upsim.proxy.passing import DOORS, BitcoinDoor, CannotPass, passed, share_line
from upsim.proxy.upstream import Answered, Offered, Told, Upstream, wish_line
from upsim.stratum.dialects import session_class
from upsim.stratum.dialects.ethereum import EthProxySession
from upsim.stratum.dialects.family import FamilySession
from upsim.stratum.dialects.kaspa import KaspaSession
from upsim.stratum.dialects.monero import MoneroSession
from upsim.stratum.events import DifficultyAsked, Event, JobAsked, Leave, Login, Say, Submission, Subscribed
from upsim.stratum.jobs import Job
from upsim.stratum.peer import Work
from upsim.stratum.session import PoolSession
from upsim.stratum.wire import REJECT_TEXT, NotStratum, RejectCode, Request, as_request, decode, notification

MAX_JOBS: Final = 32
"""Jobs of one miner that still take shares."""
_APART: Final = 0x3A00
"""How far what a miner is told at first is from what simulated pools tell, so that nothing works by chance."""
MAX_WAITING: Final = 1_000
"""Shares of one miner that no pool has answered yet; more are refused."""


@dataclass(frozen=True, slots=True)
class ToMiner:
    """A line for the miner."""

    line: bytes


@dataclass(frozen=True, slots=True)
class ToPool:
    """A line for a pool."""

    upstream: Upstream
    line: bytes


@dataclass(frozen=True, slots=True)
class LoginAsked:
    """Somebody wants in: `grant` or `refuse` it."""

    login: Login


@dataclass(frozen=True, slots=True)
class Counted:
    """What became of a share: its difficulty as assigned, or why it does not count.

    Attributes:
        reply: what the miner is to be told once it is written down; empty where it was told.
    """

    difficulty: float
    code: RejectCode | None
    text: str = ""
    reply: bytes = b""


@dataclass(frozen=True, slots=True)
class Unusable:
    """A pool's work cannot be handed on."""

    upstream: Upstream
    reason: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """The conversation with the miner cannot go on."""


Act: TypeAlias = ToMiner | ToPool | LoginAsked | Counted | Unusable | HangUp


@dataclass(frozen=True, slots=True)
class _Ticket:
    """A job the miner has: which pool it came from, as what."""

    upstream: Upstream
    work: Work


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A share that a pool has not answered yet."""

    submission: Submission
    difficulty: float


class Relay:
    """One miner.

    Attributes:
        session: the conversation with it; None before its first words.
        upstream: the pool it works for now; None while there is none.
        wish: the difficulty it asked for; 0 where it did not.
    """

    def __init__(self, algorithm: Algorithm, number: int, job_ids: Iterator[int], extranonce: str = "") -> None:
        """Wait for its first words.

        Args:
            number: of the connection; what it is told of an extranonce follows from it.
            job_ids: numbers that no other job of this door gets.
            extranonce: of the pool that is kept for it; empty where none is.
        """
        self.session: PoolSession | None = None
        self.upstream: Upstream | None = None
        self.wish = 0.0
        self._algorithm = algorithm
        self._number = number
        self._extranonce = extranonce
        self._job_ids = job_ids
        self._jobs: OrderedDict[str, _Ticket] = OrderedDict()
        self._current: Job | None = None
        self._under_way: dict[tuple[Upstream, int], _UnderWay] = {}
        self._login: Login | None = None
        self._asked: list[JobAsked] = []

    # The miner speaks

    def from_miner(self, line: bytes) -> list[Act]:
        """Take a line of the miner; never raises, whatever it holds."""
        session = self.session or self._begin(line)
        try:
            asked = as_request(decode(line))
        except NotStratum:
            return [ToMiner(session.refusal(None, RejectCode.OTHER, "Not a JSON object")), HangUp()]
        if asked is None:
            return []
        acts: list[Act] = []
        for event in session.handle(asked):
            acts += self._decide(session, event, asked)
        return acts

    def _begin(self, line: bytes) -> PoolSession:
        speaks = DOORS[session_class(self._algorithm, line)]
        self.session = speaks(self._algorithm, self._number + _APART, 1.0)
        if self._extranonce and self.session.extranonce1:
            self.session.extranonce1 = self._extranonce
        return self.session

    def _decide(self, session: PoolSession, event: Event, asked: Request) -> list[Act]:
        match event:
            case Say(line):
                return [ToMiner(line)]
            case Login() if self._login is not None:
                if event.username == self._login.username:
                    return _lines(session.grant(event, self._current))
                return _lines(session.refuse(event, "One worker a connection: open another one for another worker"))
            case Login():
                return [LoginAsked(event)]
            case JobAsked() if self._current is not None:
                return _lines(session.hand(event, self._current))
            case JobAsked() if session.logins:
                self._asked.append(event)  # answered with the first job there is
                del self._asked[:-4]
            case JobAsked():
                return _lines(session.hand(event, None))
            case Subscribed() if session.ready:
                return _lines(session.begin(self._current))
            case DifficultyAsked(difficulty):
                self.wish = difficulty
                return [ToPool(self.upstream, wish_line(difficulty))] if self.upstream is not None else []
            case Submission():
                return self._submit(session, event, asked)
            case Leave():
                return [HangUp()]
        return []

    def _submit(self, session: PoolSession, share: Submission, asked: Request) -> list[Act]:
        if not session.subscribed:
            return self._reject(session, share, RejectCode.NOT_SUBSCRIBED)
        if not session.may_submit(share.worker):
            return self._reject(session, share, RejectCode.UNAUTHORIZED)
        if share.malformed:
            return self._reject(session, share, RejectCode.OTHER, share.malformed)
        ticket = self._jobs.get(share.job_id)
        if ticket is None:
            return self._reject(session, share, RejectCode.STALE)
        pool = ticket.upstream
        if pool.waiting >= MAX_WAITING:
            return self._reject(session, share, RejectCode.OTHER, "The pool does not answer; this share was not sent")
        number = pool.next_number()
        self._under_way[pool, number] = _UnderWay(share, ticket.work.difficulty)
        return [ToPool(pool, share_line(self._algorithm, number, asked, ticket.work, pool.miner, pool.mask))]

    def _reject(self, session: PoolSession, share: Submission, code: RejectCode, text: str = "") -> list[Act]:
        text = text or REJECT_TEXT[code]
        return [*_lines(session.reject(share, code, text)), Counted(0.0, code, text)]

    # The door decides

    def grant(self, login: Login) -> list[Act]:
        """Let the miner in; it gets a job as soon as a pool has one."""
        session = self._talking()
        self._login = login
        if isinstance(session, MoneroSession) and self._current is None:
            return []  # the reply to a login is its first job
        return _lines(session.grant(login, self._current))

    def refuse(self, login: Login, text: str) -> list[Act]:
        """Turn the miner away."""
        return _lines(self._talking().refuse(login, text))

    def can_follow(self, upstream: Upstream) -> bool:
        """Whether the miner can work for this pool as it is connected.

        Not where its nonces begin with the extranonce that its hello was answered with, and it did not say that it
        takes another: it has to connect again.
        """
        session = self._talking()
        if isinstance(session, KaspaSession | BitcoinDoor) or not isinstance(session, FamilySession):
            return True
        same = not session.extranonce1 or session.extranonce1 == upstream.miner.extranonce1
        return same or session.extranonce_subscribed

    def follow(self, upstream: Upstream) -> list[Act]:
        """Let the miner work for this pool from now on; its work so far is worthless to it."""
        self.upstream = upstream
        self._jobs.clear()
        return self._offer(upstream, clean=True)

    def leave(self, upstream: Upstream, reason: str) -> list[Act]:
        """A pool is gone: what it did not answer is refused, and its jobs take no more shares."""
        if self.upstream is upstream:
            self.upstream = None
        for job_id in [job_id for job_id, ticket in self._jobs.items() if ticket.upstream is upstream]:
            del self._jobs[job_id]
        acts: list[Act] = []
        session = self._talking()
        for key in [key for key in self._under_way if key[0] is upstream]:
            acts += self._reject(session, self._under_way.pop(key).submission, RejectCode.STALE, reason)
        return acts

    # A pool speaks

    def heard(self, upstream: Upstream, event: Offered | Answered | Told) -> list[Act]:
        """Take in what a pool said."""
        match event:
            case Offered():
                if upstream is not self.upstream or upstream.work is None:
                    return []
                return self._offer(upstream, clean=upstream.work.clean)
            case Answered(number, code, text):
                return self._answered(upstream, number, code, text)
            case Told(text):
                shown = upstream is self.upstream and self.session is not None
                return [ToMiner(notification("client.show_message", [text]))] if shown else []
        return []

    def _answered(self, upstream: Upstream, number: int, code: RejectCode | None, text: str) -> list[Act]:
        known = self._under_way.pop((upstream, number), None)
        if known is None:
            return []
        session = self._talking()
        if code is None:
            return [Counted(known.difficulty, None, reply=b"".join(session.accept(known.submission)))]
        return self._reject(session, known.submission, code, text)

    def _offer(self, upstream: Upstream, *, clean: bool) -> list[Act]:
        session, work = self._talking(), upstream.work
        if work is None:
            return []
        job_id = str(next(self._job_ids))
        try:
            job = passed(self._algorithm, job_id, work, upstream.miner, upstream.told, clean)
        except CannotPass as problem:
            return [Unusable(upstream, str(problem))]
        if clean:
            self._jobs.clear()
        self._jobs[job_id] = _Ticket(upstream, work)
        while len(self._jobs) > MAX_JOBS:
            self._jobs.popitem(last=False)
        self._current = job
        session.difficulty = work.difficulty
        return [*_lines(self._before(session, upstream)), *self._hand_out(session, job)]

    def _before(self, session: PoolSession, upstream: Upstream) -> list[bytes]:
        """What a miner has to know before the job: other version bits, another extranonce."""
        if isinstance(session, BitcoinDoor):
            return session.tell_mask(upstream.mask)
        miner = upstream.miner
        if not session.extranonce1_bytes or session.extranonce1 == miner.extranonce1:
            return []
        session.extranonce1 = miner.extranonce1
        if isinstance(session, FamilySession):
            session.extranonce2_bytes = miner.extranonce2_bytes
        if isinstance(session, KaspaSession) and not session.begun:
            return []  # its first job comes with it
        return session.tell_extranonce()

    def _hand_out(self, session: PoolSession, job: Job) -> list[Act]:
        if self._login is not None and not session.logins:
            return _lines(session.grant(self._login, job))  # Monero's reply, held until now
        asked, self._asked = self._asked, []
        answers = [line for one in asked for line in session.hand(one, job)]
        if answers:
            return _lines(answers)
        if session.begun:
            return _lines(session.offer(job))
        # Not before it subscribed; and an ETHPROXY miner asks for its first job itself.
        early = not session.ready or isinstance(session, EthProxySession)
        return [] if early else _lines(session.begin(job))

    def _talking(self) -> PoolSession:
        assert self.session is not None, "a pool is only asked for a miner that spoke"  # noqa: S101
        return self.session


def _lines(lines: list[bytes]) -> list[Act]:
    return [ToMiner(line) for line in lines]
