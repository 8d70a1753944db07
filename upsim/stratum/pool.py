"""The simulated pool: decides what its sessions ask. Who may log in, which job comes, what a share is worth.

Knows no sockets and no time of its own: each call says what time it is. One pool serves any number of sessions, each
on its own terms (a fault may hold for one connection only).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

from upsim.algorithms import Algorithm
from upsim.clock import SECOND, Instant
from upsim.stratum.dialects import session_class
from upsim.stratum.feed import JobFeed
from upsim.stratum.session import (
    DifficultyAsked,
    Duplicates,
    Event,
    Job,
    JobAsked,
    Leave,
    Login,
    PoolSession,
    Say,
    Submission,
    Subscribed,
)
from upsim.stratum.wire import RejectCode


@dataclass(frozen=True, slots=True)
class Terms:
    """How a pool treats one connection. The default is a healthy pool's way."""

    refuse_subscription: str = ""
    refuse_login: str = ""


HEALTHY: Final = Terms()


@dataclass(slots=True)
class Seat:
    """One connection at a pool."""

    number: int
    terms: Terms
    session: PoolSession | None = None


@dataclass(slots=True)
class Output:
    """What a pool has to say after a line, in order, and whether it hangs up then."""

    lines: list[bytes] = field(default_factory=list)
    close: bool = False


class SimulatedPool:
    """A pool of one algorithm."""

    def __init__(self, algorithm: Algorithm, seed: int, difficulty: float = 1.0) -> None:
        self.algorithm = algorithm
        self.difficulty = difficulty
        self._feed = JobFeed(algorithm, seed)
        self._duplicates = Duplicates()
        self._next = 0

    def join(self, terms: Terms = HEALTHY) -> Seat:
        """Take a connection in."""
        seat = Seat(self._next, terms)
        self._next += 1
        return seat

    def receive(self, seat: Seat, line: bytes, now: Instant) -> Output:
        """Take a line from a connection."""
        if seat.session is None:
            speaks = session_class(self.algorithm, line)
            seat.session = speaks(self.algorithm, seat.number, self.difficulty, self._duplicates)
            seat.session.refuses_subscription = seat.terms.refuse_subscription
        output = Output()
        for event in seat.session.receive(line):
            self._decide(seat, seat.session, event, now, output)
        return output

    def _decide(self, seat: Seat, session: PoolSession, event: Event, now: Instant, output: Output) -> None:
        match event:
            case Say(line):
                output.lines.append(line)
            case Subscribed():
                if session.ready:
                    output.lines += session.begin(self._job(now))
            case Login():
                if seat.terms.refuse_login or not event.username:
                    output.lines += session.refuse(event, seat.terms.refuse_login or "Unauthorized worker")
                else:
                    output.lines += session.grant(event, self._job(now))
            case JobAsked():
                output.lines += session.hand(event, self._job(now))
            case Submission():
                verdict = session.judge(event, now // SECOND)
                if verdict.accepted:
                    output.lines += session.accept(event)
                else:
                    output.lines += session.reject(event, verdict.code or RejectCode.OTHER, verdict.text)
            case DifficultyAsked():
                pass
            case Leave():
                output.close = True

    def _job(self, now: Instant) -> Job:
        return self._feed.first(now)


def seed_of(seed: int, *parts: object) -> int:
    """A seed for something within a world."""
    text = ":".join(map(str, (seed, *parts)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
