"""A live account of what happens at a pool, as events for whoever shows them. Bounded; prints nothing."""

from __future__ import annotations

from collections import deque

from upsim.stratum.events import Login, Submission, Verdict
from upsim.stratum.pool import PoolWatcher, Seat
from upsim.stratum.wire import clip

MAX_EVENTS = 10_000


class Account(PoolWatcher):
    """Keeps the last events until they are shown. Filled in the pool's loop, emptied in the main thread."""

    def __init__(self) -> None:
        self.events: deque[dict[str, object]] = deque(maxlen=MAX_EVENTS)
        self.missed = 0

    def _add(self, **event: object) -> None:
        if len(self.events) == self.events.maxlen:
            self.missed += 1
        self.events.append(event)

    def logged_in(self, seat: Seat, login: Login, refusal: str) -> None:
        """Somebody logged in, or was refused."""
        agent = seat.session.agent if seat.session is not None else ""
        facts = {"session": seat.number, "peer": seat.peer, "worker": clip(login.username), "agent": clip(agent)}
        self._add(event="login", **facts, refused=refusal or None)

    def judged(self, seat: Seat, submission: Submission, verdict: Verdict) -> None:
        """A share was judged."""
        self._add(
            event="share",
            session=seat.number,
            worker=clip(submission.worker),
            accepted=verdict.accepted,
            code=None if verdict.code is None else int(verdict.code),
            reason=verdict.text or None,
            difficulty=verdict.difficulty,
            achieved=verdict.achieved,
        )

    def left(self, seat: Seat) -> None:
        """A connection ended."""
        self._add(event="left", session=seat.number, peer=seat.peer)

    def drain(self) -> list[dict[str, object]]:
        """Take what happened since the last time."""
        events = []
        while self.events:
            events.append(self.events.popleft())
        return events


def readable(event: dict[str, object]) -> str:
    """An event as one line of text."""
    match event:
        case {"event": "login", "refused": None, "worker": worker, "peer": peer, "agent": agent}:
            return f"login    {worker} from {peer}" + (f" ({agent})" if agent else "")
        case {"event": "login", "refused": reason, "worker": worker, "peer": peer}:
            return f"refused  {worker or 'a login without a name'} from {peer}: {reason}"
        case {"event": "share", "accepted": True, "worker": worker, "difficulty": difficulty, "achieved": achieved}:
            hashed = f", its hash shows {achieved:.6g}" if isinstance(achieved, float) else ""
            return f"share    {worker}: accepted at difficulty {difficulty:.6g}{hashed}"
        case {"event": "share", "worker": worker, "code": code, "reason": reason}:
            return f"share    {worker}: rejected, {code} {reason}"
        case {"peer": peer}:
            return f"left     {peer}"
    return str(event)
