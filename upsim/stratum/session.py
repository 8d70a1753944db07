"""The pool's side of one conversation: line in, events out, and lines to send for each decision made elsewhere.

Knows the wire, the jobs it offered and what a share must look like. Does not know sockets, time or storage: who may
log in, which job comes next and what an accepted share is worth are decided by whoever holds the session (the
simulated pool, or the proxy's own door with jobs from an upstream pool).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass
from typing import ClassVar, Final

from upsim.algorithms import Algorithm
from upsim.stratum.events import Event, JobAsked, Leave, Login, Say, Submission, Verdict, rejected
from upsim.stratum.jobs import Job
from upsim.stratum.wire import (
    Id,
    Json,
    NotStratum,
    RejectCode,
    Request,
    as_request,
    decode,
    failure,
    is_hex,
    result,
)

MAX_JOBS: Final = 32
"""Jobs of one session that still take shares. Kaspa bridges keep up to 32; others fewer."""
MAX_SHARES: Final = 200_000
"""Shares a pool remembers to tell duplicates: hours of a busy pool, and some 20 MB at most."""
MAX_LOGINS: Final = 64
"""Names one connection may log in with."""


class Duplicates:
    """Shares seen, for all sessions of a pool. Bounded: the oldest are forgotten first."""

    def __init__(self, most: int = MAX_SHARES) -> None:
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._most = most

    def is_new(self, *key: str) -> bool:
        """Remember a share, by its job and all that makes it up; False where it was known."""
        mark = hash(key)
        if mark in self._seen:
            return False
        self._seen[mark] = None
        if len(self._seen) > self._most:
            self._seen.popitem(last=False)
        return True


@dataclass(frozen=True, slots=True)
class Offered:
    """A job as one session got it: with the difficulty, extranonce and mask that held then."""

    job: Job
    difficulty: float
    extranonce1: str


class PoolSession(ABC):
    """One connection to a pool. Subclasses speak a dialect.

    Attributes:
        algorithm: what the port mines.
        number: this connection's number in its pool; the extranonce follows from it.
        refuses_subscription: what to say to a subscription instead of taking it; empty where it is taken.
        agent: the client's name for itself, once it said.
        subscribed: whether it may submit at all (code 25 otherwise).
        difficulty: what the next job will be offered at.
        extranonce1: hex, this session's own part of the nonce space.
    """

    extranonce1_bytes: ClassVar[int] = 4
    subscribe_methods: ClassVar[frozenset[str]] = frozenset({"mining.subscribe"})
    """Requests that ask for work; a pool that refuses subscriptions refuses these."""

    def __init__(
        self,
        algorithm: Algorithm,
        number: int,
        difficulty: float,
        duplicates: Duplicates | None = None,
        work_limit: float | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.number = number
        self.difficulty = difficulty
        self.duplicates = duplicates or Duplicates()
        self.work_limit = work_limit
        self.refuses_subscription = ""
        self.agent = ""
        self.subscribed = False
        self.begun = False
        self.extranonce1 = self.extranonce_for(number)
        self.logins: dict[str, Login] = {}
        self._jobs: OrderedDict[str, Offered] = OrderedDict()
        self._told: float | None = None

    @classmethod
    def extranonce_for(cls, number: int) -> str:
        """The extranonce of connection `number`: unique as long as the bytes allow."""
        digits = 2 * cls.extranonce1_bytes
        # 0x08… keeps the first byte away from zero, where some miners mistake it for "none".
        return f"{(0x08000000 + number) & 0xFFFFFFFF:08x}"[-digits:] if digits else ""

    # Lines in

    def receive(self, line: bytes) -> list[Event]:
        """Take one line of the client; never raises, whatever it holds."""
        try:
            message = decode(line)
        except NotStratum as problem:
            return [Say(self.refusal(None, RejectCode.OTHER, "Not a JSON object")), Leave(str(problem))]
        request = as_request(message)
        if request is None:
            return []  # a reply to something the pool asked, such as client.get_version
        if self.refuses_subscription and request.method in self.subscribe_methods:
            return [Say(said) for said in self.error(request.id, RejectCode.OTHER, self.refuses_subscription)]
        return self.handle(request)

    @abstractmethod
    def handle(self, request: Request) -> list[Event]:
        """Take one request."""

    # Decisions in, lines out

    @property
    def ready(self) -> bool:
        """Whether it is time to send jobs."""
        return self.subscribed and bool(self.logins)

    def begin(self, job: Job | None) -> list[bytes]:
        """The first difficulty and job; nothing where there is no job."""
        if job is None or self.begun:
            return []
        self.begun = True
        return self.offer(job)

    def grant(self, login: Login, job: Job | None) -> list[bytes]:
        """Let the client mine under this name; sends the present job where it is time for it."""
        self.remember(login)
        lines = self.reply(login.request_id, True)
        return [*lines, *self.begin(job)] if self.ready else lines

    def refuse(self, login: Login, text: str) -> list[bytes]:
        """Turn a login down."""
        return self.error(login.request_id, RejectCode.UNAUTHORIZED, text, value=False)

    def hand(self, asked: JobAsked, job: Job | None) -> list[bytes]:
        """Answer a request for the present job. Only dialects where it can be asked for have one."""
        return []

    def offer(self, job: Job) -> list[bytes]:
        """Send a job, preceded by the difficulty where that changed."""
        lines: list[bytes] = []
        if self._told != self.difficulty:
            self._told = self.difficulty
            lines += self.tell_difficulty()
        self.keep(job)
        return [*lines, *self.notify(job)]

    def keep(self, job: Job) -> None:
        """Take shares for this job from now on, at the present difficulty."""
        if job.clean:
            self._jobs.clear()
        self._jobs[job.id] = Offered(job, self.difficulty, self.extranonce1)
        while len(self._jobs) > MAX_JOBS:
            self._jobs.popitem(last=False)

    @abstractmethod
    def tell_difficulty(self) -> list[bytes]:
        """Announce the present difficulty; nothing where the job carries it."""

    def tell_extranonce(self) -> list[bytes]:
        """Announce a changed extranonce, which holds from the next job on; nothing where the client cannot take one."""
        return []

    @abstractmethod
    def notify(self, job: Job) -> list[bytes]:
        """The line that carries a job."""

    def accept(self, submission: Submission) -> list[bytes]:
        """Tell the client that its share counts."""
        return self.reply(submission.request_id, True)

    def reject(self, submission: Submission, code: RejectCode, text: str) -> list[bytes]:
        """Tell the client that its share does not count, and why."""
        return self.error(submission.request_id, code, text)

    # Shares

    def judge(self, submission: Submission, now_s: int) -> Verdict:
        """Check a share, in the order pools do: who, form, job, once only, work.

        Args:
            submission: the share.
            now_s: Unix seconds shown by the pool's clock.
        """
        if not self.subscribed:
            return rejected(RejectCode.NOT_SUBSCRIBED)
        if not self.may_submit(submission.worker):
            return rejected(RejectCode.UNAUTHORIZED)
        if submission.malformed:
            return rejected(RejectCode.OTHER, submission.malformed)
        offered = self._jobs.get(submission.job_id)
        if offered is None:
            return rejected(RejectCode.STALE)
        problem = self.check_form(submission, offered, now_s)
        if problem:
            return rejected(RejectCode.OTHER, problem)
        if not self.duplicates.is_new(
            submission.job_id,
            offered.extranonce1 if self.extranonce1_bytes else "",
            submission.extranonce2,
            submission.ntime,
            submission.nonce,
            submission.version_bits,
            submission.solution,
        ):
            return rejected(RejectCode.DUPLICATE)
        return self.check_work(submission, offered)

    def may_submit(self, worker: str) -> bool:
        """Whether shares under this name are taken."""
        return worker in self.logins

    @abstractmethod
    def check_form(self, submission: Submission, offered: Offered, now_s: int) -> str:
        """What is wrong with a share beside its hash; empty where nothing is."""

    def check_work(self, submission: Submission, offered: Offered) -> Verdict:
        """Check the hash, as far as it can be checked. Here: not at all, the share is credited as assigned."""
        return Verdict(None, difficulty=offered.difficulty)

    def demanded(self, difficulty: float) -> float:
        """The difficulty a hash is held against: the assigned one, or less where the pool limits real work."""
        if self.work_limit is None:
            return difficulty
        return min(difficulty, self.work_limit / self.algorithm.work_per_difficulty)

    # Envelopes

    def remember(self, login: Login) -> None:
        """Take shares under this name from now on."""
        if len(self.logins) < MAX_LOGINS:
            self.logins[login.username] = login
        self.agent = login.agent or self.agent

    def reply(self, request_id: Id, value: Json) -> list[bytes]:
        """A success; nothing for a request with id null, which asks for no reply (bfgminer)."""
        return [] if request_id is None else [result(request_id, value)]

    def error(self, request_id: Id, code: RejectCode, text: str, value: Json = None) -> list[bytes]:
        """A failure; nothing for a request with id null."""
        return [] if request_id is None else [self.refusal(request_id, code, text, value)]

    def refusal(self, request_id: Id, code: int, text: str, value: Json = None) -> bytes:
        """A failure as this dialect writes it."""
        return failure(request_id, code, text, value)

    def unknown(self, request: Request) -> list[Event]:
        """The answer to a method the dialect does not have."""
        if request.id is None:
            return []
        return [Say(self.refusal(request.id, -3, f"Method '{request.method[:40]}' not found"))]


def hex_problem(name: str, value: str, digits: int) -> str:
    """What is wrong with a hex field of fixed length; empty where nothing is."""
    if len(value) != digits:
        return f"incorrect size of {name}"
    return "" if is_hex(value) else f"{name} is not hex"
