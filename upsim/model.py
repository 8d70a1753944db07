"""What the simulator talks about, as frozen values. Knows nothing of HTTP, of storage or of how anything is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from enum import StrEnum
from typing import Final, Generic, NewType, TypeVar

from upsim.clock import ClockState, Instant
from upsim.records import dataclass

WorldId = NewType("WorldId", str)
"""Names an isolated universe: letters, digits, dots, dashes."""

ObjectId = NewType("ObjectId", str)
"""24 lower-case hex characters, as the vendor's ids are. Unique within a world."""


class Tier(StrEnum):
    """What an account may do how often. Source: reference, "Rate Limits"."""

    VIP = "vip"
    BASIC = "basic"


class Scope(StrEnum):
    """What a key may do. Source: reference, "Available Scopes"."""

    DASHBOARD_READ = "dashboard:read"
    WORKERS_READ = "workers:read"
    WORKERS_WRITE = "workers:write"
    POOLS_READ = "pools:read"
    POOLS_WRITE = "pools:write"
    PROFILES_READ = "profiles:read"
    PROFILES_WRITE = "profiles:write"


@dataclass(frozen=True, slots=True)
class Account:
    """A user of the proxy.

    Attributes:
        previous_tier, tier_changed_at: the tier before the last change, and when that was: the rate limit of a window
            is that of the tier in which the window began.
    """

    id: ObjectId
    name: str
    tier: Tier
    created_at: Instant
    previous_tier: Tier | None = None
    tier_changed_at: Instant | None = None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key as it is kept: only a digest of the secret, and its first characters for people to tell keys apart."""

    id: ObjectId
    account_id: ObjectId
    name: str
    digest: str
    hint: str
    scopes: frozenset[Scope]
    networks: tuple[str, ...]
    """Addresses and CIDR networks it may come from; empty means anywhere."""
    created_at: Instant
    expires_at: Instant | None = None
    revoked_at: Instant | None = None
    exhausted: bool = False
    """A magic key: always over its limit."""
    issued: bool = False
    """Made with its world: a reset keeps it."""


class HealthStatus(StrEnum):
    """What the last test of a pool said."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


@dataclass(frozen=True, slots=True)
class Health:
    """A pool's state as the proxy sees it."""

    status: HealthStatus = HealthStatus.UNKNOWN
    last_checked_at: Instant | None = None
    last_error: str | None = None
    consecutive_failures: int = 0
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PoolTarget:
    """All it takes to try a pool."""

    host: str
    port: int
    tls: bool
    algorithm: str
    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pool:
    """A mining pool of an account."""

    id: ObjectId
    account_id: ObjectId
    name: str
    algorithm: str
    host: str
    port: int
    tls: bool
    username: str
    password: str = field(repr=False)
    health: Health
    created_at: Instant
    updated_at: Instant

    @property
    def target(self) -> PoolTarget:
        """What a test of this pool tries."""
        return PoolTarget(self.host, self.port, self.tls, self.algorithm, self.username, self.password)


@dataclass(frozen=True, slots=True)
class Profile:
    """An ordered choice of pools of one algorithm: the first healthy one is mined on."""

    id: ObjectId
    account_id: ObjectId
    name: str
    algorithm: str
    pool_ids: tuple[ObjectId, ...]
    is_default: bool
    created_at: Instant
    updated_at: Instant


MEASURED = "measured"
"""The model of a worker whose miner really connects: what it does is measured, and its nominal rate is 0."""


@dataclass(frozen=True, slots=True)
class Course:
    """Which pool a profile's workers mined on, and since when.

    Attributes:
        entries: (since when, pool), oldest first: None where all of its pools were unhealthy. Never empty. What lies
            after the instant that is asked about has not happened: a world's clock may be set back before it.
        ended_at: when the profile was deleted.
    """

    profile_id: ObjectId
    account_id: ObjectId
    entries: tuple[tuple[Instant, ObjectId | None], ...]
    ended_at: Instant | None = None

    @property
    def eventful(self) -> bool:
        """Whether there was anything but one pool all the time."""
        return len(self.entries) > 1 or self.entries[0][1] is None

    def pool_at(self, now: Instant) -> ObjectId | None:
        """The pool in use at an instant; before the first entry, that of the first."""
        return next((pool_id for at, pool_id in reversed(self.entries) if at <= now), self.entries[0][1])


MOVE: Final = "move"
"""What a worker's history calls its assignment to a profile."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A miner of an account: what is kept of it. What it does at an instant is asked of the fleet.

    Attributes:
        profile_id: the profile it is assigned to; never empty, and never that of a deleted profile.
        model: its hardware, a key of the fleet's table; or MEASURED.
        nominal: the rate it is built for, in its algorithm's unit.
        home: the cell it stands in, in the fleet's tree of sites, racks and slots: what goes down with it.
        cell: the cell it counts for since the last change by hand: home where there was none. Whether it is online is
            a question about this number alone.
        weights: how much it takes part in each of the fleet's common noise curves.
        history: changes made by hand, each with the instant from which on it holds: (instant, kind, value, profile).
            Of one instant the last one holds. Without a MOVE among them it has been on its profile all the time.
        track: the digest of the recorded readings that stand in for the fleet's function; empty where none do.
    """

    id: ObjectId
    account_id: ObjectId
    name: str
    algorithm: str
    profile_id: ObjectId
    model: str
    nominal: int
    home: int
    cell: int
    weights: tuple[int, ...]
    created_at: Instant
    updated_at: Instant
    retired_at: Instant | None = None
    history: tuple[tuple[Instant, str, int, str], ...] = ()
    track: str = ""


