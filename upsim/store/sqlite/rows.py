"""The SQLite store's tables, and how values become rows and rows become values again."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Final

from upsim.clock import ClockState, Instant
from upsim.model import (
    Account,
    ApiKey,
    Course,
    Health,
    HealthStatus,
    JournalEntry,
    ObjectId,
    Pool,
    Profile,
    Scope,
    Tier,
    Worker,
    WorldId,
    WorldRecord,
)

Row = tuple[Any, ...]

# Clustered (WITHOUT ROWID) by what they are asked for; workers in the order in which they are listed.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS worlds (
    id TEXT PRIMARY KEY, parent TEXT, created_at INTEGER NOT NULL, doc TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accounts (
    world TEXT, id TEXT, name TEXT NOT NULL, tier TEXT NOT NULL, created_at INTEGER NOT NULL, previous_tier TEXT,
    tier_changed_at INTEGER, PRIMARY KEY (world, id), UNIQUE (world, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS keys (
    world TEXT, id TEXT, account_id TEXT NOT NULL, digest TEXT NOT NULL, doc TEXT NOT NULL, created_at INTEGER NOT NULL,
    revoked_at INTEGER, PRIMARY KEY (world, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS keys_by_digest ON keys (digest);
CREATE TABLE IF NOT EXISTS pools (
    world TEXT, account_id TEXT, created_at INTEGER, id TEXT, name TEXT NOT NULL, algorithm TEXT NOT NULL,
    host TEXT NOT NULL, port INTEGER NOT NULL, tls INTEGER NOT NULL, username TEXT NOT NULL, password TEXT NOT NULL,
    status TEXT NOT NULL, last_checked_at INTEGER, last_error TEXT, consecutive_failures INTEGER NOT NULL,
    latency_ms INTEGER, updated_at INTEGER NOT NULL,
    PRIMARY KEY (world, account_id, created_at, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS pools_by_id ON pools (world, id);
CREATE TABLE IF NOT EXISTS profiles (
    world TEXT, account_id TEXT, created_at INTEGER, id TEXT, name TEXT NOT NULL, algorithm TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (world, account_id, created_at, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS profiles_by_id ON profiles (world, id);
CREATE TABLE IF NOT EXISTS profile_pools (
    world TEXT, profile_id TEXT, position INTEGER, pool_id TEXT NOT NULL,
    PRIMARY KEY (world, profile_id, position)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS profile_pools_by_pool ON profile_pools (world, pool_id);
CREATE TABLE IF NOT EXISTS defaults (
    world TEXT, account_id TEXT, algorithm TEXT, profile_id TEXT NOT NULL,
    PRIMARY KEY (world, account_id, algorithm)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS courses (
    world TEXT, account_id TEXT, profile_id TEXT, eventful INTEGER NOT NULL, ended_at INTEGER, doc TEXT NOT NULL,
    PRIMARY KEY (world, account_id, profile_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (
    world TEXT, account_id TEXT, created_at INTEGER, id TEXT, name TEXT NOT NULL, folded TEXT NOT NULL,
    algorithm TEXT NOT NULL, profile_id TEXT NOT NULL, model TEXT NOT NULL, nominal INTEGER NOT NULL,
    home INTEGER NOT NULL, cell INTEGER NOT NULL, weights TEXT NOT NULL, updated_at INTEGER NOT NULL,
    retired_at INTEGER, history TEXT NOT NULL, track TEXT NOT NULL,
    PRIMARY KEY (world, account_id, created_at, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS workers_by_id ON workers (world, id);
DROP INDEX IF EXISTS workers_by_profile;
CREATE INDEX IF NOT EXISTS workers_by_place ON workers (world, profile_id, cell);
CREATE INDEX IF NOT EXISTS workers_retired ON workers (world, account_id, retired_at) WHERE retired_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS workers_by_algorithm ON workers (world, account_id, algorithm, created_at, id);
CREATE INDEX IF NOT EXISTS workers_recorded ON workers (world, account_id, algorithm) WHERE track <> '';
CREATE TABLE IF NOT EXISTS tracks (
    world TEXT, digest TEXT, doc TEXT NOT NULL, PRIMARY KEY (world, digest)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sums (
    world TEXT, account_id TEXT, algorithm TEXT, part TEXT, doc TEXT NOT NULL,
    PRIMARY KEY (world, account_id, algorithm, part)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sum_days (
    world TEXT, account_id TEXT, algorithm TEXT, part TEXT, day INTEGER, doc TEXT NOT NULL,
    PRIMARY KEY (world, account_id, algorithm, part, day)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS workers_measured ON workers (world, account_id, algorithm, updated_at)
    WHERE model = 'measured';
CREATE TABLE IF NOT EXISTS measured (
    world TEXT, worker_id TEXT, accepted INTEGER NOT NULL, stale INTEGER NOT NULL, rejected INTEGER NOT NULL,
    since INTEGER, work INTEGER NOT NULL, last_at INTEGER, PRIMARY KEY (world, worker_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measured_work (
    world TEXT, owner TEXT, level INTEGER, block INTEGER, work INTEGER NOT NULL,
    PRIMARY KEY (world, owner, level, block)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hits (
    world TEXT, account_id TEXT, window INTEGER NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (world, account_id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, settled INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (
    world TEXT, name TEXT, value INTEGER NOT NULL, PRIMARY KEY (world, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS versions (
    world TEXT PRIMARY KEY, version INTEGER NOT NULL, life INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (
    world TEXT, seq INTEGER, method TEXT NOT NULL, path TEXT NOT NULL, status INTEGER, account TEXT,
    decided TEXT NOT NULL, doc TEXT NOT NULL, PRIMARY KEY (world, seq)
) WITHOUT ROWID;
"""

