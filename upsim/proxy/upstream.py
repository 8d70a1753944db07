"""The door's side of one conversation with a pool: opens it, follows what the pool tells, reads what becomes of shares.

Pure: lines in, events and lines out. Knows no sockets, no time, and nothing of the miner behind it but what it rolls.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from upsim.algorithms import Algorithm, Dialect
from upsim.stratum.dialects import speech_of
from upsim.stratum.dialects.ethereum import EthProxyMiner, EthProxySession, NicehashMiner
from upsim.stratum.dialects.monero import MoneroMiner
from upsim.stratum.peer import Ask, Credentials, MinerSession, Unexpected, Work, agent, error_text, params_of, request
from upsim.stratum.session import PoolSession
from upsim.stratum.wire import Json, RejectCode, as_id, clip, decode, encode, is_hex, notification, result

_CONFIGURE: Final = 3
_WISH: Final = 4
_FIRST_SHARE: Final = 10
_WORDS: Final = (
    (re.compile(r"stale|not found|expired|unknown job|old job", re.IGNORECASE), RejectCode.STALE),
    (re.compile(r"duplicate|already", re.IGNORECASE), RejectCode.DUPLICATE),
    (re.compile(r"low|above target|incorrect nonce|high-hash", re.IGNORECASE), RejectCode.LOW_DIFFICULTY),
    (re.compile(r"unauth", re.IGNORECASE), RejectCode.UNAUTHORIZED),
)
"""What refusals say in dialects that have no numbers for them."""


@dataclass(frozen=True, slots=True)
class Send:
    """A line for the pool."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """The pool let us in."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The pool did not; `stage` is the step of a pool test that this would be."""

    stage: str
    reason: str


