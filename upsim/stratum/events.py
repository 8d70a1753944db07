"""What a client's line means, once its dialect is out of the way; and what becomes of a share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from upsim.stratum.wire import REJECT_TEXT, Id, RejectCode


@dataclass(frozen=True, slots=True)
class Say:
    """Something already answered: the line to send."""

    line: bytes


@dataclass(frozen=True, slots=True)
class Subscribed:
    """The client said hello."""

    agent: str


@dataclass(frozen=True, slots=True)
class Login:
    """The client wants to mine under this name; `grant` or `refuse` it."""

    request_id: Id
    username: str
    password: str
    agent: str = ""
    rig: str = ""


@dataclass(frozen=True, slots=True)
class JobAsked:
    """The client asks for the present job; `hand` it over."""

    request_id: Id


@dataclass(frozen=True, slots=True)
class DifficultyAsked:
    """The client would like another difficulty; a pool may follow or not."""

    difficulty: float


@dataclass(frozen=True, slots=True)
class Submission:
    """A share as it came, hex lower-cased and without `0x`; `judge` it, then `accept` or `reject`.

    Fields a dialect does not have are empty.
    """

    request_id: Id
    worker: str
    job_id: str
    nonce: str
    extranonce2: str = ""
    ntime: str = ""
    version_bits: str = ""
    header: str = ""
    mix: str = ""
    solution: str = ""
    result: str = ""
    malformed: str = ""
    """What is wrong with its form, where something is; then nothing else of it counts."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The session cannot go on: send what it said, then close."""

    reason: str


Event: TypeAlias = Say | Subscribed | Login | JobAsked | DifficultyAsked | Submission | Leave


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a share.

    Attributes:
        code: None where it was accepted.
        text: what the pool says about it.
        difficulty: the assigned difficulty it is credited with; 0 where it was rejected.
        achieved: the difficulty its hash shows, where the hash was computed or claimed.
        is_block: whether its hash would have made a block.
    """

    code: RejectCode | None
    text: str = ""
    difficulty: float = 0.0
    achieved: float | None = None
    is_block: bool = False

    @property
    def accepted(self) -> bool:
        """Whether it counts."""
        return self.code is None


def rejected(code: RejectCode, text: str = "", achieved: float | None = None) -> Verdict:
    """A verdict that refuses a share."""
    return Verdict(code, text or REJECT_TEXT[code], achieved=achieved)