COPIED: Final = {
    "accounts": "id, name, tier, created_at, previous_tier, tier_changed_at",
    "pools": "account_id, created_at, id, name, algorithm, host, port, tls, username, password, status,"
    " last_checked_at, last_error, consecutive_failures, latency_ms, updated_at",
    "profiles": "account_id, created_at, id, name, algorithm, updated_at",
    "profile_pools": "profile_id, position, pool_id",
    "defaults": "account_id, algorithm, profile_id",
    "courses": "account_id, profile_id, eventful, ended_at, doc",
    "numbers": "name, value",
    "workers": "account_id, created_at, id, name, folded, algorithm, profile_id, model, nominal, home, cell,"
    " weights, updated_at, retired_at, history, track",
    "tracks": "digest, doc",
    "sums": "account_id, algorithm, part, doc",
    "sum_days": "account_id, algorithm, part, day, doc",
    "measured": "worker_id, accepted, stale, rejected, since, work, last_at",
    "measured_work": "owner, level, block, work",
}
"""The tables that are a world's content, and their columns besides the world: what a copy of a world copies."""

PASSING: Final = ("hits", "journal", "versions")
"""The tables that tell what happened: never copied, forgotten at a reset."""

RENEW: Final = (
    "INSERT INTO versions (world, version, life) SELECT id, random(), random() FROM worlds WHERE id = ?"
    " ON CONFLICT (world) DO UPDATE SET version = excluded.version"
)
"""Give a world a version that no state of any world ever had: chance, so that none is ever given again."""

RENEW_LIFE: Final = "UPDATE versions SET life = random() WHERE world = ?"
"""Note that there are other workers in a world than before. A copy or a reset, which replaces them, begins a new life
anyway."""

ACCOUNT: Final = "a.id, a.name, a.tier, a.created_at, a.previous_tier, a.tier_changed_at"
POOL: Final = (
    "id, account_id, name, algorithm, host, port, tls, username, password, status, last_checked_at, last_error,"
    " consecutive_failures, latency_ms, created_at, updated_at"
)
WORKER: Final = (
    "id, account_id, name, algorithm, profile_id, model, nominal, home, cell, weights, created_at, updated_at,"
    " retired_at, history, track"
)

MEASURED: Final = "accepted, stale, rejected, since, work, last_at"


def pool_row(pool: Pool) -> Row:
    """A pool as the columns of POOL."""
    health = pool.health
    return (
        pool.id, pool.account_id, pool.name, pool.algorithm, pool.host, pool.port, pool.tls, pool.username,
        pool.password, health.status, health.last_checked_at, health.last_error, health.consecutive_failures,
        health.latency_ms, pool.created_at, pool.updated_at,
    )  # fmt: skip


def read_pool(row: Row) -> Pool:
    """The columns of POOL as a pool."""
    (
        pool_id, account_id, name, algorithm, host, port, tls, username, password,
        status, checked_at, error, failures, latency_ms, created_at, updated_at,
    ) = row  # fmt: skip
    health = Health(HealthStatus(status), checked_at, error, failures, latency_ms)
    return Pool(
        pool_id, account_id, name, algorithm, host, port, bool(tls), username, password, health, created_at, updated_at
    )


def worker_row(worker: Worker) -> Row:
    """A worker as the columns of WORKER."""
    # A list of numbers is written alike by Python and in JSON, and by Python in a quarter of the time.
    return (
        worker.id, worker.account_id, worker.name, worker.algorithm, worker.profile_id, worker.model, worker.nominal,
        worker.home, worker.cell, str(list(worker.weights)), worker.created_at, worker.updated_at, worker.retired_at,
        history_text(worker.history), worker.track,
    )  # fmt: skip


@lru_cache(maxsize=4096)  # rows are read far more often than they are changed, and to be made into workers takes longer
def read_worker(row: Row) -> Worker:
    """The columns of WORKER as a worker."""
    (
        worker_id, account_id, name, algorithm, profile_id, model, nominal, home, cell, weights,
        created_at, updated_at, retired_at, history, track,
    ) = row  # fmt: skip
    return Worker(
        worker_id, account_id, name, algorithm, profile_id, model, nominal, home, cell, _numbers(weights),
        created_at, updated_at, retired_at, _history(history), track,
    )  # fmt: skip


