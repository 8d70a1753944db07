"""What a store is asked with, and what it answers with where that is no entity: pages, filters, changes, counts."""

from __future__ import annotations

from dataclasses import field

from upsim.clock import Instant
from upsim.model import ObjectId, PoolTarget
from upsim.records import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Which page of a list: `limit` items after the first `offset`."""

    offset: int
    limit: int


@dataclass(frozen=True, slots=True)
class Down:
    """Which workers are offline at an instant, said by place: the cells that are down, and the rows that say so.

    A worker is offline when its cell is one of `cells`, when it has not joined by `at`, when it was retired by then, or
    when it is one of `others`.

    Attributes:
        offline: keep the workers that are offline (true) or those that are online (false).
    """

    cells: frozenset[int]
    at: Instant
    offline: bool
    others: frozenset[ObjectId] = frozenset()


@dataclass(frozen=True, slots=True)
class WorkerFilter:
    """Which workers. A field that is None does not restrict.

    Attributes:
        search: part of the name, whatever the case.
        down: only those that are offline, or only those that are not.
        recorded: only those with a track.
    """

    algorithm: str | None = None
    profile_id: ObjectId | None = None
    search: str | None = None
    down: Down | None = None
    recorded: bool = False


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of a journal. A field that is None does not restrict.

    Attributes:
        since: only entries with a greater number.
        path: a path in which * stands for any text.
    """

    since: int = 0
    method: str | None = None
    path: str | None = None
    status: int | None = None
    account: str | None = None
    decided: str | None = None


@dataclass(frozen=True, slots=True)
class PoolChanges:
    """A change of a pool: None leaves the field as it is.

    Attributes:
        tested: where host, port, tls, username or password change, the target that was tested; the change happens
            only if it makes the pool exactly that.
        latency_ms: the test's, where there was one: it makes the pool healthy.
    """

    at: Instant
    name: str | None = None
    algorithm: str | None = None
    host: str | None = None
    port: int | None = None
    tls: bool | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tested: PoolTarget | None = None
    latency_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ProfileChanges:
    """A change of a profile: None leaves the field as it is."""

    at: Instant
    name: str | None = None
    algorithm: str | None = None
    pool_ids: tuple[ObjectId, ...] | None = None


@dataclass(frozen=True, slots=True)
class PoolCounts:
    """Pools of one algorithm: all, the healthy, and those whose last test failed."""

    total: int
    healthy: int
    unhealthy: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a deleted profile's workers."""

    workers: int
    target_id: ObjectId
