"""The miner's side of one conversation, shared by the pool tester and the synthetic miners.

Knows what to ask in which order and how to read answers in every shape pools are known to give. Does not know sockets
or time, and does no mining: where a hash is cheap it looks at a few, to have something to submit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from upsim.algorithms import Algorithm
from upsim.model import Stage
from upsim.stratum.wire import Json, clip, encode


@cache
def agent() -> str:
    """What our miners call themselves: upsim and its version."""
    try:
        return f"upsim/{version('upsim')}"
    except PackageNotFoundError:
        return "upsim"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who the miner says it is, and where it thinks it is."""

    username: str
    password: str = field(repr=False)
    host: str = ""
    port: int = 0
    agent: str = field(default_factory=agent)


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of the opening.

    Attributes:
        id: of the request; its reply is found by it.
        line: what to send.
        stages: what is reached when it is answered well.
    """

    id: int
    line: bytes
    stages: tuple[Stage, ...]


class Unexpected(Exception):
    """A reply that succeeded, but is none this dialect has. Says what came instead."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job as the miner got it.

    Attributes:
        job_id: names it.
        fields: the message's own fields, as the dialect orders them.
        difficulty: assigned, in the algorithm's unit.
        clean: whether earlier jobs are worthless now.
    """

    job_id: str
    fields: tuple[Json, ...]
    difficulty: float
    clean: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """The variable parts of a share. Fields a dialect does not have are ignored.

    Attributes:
        nonce: as a number.
        extranonce2: as a number; for Equihash, what the made-up solution is made of.
    """

    nonce: int
    extranonce2: int = 0


class MinerSession(ABC):
    """One miner's conversation. Subclasses speak a dialect.

    Attributes:
        difficulty: the last one the pool announced, in the algorithm's unit.
        extranonce1: hex, the pool's part of the nonce space.
        extranonce2_bytes: how many bytes of it are left to the miner.
    """

    def __init__(self, algorithm: Algorithm, credentials: Credentials) -> None:
        self.algorithm = algorithm
        self.credentials = credentials
        self.difficulty = 1.0
        self.extranonce1 = ""
        self.extranonce2_bytes = 0

    @abstractmethod
    def opening(self) -> list[Ask]:
        """What to ask, in order, each after the answer to the one before."""

    @abstractmethod
    def learn(self, ask: Ask, message: Mapping[str, Json]) -> None:
        """Take in a reply that carries no error.

        Raises:
            Unexpected: if it is not this dialect's.
        """

    @abstractmethod
    def take(self, message: Mapping[str, Json]) -> Work | None:
        """Take in anything else the pool sends; gives the work where it was a job of this dialect."""

    def look(self, work: Work, number: int, tries: int) -> Found:
        """A share to submit: the best of so many where a hash is cheap, else simply one that was not used yet.

        Args:
            work: what it is for.
            number: different for every share.
            tries: most hashes to spend.
        """
        return Found(nonce=number & 0xFFFFFFFF)

    @abstractmethod
    def submit(self, request_id: int, work: Work, found: Found) -> bytes:
        """The line that submits a share."""


def counted(number: int, size: int) -> str:
    """A number as hex of so many bytes, begun again where it is larger; empty for no bytes at all."""
    return f"{number % 256**size:0{2 * size}x}" if size > 0 else ""


def request(request_id: int, method: str, params: Json, **more: Json) -> bytes:
    """A request line."""
    return encode({"id": request_id, "method": method, "params": params, **more})


def error_text(message: Mapping[str, Json]) -> str | None:
    """What a reply's error says, in any of the shapes pools use; None where there is none.

    Arrays of two or three, objects, plain strings, and ckpool's `reject-reason` beside a null error.
    """
    error = message.get("error")
    if error is None or error is False:
        reason = message.get("reject-reason")
        return clip(reason) if isinstance(reason, str) and reason else None
    if isinstance(error, list):
        words = [str(part) for part in error[1:] if isinstance(part, str) and part]
        return clip(": ".join(words)) if words else _bare(error[0] if error else None)
    if isinstance(error, dict):
        text = error.get("message")
        return clip(text) if isinstance(text, str) and text else _bare(error.get("code"))
    return clip(error) if isinstance(error, str) else _bare(error)


def _bare(code: Json) -> str:
    """An error that has at most a number."""
    return clip(f"error {code}") if isinstance(code, int | float | str) else "an error without a text"


def params_of(message: Mapping[str, Json]) -> list[Json]:
    """A message's positional parameters."""
    params = message.get("params")
    return params if isinstance(params, list) else []


def as_text(value: Json) -> str:
    """A value as text where it is text."""
    return value if isinstance(value, str) else ""