@lru_cache(maxsize=256)  # workers that are moved together have mostly the same
def history_text(history: tuple[tuple[Instant, str, int, str], ...]) -> str:
    """A worker's history as it is kept."""
    return json.dumps(history)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text[1:-1].split(","))) if text != "[]" else ()


@lru_cache(maxsize=1024)
def _history(text: str) -> tuple[tuple[Instant, str, int, str], ...]:
    return tuple((Instant(at), kind, value, profile) for at, kind, value, profile in json.loads(text))


def profile_row(profile: Profile) -> Row:
    """A profile as account_id, created_at, id, name, algorithm, updated_at: its pools and its rank live elsewhere."""
    return (
        profile.account_id, profile.created_at, profile.id, profile.name, profile.algorithm, profile.updated_at
    )  # fmt: skip


COURSE: Final = "account_id, profile_id, eventful, ended_at, doc"


def course_row(course: Course) -> Row:
    """A course as the columns of COURSE."""
    return course.account_id, course.profile_id, course.eventful, course.ended_at, json.dumps(course.entries)


def read_course(row: Row) -> Course:
    """The columns of COURSE as a course."""
    account_id, profile_id, _, ended_at, text = row
    return Course(profile_id, account_id, _entries(text), ended_at)


@lru_cache(maxsize=1024)
def _entries(text: str) -> tuple[tuple[Instant, ObjectId | None], ...]:
    return tuple((Instant(at), pool_id) for at, pool_id in json.loads(text))


def read_account(row: Row) -> Account:
    """The columns of ACCOUNT as an account."""
    account_id, name, tier, created_at, previous_tier, tier_changed_at = row
    return Account(
        account_id, name, Tier(tier), created_at, Tier(previous_tier) if previous_tier else None, tier_changed_at
    )


def key_row(world: WorldId, key: ApiKey) -> Row:
    """A key as world, id, account_id, digest, doc, created_at, revoked_at."""
    doc = {
        "name": key.name,
        "hint": key.hint,
        "scopes": sorted(key.scopes),
        "networks": key.networks,
        "expires_at": key.expires_at,
        "exhausted": key.exhausted,
        "issued": key.issued,
    }
    return world, key.id, key.account_id, key.digest, json.dumps(doc), key.created_at, key.revoked_at


def read_key(row: Row) -> ApiKey:
    """id, account_id, digest, doc, created_at, revoked_at as a key."""
    key_id, account_id, digest, text, created_at, revoked_at = row
    doc = _key_doc(text)
    return ApiKey(
        id=key_id,
        account_id=account_id,
        name=doc["name"],
        digest=digest,
        hint=doc["hint"],
        scopes=doc["scopes"],
        networks=doc["networks"],
        created_at=created_at,
        expires_at=doc["expires_at"],
        revoked_at=revoked_at,
        exhausted=doc["exhausted"],
        issued=doc["issued"],
    )


# Every request reads a key and a world; their texts repeat, so their parsed forms are kept.
@lru_cache(maxsize=4096)
def _key_doc(text: str) -> dict[str, Any]:
    doc: dict[str, Any] = json.loads(text)
    doc["scopes"] = frozenset(Scope(scope) for scope in doc["scopes"])
    doc["networks"] = tuple(doc["networks"])
    return doc


def world_doc(record: WorldRecord) -> str:
    """A world's record as text."""
    clock = record.clock
    return json.dumps(
        {
            "id": record.id,
            "fixture": record.fixture,
            "seed": record.seed,
            "clock": [clock.anchor, clock.shown, clock.speed],
            "created_at": record.created_at,
            "expires_at": record.expires_at,
            "generation": record.generation,
            "revision": record.revision,
            "options": record.options,
        }
    )


@lru_cache(maxsize=1024)
def read_world(text: str) -> WorldRecord:
    """The text of a world's record as the record."""
    doc = json.loads(text)
    doc["clock"] = ClockState(*doc["clock"])
    return WorldRecord(**doc)


ENTRY: Final = "seq, method, path, status, account, decided, doc"


def entry_text(entry: JournalEntry) -> str:
    """An entry as the columns of ENTRY besides seq, as JSON that SQLite reads: its doc is not yet a text."""
    doc = {
        "at": entry.at,
        "duration_us": entry.duration_us,
        "query": entry.query,
        "key": entry.key,
        "clause": entry.clause,
        "fault": entry.fault,
        "body": entry.body,
        "error": entry.error,
    }
    columns = entry.method, entry.path, entry.status, entry.account, entry.decided, doc
    try:
        return _strict(columns)
    except ValueError:  # a number beyond all that JSON has, such as 1e999 in a body that was refused
        return _strict(json.loads(json.dumps(columns), parse_constant=str))


_strict = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def read_entry(row: Row) -> JournalEntry:
    """The columns of ENTRY as an entry."""
    seq, method, path, status, account, decided, doc = row
    return JournalEntry(
        seq=seq, method=method, path=path, status=status, account=account, decided=decided, **json.loads(doc)
    )


def object_ids(rows: list[Row]) -> list[ObjectId]:
    """The first column of each row."""
    return [row[0] for row in rows]