@dataclass(frozen=True, slots=True)
class Mined:
    """What a measured worker did in a short time.

    Attributes:
        accepted, stale, rejected: shares.
        work: units accepted; what a unit is, its algorithm decides.
        blocks: (level, block, units) of the same work, once for each level: blocks of a level are as long as each
            other, and numbered since 1970.
        last_at: when its last share was accepted; None where none was.
    """

    worker_id: ObjectId
    account_id: ObjectId
    algorithm: str
    accepted: int
    stale: int
    rejected: int
    work: int
    blocks: tuple[tuple[int, int, int], ...]
    last_at: Instant | None


@dataclass(frozen=True, slots=True)
class Measured:
    """What is kept of a measured worker besides its blocks of work.

    Attributes:
        accepted, stale, rejected: shares, since it first came.
        since: when its miner came, at the last share; None before the first.
        work: units accepted since then.
        last_at: when its last share was accepted; None before the first.
    """

    accepted: int = 0
    stale: int = 0
    rejected: int = 0
    since: Instant | None = None
    work: int = 0
    last_at: Instant | None = None


class Stage(StrEnum):
    """The three steps of a pool test, in order. Source: reference, POST /v1/pools/test."""

    CONNECTIVITY = "connectivity"
    SUBSCRIPTION = "subscription"
    AUTHORIZATION = "authorization"


class Outcome(StrEnum):
    """How a stage of a pool test ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried, because an earlier stage failed."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """One stage of a pool test.

    Attributes:
        duration_ms: how long it took, whole milliseconds; None where it was skipped.
        reason: one sentence a miner understands, where it failed.
    """

    stage: Stage
    outcome: Outcome
    duration_ms: int | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class PoolTest:
    """What a pool test found: one result for each stage, in order, and remarks that are no failure."""

    stages: tuple[StageResult, ...]
    remarks: tuple[str, ...] = ()

    @property
    def failure(self) -> StageResult | None:
        """The stage that failed; None where the pool is good."""
        return next((stage for stage in self.stages if stage.outcome is Outcome.FAILED), None)

    @property
    def latency_ms(self) -> int | None:
        """How long connecting took; None where it failed."""
        first = self.stages[0]
        return first.duration_ms if first.outcome is Outcome.PASSED else None


@dataclass(frozen=True, slots=True)
class WorldRecord:
    """A world as it is kept: all that its requests need to know besides its content.

    Attributes:
        clock: its clock as data; `clock.at(wall)` is its time.
        generation: counts its resets, so that caches and pools of an earlier life are told apart.
        revision: counts the changes of this record.
        created_at, expires_at: by the wall clock, since a world's own clock may stand still.
        options: what the control plane switched on, by name.
    """

    id: WorldId
    fixture: str
    seed: int
    clock: ClockState
    created_at: Instant
    expires_at: Instant | None = None
    generation: int = 0
    revision: int = 0
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One call as it was seen and decided. Holds no secret.

    Attributes:
        seq: its number in the world's journal, from 1; 0 before it was written.
        at: the world's time when it came.
        duration_us: how long it took, microseconds of real time.
        account, key: whose it was, and the hint of the key; None where it was nobody's.
        status: what was answered; None where the connection was dropped instead.
        decided: what decided it: "key", "address", "rate limit", "scope", "validation", "existence", "conflict",
            "quota", "fault", "crash", or "rule" where the call simply did what it says.
        clause: the rule of the spec behind that, where one rule alone is.
        fault: the id of the fault that struck it.
        body: what was sent, whatever became of it: passwords masked and long lists cut.
        error: the message that was answered, where it was one.
    """

    seq: int
    at: Instant
    duration_us: int
    method: str
    path: str
    query: str
    account: str | None
    key: str | None
    status: int | None
    decided: str
    clause: str | None = None
    fault: str | None = None
    body: Mapping[str, object] | None = None
    error: str | None = None


Version = NewType("Version", str)
"""Which of all states that worlds of a store ever had: no two have the same."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a key belongs to, and where.

    Attributes:
        version: of the world's record and content, those of every account; None while it is being changed, so that
            nothing can be said of it twice.
    """

    world: WorldRecord
    account: Account
    key: ApiKey
    version: Version | None = field(default=None, compare=False)


Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list, and how many items there are in all."""

    items: Sequence[Item]
    total: int


__all__ = [
    "MEASURED",
    "MOVE",
    "Account",
    "ApiKey",
    "Caller",
    "ClockState",
    "Course",
    "Health",
    "HealthStatus",
    "Instant",
    "JournalEntry",
    "Measured",
    "Mined",
    "ObjectId",
    "Outcome",
    "Page",
    "Pool",
    "PoolTarget",
    "PoolTest",
    "Profile",
    "Scope",
    "Stage",
    "StageResult",
    "Tier",
    "Version",
    "Worker",
    "WorldId",
    "WorldRecord",
]
