"""What the control plane answers, as small values. Each stays what it was when it was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Tier = Literal["vip", "basic"]
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What a world's clock showed.

    Attributes:
        now: its time, UTC.
        timestamp: the same in whole Unix seconds.
        speed: seconds of the world in a second of the wall; 0 where it is frozen.
    """

    now: datetime
    timestamp: int
    speed: float
    frozen: bool

    @classmethod
    def of(cls, doc: Json) -> ClockReading:
        """From the server's JSON."""
        return cls(moment(doc["now"]), doc["timestamp"], doc["speed"], doc["frozen"])


@dataclass(frozen=True, slots=True)
class Key:
    """An API key of a world.

    Attributes:
        secret: the key itself; None where the server did not say it, as it does only when it makes one.
        hint: its first characters.
        addresses: where it may be used from; empty means anywhere.
    """

    id: str
    account: str
    name: str
    hint: str
    scopes: tuple[str, ...]
    addresses: tuple[str, ...]
    expires_at: datetime | None
    revoked_at: datetime | None
    secret: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, account: str, doc: Json) -> Key:
        """From the server's JSON."""
        return cls(
            id=doc["id"],
            account=account,
            name=doc["name"],
            hint=doc["hint"],
            scopes=tuple(doc["scopes"]),
            addresses=tuple(doc["addresses"]),
            expires_at=moment_or_none(doc["expires_at"]),
            revoked_at=moment_or_none(doc["revoked_at"]),
            secret=doc.get("key"),
        )


@dataclass(frozen=True, slots=True)
class Account:
    """An account, and where it stood in its rate-limit window.

    Attributes:
        limit, used: requests that the window allows, and those made in it.
        reset_at: when the window ends, Unix seconds by the world's clock.
    """

    id: str
    name: str
    tier: Tier
    limit: int
    used: int
    reset_at: int

    @classmethod
    def of(cls, doc: Json) -> Account:
        """From the server's JSON."""
        window = doc["window"]
        return cls(doc["id"], doc["name"], doc["tier"], window["limit"], window["used"], window["reset"])


@dataclass(frozen=True, slots=True)
class WorldInfo:
    """A world as the server sees it.

    Attributes:
        caller_address: whether the header X-Upsim-Caller-Address is believed.
    """

    id: str
    fixture: str
    seed: int
    clock: ClockReading
    created_at: datetime
    expires_at: datetime | None
    caps: Mapping[str, int]
    caller_address: bool

    @classmethod
    def of(cls, doc: Json) -> WorldInfo:
        """From the server's JSON."""
        return cls(
            id=doc["id"],
            fixture=doc["fixture"],
            seed=doc["seed"],
            clock=ClockReading.of(doc["clock"]),
            created_at=moment(doc["created_at"]),
            expires_at=moment_or_none(doc["expires_at"]),
            caps=dict(doc["caps"]),
            caller_address=doc["options"]["caller_address"],
        )


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault on a world's calls; upsim/control/openapi.yaml says what each field means.

    Attributes:
        latency: how long the answer waits, in seconds: from the least to the most.
    """

    id: str
    effect: str
    method: str | None
    path: str | None
    account: str | None
    status: int
    body: Any
    latency: tuple[float, float]
    times: int | None
    share: float
    after: bool

    @classmethod
    def of(cls, doc: Json) -> Fault:
        """From the server's JSON."""
        latency = doc["latency"]
        return cls(
            id=doc["id"],
            effect=doc["effect"],
            method=doc["method"],
            path=doc["path"],
            account=doc["account"],
            status=doc["status"],
            body=doc["body"],
            latency=(latency[0], latency[1]) if isinstance(latency, list) else (latency, latency),
            times=doc["times"],
            share=doc["share"],
            after=doc["after"],
        )


@dataclass(frozen=True, slots=True)
class PoolBehaviour:
    """A behaviour that was put on a pool's address; `times` None means for good."""

    host: str
    port: int
    behaviour: str
    times: int | None

    @classmethod
    def of(cls, doc: Json) -> PoolBehaviour:
        """From the server's JSON."""
        return cls(doc["host"], doc["port"], doc["behaviour"], doc["times"])


@dataclass(frozen=True, slots=True)
class Entry:
    """One call in a world's journal. Its text is one line for people.

    Attributes:
        at: the world's time when it came.
        duration_ms: how long it took, in real milliseconds.
        status: what was answered; None where the connection was dropped.
        decided: what decided it, such as "rate limit", "scope", "fault" or "rule".
        clause: the rule of the spec behind that, where one alone is.
        fault: the id of the fault that struck it.
        body: what was sent, with passwords and keys masked.
    """

    seq: int
    at: datetime
    duration_ms: float
    method: str
    path: str
    query: str
    account: str | None
    key: str | None
    status: int | None
    decided: str
    clause: str | None
    fault: str | None
    body: Mapping[str, Any] | None
    error: str | None

    @classmethod
    def of(cls, doc: Json) -> Entry:
        """From the server's JSON."""
        return cls(**{**{name: doc[name] for name in cls.__slots__}, "at": moment(doc["at"])})

    def __str__(self) -> str:
        """One line: what was called, what was answered, and why."""
        target = self.path + (f"?{self.query}" if self.query else "")
        answered = "no answer" if self.status is None else str(self.status)
        why = self.decided if self.fault is None else f"{self.decided}, {self.fault}"
        line = f"#{self.seq} {self.at:%H:%M:%S} {self.account or '-'} {self.method} {target} → {answered} ({why})"
        return f"{line}: {self.error}" if self.error else line


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether as many calls matched as expected, those that did, and, where not, what came instead."""

    met: bool
    count: int
    matched: Sequence[Entry]
    instead: Sequence[Entry]

    @classmethod
    def of(cls, doc: Json) -> Verdict:
        """From the server's JSON."""
        matched, instead = (tuple(Entry.of(entry) for entry in doc[kind]) for kind in ("matched", "instead"))
        return cls(doc["met"], doc["count"], matched, instead)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was saved of a world: under which name, when, and what its clock showed."""

    name: str
    saved_at: datetime
    now: datetime

    @classmethod
    def of(cls, doc: Json) -> Snapshot:
        """From the server's JSON."""
        return cls(doc["name"], moment(doc["saved_at"]), moment(doc["now"]))


@dataclass(frozen=True, slots=True)
class MagicValue:
    """A value with a fixed outcome: a pool's host name, a key or a worker."""

    kind: str
    value: str
    outcome: str

    @classmethod
    def of(cls, doc: Json) -> MagicValue:
        """From the server's JSON."""
        return cls(doc["kind"], doc["value"], doc["outcome"])


def moment(text: str) -> datetime:
    """A time of the server's."""
    return datetime.fromisoformat(text)


def moment_or_none(text: str | None) -> datetime | None:
    """A time of the server's, if there is one."""
    return None if text is None else moment(text)