@dataclass(frozen=True, slots=True)
class Offered:
    """The pool has work: `upstream.work`."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What the pool says to a share: a code and its words where it does not count."""

    number: int
    code: RejectCode | None
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something the pool has its miners show to people."""

    text: str


Heard: TypeAlias = Send | Opened | Refused | Offered | Answered | Told


def tongues(algorithm: Algorithm, session: PoolSession) -> tuple[type[MinerSession], ...]:
    """How to talk to a pool for a miner that talks so: what to try, each on a connection of its own.

    ethash's two tongues part the nonce differently, so a miner's own is the only one there.
    """
    if algorithm.dialect is Dialect.ETHEREUM:
        return (EthProxyMiner,) if isinstance(session, EthProxySession) else (NicehashMiner,)
    return speech_of(algorithm).miners


class Upstream:
    """One conversation with a pool.

    Attributes:
        miner: how we talk there.
        work: the last work it gave; None before the first.
        told: what it last said of the difficulty, as lines that can be handed on.
        mask: the version bits it lets us roll.
        opened: whether it let us in.
    """

    def __init__(
        self,
        algorithm: Algorithm,
        speaks: type[MinerSession],
        credentials: Credentials,
        *,
        mask: int = 0,
        difficulty: float = 0.0,
    ) -> None:
        """Prepare to talk.

        Args:
            mask: version bits that the miner rolls.
            difficulty: what the miner would like; 0 for no wish.
        """
        self.miner = speaks(algorithm, credentials)
        self.work: Work | None = None
        self.told: tuple[bytes, ...] = ()
        self.mask = 0
        self.opened = False
        self._asks = deque(self.miner.opening())
        if mask:
            options: dict[str, Json] = {"version-rolling.mask": f"{mask:08x}"}
            asked = request(_CONFIGURE, "mining.configure", [["version-rolling"], options])
            self._asks.appendleft(Ask(_CONFIGURE, asked, ()))
        self._wish = difficulty
        self._next = _FIRST_SHARE
        self._waiting: set[int] = set()

    def begin(self) -> bytes:
        """The first words."""
        return self._asks[0].line

    def next_number(self) -> int:
        """An id for a share, whose answer is waited for."""
        self._next += 1
        self._waiting.add(self._next)
        return self._next

    @property
    def waiting(self) -> int:
        """How many shares have no answer yet."""
        return len(self._waiting)

    def receive(self, line: bytes) -> list[Heard]:
        """Take a line of the pool.

        Raises:
            NotStratum: it is none.
        """
        message = decode(line)
        method = message.get("method")
        heard: list[Heard] = []
        if not isinstance(method, str):
            mark = message.get("id")
            if self._asks and mark == self._asks[0].id:
                heard = self._reply(self._asks[0], message)
                if heard and isinstance(heard[0], Refused):
                    return heard
            elif isinstance(mark, int) and mark in self._waiting:
                self._waiting.discard(mark)
                return [_answered(mark, message)]
        elif (spoken := self._spoken(method, message)) is not None:
            return spoken
        work = self.miner.take(message)
        if work is not None:
            self.work = replace(work, fields=(_body(message),)) if isinstance(self.miner, MoneroMiner) else work
            heard.append(Offered())
        return heard

    def _reply(self, ask: Ask, message: Mapping[str, Json]) -> list[Heard]:
        refusal = error_text(message)
        if ask.id == _CONFIGURE:
            self.mask = 0 if refusal else _granted(message.get("result"))
        else:
            if refusal is None and message.get("result") is False:
                refusal = "refused without a reason"
            if refusal is None:
                try:
                    self.miner.learn(ask, message)
                except Unexpected as problem:
                    refusal = str(problem)
            if refusal is not None:
                return [Refused(ask.stages[0].value, refusal)]
        self._asks.popleft()
        if self._asks:
            return [Send(self._asks[0].line)]
        self.opened = True
        wish: list[Heard] = [Send(wish_line(self._wish))] if self._wish else []
        return [*wish, Opened()]

    def _spoken(self, method: str, message: Mapping[str, Json]) -> list[Heard] | None:
        """What a request or notification means; None where it is the dialect's own business."""
        params = params_of(message)
        mark = as_id(message.get("id"))
        match method:
            case "mining.set_difficulty" | "mining.set_target":
                self.miner.take(message)
                self.told = (notification(method, params),)
                return []
            case "mining.set_version_mask":
                text = params[0] if params else None
                self.mask = int(text, 16) if isinstance(text, str) and is_hex(text, 8) else self.mask
                return [Offered()] if self.work else []
            case "client.get_version":
                return [Send(result(mark, agent()))]
            case "mining.ping":
                return [Send(result(mark, "pong"))]
            case "client.show_message":
                text = params[0] if params else None
                return [Told(clip(text))] if isinstance(text, str) else []
            case "client.reconnect":
                return [Told(f"asks to reconnect to {clip(encode({'to': params}).decode())}; the door stays")]
        return None


def _body(message: Mapping[str, Json]) -> Json:
    """A Monero job with all its fields, from a job message or a login's reply."""
    if message.get("method") == "job":
        return message.get("params")
    outcome = message.get("result")
    return outcome.get("job", outcome) if isinstance(outcome, dict) else None


def wish_line(difficulty: float) -> bytes:
    """A request for another difficulty, whose answer nobody waits for."""
    return request(_WISH, "mining.suggest_difficulty", [difficulty])


def _granted(value: Json) -> int:
    mask = value.get("version-rolling.mask") if isinstance(value, dict) else None
    return int(mask, 16) if isinstance(mask, str) and is_hex(mask, 8) else 0


def _answered(number: int, message: Mapping[str, Json]) -> Answered:
    outcome = message.get("result")
    refusal = error_text(message)
    if refusal is None and isinstance(outcome, list) and outcome[:1] == [False]:
        refusal = clip(str(outcome[1])) if len(outcome) > 1 else "refused without a reason"
    if refusal is None and not outcome:
        refusal = "refused without a reason"
    if refusal is None:
        return Answered(number, None, "")
    return Answered(number, _code(message.get("error"), refusal), refusal)


def _code(error: Json, text: str) -> RejectCode:
    number = error[0] if isinstance(error, list) and error else error.get("code") if isinstance(error, dict) else None
    if isinstance(number, int) and number in RejectCode.__members__.values():
        return RejectCode(number)
    return next((code for words, code in _WORDS if words.search(text)), RejectCode.OTHER)
