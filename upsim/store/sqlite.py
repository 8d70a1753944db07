"""The store on SQLite: a file, or memory. Write transactions run one after the other, so each method here is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from upsim.clock import Instant
from upsim.errors import (
    AlreadyExists,
    DefaultProfileKept,
    NotFound,
    PoolInUse,
    ProfileHasWorkers,
    QuotaExceeded,
)
from upsim.model import (
    Account,
    ApiKey,
    Caller,
    HealthStatus,
    JournalEntry,
    ObjectId,
    Page,
    Pool,
    Profile,
    Tier,
    Worker,
    WorldId,
    WorldRecord,
)
from upsim.store import sqlite_rows as rows
from upsim.store.base import (
    DIGEST_LENGTH,
    Content,
    EntryFilter,
    Moved,
    PoolChanges,
    PoolCounts,
    ProfileChanges,
    Span,
    WorkerFilter,
    changed_pool,
    check_assignable,
    check_holdable,
)
from upsim.store.sqlite_engine import Engine
from upsim.store.sqlite_sums import add_sums, find_sums
from upsim.store.sums import Ledgers, Summing, Sums, no_sums

_TRIM_EVERY = 128
"""How many entries a journal may run over before what is too old is deleted: one deletion for many."""

_BATCH = 500
"""How many ids go into one IN (…): SQLite's own bound on parameters was once 999."""


_EVERYTHING = (*rows.COPIED, "keys", *rows.PASSING)
"""The tables in which a world has rows, besides the worlds' own."""


class SQLiteStore:
    """See base.Store, whose promises these methods keep and whose words are not repeated here."""

    def __init__(self, url: str, path: Path | None, summing: Summing = no_sums) -> None:
        """Open the database and make its tables where they are missing; `summing` says what a worker adds to sums.

        Raises:
            ConfigError: the file cannot be opened or is no database.
        """
        self.url = url
        self._summing = summing
        self._engine = Engine(path)
        self._engine.create(rows.SCHEMA)

    def close(self) -> None:
        self._engine.close()

    # Worlds

    def create_world(self, record: WorldRecord, content: Content) -> None:
        with self._engine.write() as db:
            try:
                db.execute(
                    "INSERT INTO worlds (id, parent, created_at, doc) VALUES (?, ?, ?, ?)",
                    (record.id, _parent(record.id), record.created_at, rows.world_doc(record)),
                )
            except sqlite3.IntegrityError as error:
                raise AlreadyExists("World", record.id) from error
            # What calls under way wrote while an earlier world of this id was deleted is not this one's.
            _delete_content(db, record.id, _EVERYTHING)
            ledgers = Ledgers(self._summing)
            _insert_content(db, record.id, replace(content, workers=ledgers.adding(content.workers)))
            add_sums(db, record.id, ledgers)

    def get_world(self, world: WorldId) -> WorldRecord | None:
        with self._engine.read() as db:
            row = db.execute("SELECT doc FROM worlds WHERE id = ?", (world,)).fetchone()
        return rows.read_world(row[0]) if row else None

    def list_worlds(self) -> list[WorldRecord]:
        with self._engine.read() as db:
            found = db.execute("SELECT doc FROM worlds WHERE parent IS NULL ORDER BY created_at, id").fetchall()
        return [rows.read_world(row[0]) for row in found]

    def change_world(self, world: WorldId, change: Callable[[WorldRecord], WorldRecord]) -> WorldRecord:
        with self._engine.write() as db:
            row = db.execute("SELECT doc FROM worlds WHERE id = ?", (world,)).fetchone()
            if row is None:
                raise NotFound("World", world)
            changed = change(rows.read_world(row[0]))
            db.execute("UPDATE worlds SET doc = ? WHERE id = ?", (rows.world_doc(changed), world))
        return changed

    def delete_world(self, world: WorldId) -> bool:
        with self._engine.write() as db:
            copies = rows.object_ids(db.execute("SELECT id FROM worlds WHERE parent = ?", (world,)).fetchall())
            for member in (world, *copies):
                _delete_content(db, WorldId(member), _EVERYTHING)
            return db.execute("DELETE FROM worlds WHERE id = ? OR parent = ?", (world, world)).rowcount > 0

    def list_copies(self, world: WorldId) -> list[WorldRecord]:
        with self._engine.read() as db:
            found = db.execute("SELECT doc FROM worlds WHERE parent = ? ORDER BY created_at, id", (world,)).fetchall()
        return [rows.read_world(row[0]) for row in found]

    def copy_content(
        self,
        source: WorldId,
        target: WorldId,
        *,
        with_keys: bool,
        record: WorldRecord | None = None,
        new_keys: Sequence[ApiKey] = (),
        only_new: bool = False,
    ) -> None:
        with self._engine.write() as db:
            if db.execute("SELECT 1 FROM worlds WHERE id = ?", (source,)).fetchone() is None:
                raise NotFound("World", source)
            known = db.execute("SELECT 1 FROM worlds WHERE id = ?", (target,)).fetchone() is not None
            if known and only_new:
                raise AlreadyExists("World", target)
            if record is not None:
                db.execute(
                    "INSERT INTO worlds (id, parent, created_at, doc) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
                    (target, _parent(target), record.created_at, rows.world_doc(record)),
                )
            elif not known:
                raise NotFound("World", target)
            _delete_content(db, target, (*rows.COPIED, *rows.PASSING) if known else _EVERYTHING)
            for table, columns in rows.COPIED.items():
                db.execute(
                    f"INSERT INTO {table} (world, {columns}) SELECT ?, {columns} FROM {table} WHERE world = ?",  # noqa: S608
                    (target, source),
                )
            if with_keys:
                _copy_keys(db, source, target)
            elif known:
                db.execute("DELETE FROM keys WHERE world = ? AND NOT json_extract(doc, '$.issued')", (target,))
                db.execute("UPDATE keys SET revoked_at = NULL WHERE world = ?", (target,))
            _insert_keys(db, target, new_keys)

    def read_content(self, world: WorldId) -> Content:
        everything = Span(0, 1 << 60)
        with self._engine.read(snapshot=True) as db:
            where = _Where("world = ?", world)
            keys = db.execute(
                "SELECT id, account_id, digest, doc, created_at, revoked_at FROM keys WHERE world = ?"
                " ORDER BY created_at, id",
                (world,),
            ).fetchall()
            return Content(
                accounts=[rows.read_account(row) for row in where.page(db, "accounts a", rows.ACCOUNT, everything)[0]],
                keys=[rows.read_key(row) for row in keys],
                pools=[rows.read_pool(row) for row in where.page(db, "pools", rows.POOL, everything)[0]],
                profiles=[_read_profile(row) for row in where.page(db, "profiles p", _PROFILE, everything)[0]],
                workers=[rows.read_worker(row) for row in where.page(db, "workers", rows.WORKER, everything)[0]],
                numbers=dict(
                    db.execute(
                        "SELECT name, value FROM numbers WHERE world = ? AND name <> 'journal' ORDER BY name", (world,)
                    )
                ),
            )

    # Accounts and keys

    def find_caller(self, digest: str) -> Caller | None:
        with self._engine.read() as db:
            row = db.execute(
                f"SELECT w.doc, {rows.ACCOUNT},"  # noqa: S608
                " k.id, k.account_id, k.digest, k.doc, k.created_at, k.revoked_at"
                " FROM keys k JOIN accounts a ON a.world = k.world AND a.id = k.account_id"
                " JOIN worlds w ON w.id = k.world WHERE k.digest = ?",
                (digest,),
            ).fetchone()
        if row is None:
            return None
        return Caller(rows.read_world(row[0]), rows.read_account(row[1:7]), rows.read_key(row[7:]))

    def list_accounts(self, world: WorldId) -> list[Account]:
        with self._engine.read() as db:
            found = db.execute(
                f"SELECT {rows.ACCOUNT} FROM accounts a WHERE world = ? ORDER BY created_at, id",  # noqa: S608
                (world,),
            ).fetchall()
        return [rows.read_account(row) for row in found]

    def add_account(self, world: WorldId, account: Account) -> None:
        with self._engine.write() as db:
            _insert_accounts(db, world, (account,))

    def set_tier(self, world: WorldId, account_id: ObjectId, tier: Tier, at: Instant, window_start: Instant) -> bool:
        with self._engine.write() as db:
            changed = db.execute(
                "UPDATE accounts SET tier = ?, tier_changed_at = ?,"
                " previous_tier = CASE WHEN tier_changed_at >= ? THEN previous_tier ELSE tier END"
                " WHERE world = ? AND id = ?",
                (tier, at, window_start, world, account_id),
            ).rowcount
        return changed == 1

    def list_keys(self, world: WorldId, account_id: ObjectId | None = None) -> list[ApiKey]:
        with self._engine.read() as db:
            found = db.execute(
                "SELECT id, account_id, digest, doc, created_at, revoked_at FROM keys"
                " WHERE world = ? AND (? IS NULL OR account_id = ?) ORDER BY created_at, id",
                (world, account_id, account_id),
            ).fetchall()
        return [rows.read_key(row) for row in found]

    def add_key(self, world: WorldId, key: ApiKey, at_most: int | None = None) -> None:
        with self._engine.write() as db:
            if at_most is not None:
                (held,) = db.execute(
                    "SELECT COUNT(*) FROM keys WHERE world = ? AND account_id = ? AND revoked_at IS NULL",
                    (world, key.account_id),
                ).fetchone()
                if held >= at_most:
                    raise QuotaExceeded("API keys", at_most)
            _insert_keys(db, world, (key,))

    def revoke_key(self, world: WorldId, key_id: ObjectId, at: Instant) -> bool:
        with self._engine.write() as db:
            changed = db.execute(
                "UPDATE keys SET revoked_at = coalesce(revoked_at, ?) WHERE world = ? AND id = ?", (at, world, key_id)
            ).rowcount
        return changed == 1

    # Counting

    def count_hit(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        with self._engine.tally() as db:
            (count,) = db.execute(
                "INSERT INTO hits (world, account_id, window, count) VALUES (?, ?, ?, 1)"
                " ON CONFLICT (world, account_id) DO UPDATE SET"
                " count = CASE WHEN window = excluded.window THEN count + 1 ELSE 1 END, window = excluded.window"
                " RETURNING count",
                (world, account_id, window),
            ).fetchone()
        return int(count)

    def get_hits(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        with self._engine.read() as db:
            row = db.execute(
                "SELECT count FROM hits WHERE world = ? AND account_id = ? AND window = ?",
                (world, account_id, window),
            ).fetchone()
        return int(row[0]) if row else 0

    def next_number(self, world: WorldId, name: str) -> int:
        with self._engine.tally() as db:
            (value,) = db.execute(
                "INSERT INTO numbers (world, name, value) VALUES (?, ?, 0)"
                " ON CONFLICT (world, name) DO UPDATE SET value = value + 1 RETURNING value",
                (world, name),
            ).fetchone()
        return int(value)

    # Pools

    def list_pools(
        self,
        world: WorldId,
        account_id: ObjectId,
        span: Span,
        algorithm: str | None = None,
        status: HealthStatus | None = None,
    ) -> Page[Pool]:
        where = _Where("world = ? AND account_id = ?", world, account_id)
        where.add_if("algorithm = ?", algorithm)
        where.add_if("status = ?", status)
        with self._engine.read(snapshot=True) as db:
            found, total = where.page(db, "pools", rows.POOL, span)
        return Page([rows.read_pool(row) for row in found], total)

    def count_pools(self, world: WorldId, account_id: ObjectId) -> Mapping[str, PoolCounts]:
        with self._engine.read() as db:
            found = db.execute(
                "SELECT algorithm, COUNT(*), SUM(status = 'healthy'), SUM(status = 'unhealthy') FROM pools"
                " WHERE world = ? AND account_id = ? GROUP BY algorithm",
                (world, account_id),
            ).fetchall()
        return {algorithm: PoolCounts(*counts) for algorithm, *counts in found}

    def get_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> Pool | None:
        with self._engine.read() as db:
            return _find_pool(db, world, account_id, pool_id)

    def get_pools(self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]) -> Mapping[ObjectId, Pool]:
        pools: dict[ObjectId, Pool] = {}
        with self._engine.read(snapshot=True) as db:
            for batch in _batches(ids):
                found = db.execute(
                    f"SELECT {rows.POOL} FROM pools WHERE world = ? AND account_id = ? AND id IN ({_marks(batch)})",  # noqa: S608
                    (world, account_id, *batch),
                )
                pools.update((row[0], rows.read_pool(row)) for row in found)
        return pools

    def list_holders(self, world: WorldId, pool_id: ObjectId) -> list[str]:
        with self._engine.read() as db:
            return _holders(db, world, pool_id)

    def add_pool(self, world: WorldId, pool: Pool, at_most: int | None, first_profile: Profile) -> ObjectId | None:
        with self._engine.write() as db:
            _check_quota(db, world, pool.account_id, "pools", pool.algorithm, at_most)
            _insert_pools(db, world, (pool,))
            if _default_id(db, world, pool.account_id, pool.algorithm) is not None:
                return None
            _insert_profiles(db, world, (first_profile,))
            _point_default(db, world, pool.account_id, pool.algorithm, first_profile.id)
            return first_profile.id

    def update_pool(
        self, world: WorldId, account_id: ObjectId, pool_id: ObjectId, changes: PoolChanges, at_most: int | None
    ) -> Pool:
        with self._engine.write() as db:
            pool = _find_pool(db, world, account_id, pool_id)
            if pool is None:
                raise NotFound("Pool", pool_id)
            changed = changed_pool(pool, changes)
            if changed.algorithm != pool.algorithm:
                holders = _holders(db, world, pool_id)
                if holders:
                    raise PoolInUse(holders, "given another algorithm")
                _check_quota(db, world, account_id, "pools", changed.algorithm, at_most)
            _replace_pool(db, world, changed)
        return changed

    def record_test(
        self, world: WorldId, pool_id: ObjectId, at: Instant, latency_ms: int | None, error: str | None
    ) -> Pool | None:
        with self._engine.write() as db:
            db.execute(
                "UPDATE pools SET status = ?, last_checked_at = ?, last_error = ?, latency_ms = ?,"
                " consecutive_failures = CASE WHEN ? THEN consecutive_failures + 1 ELSE 0 END"
                " WHERE world = ? AND id = ?",
                (
                    HealthStatus.UNHEALTHY if error else HealthStatus.HEALTHY, at, error, latency_ms, bool(error),
                    world, pool_id,
                ),
            )  # fmt: skip
            return _find_pool(db, world, None, pool_id)

    def delete_pool(self, world: WorldId, account_id: ObjectId, pool_id: ObjectId) -> None:
        with self._engine.write() as db:
            if _find_pool(db, world, account_id, pool_id) is None:
                raise NotFound("Pool", pool_id)
            holders = _holders(db, world, pool_id)
            if holders:
                raise PoolInUse(holders, "deleted")
            db.execute("DELETE FROM pools WHERE world = ? AND id = ?", (world, pool_id))

    # Profiles

    def list_profiles(
        self, world: WorldId, account_id: ObjectId, span: Span, algorithm: str | None = None
    ) -> Page[Profile]:
        where = _Where("p.world = ? AND p.account_id = ?", world, account_id)
        where.add_if("p.algorithm = ?", algorithm)
        with self._engine.read(snapshot=True) as db:
            found, total = where.page(db, "profiles p", _PROFILE, span)
        return Page([_read_profile(row) for row in found], total)

    def get_profiles(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, Profile]:
        profiles: dict[ObjectId, Profile] = {}
        with self._engine.read(snapshot=True) as db:
            for batch in _batches(ids):
                found = db.execute(
                    f"SELECT {_PROFILE} FROM profiles p WHERE p.world = ? AND p.account_id = ?"  # noqa: S608
                    f" AND p.id IN ({_marks(batch)})",
                    (world, account_id, *batch),
                )
                profiles.update((row[0], _read_profile(row)) for row in found)
        return profiles

    def get_default_profile(self, world: WorldId, account_id: ObjectId, algorithm: str) -> Profile | None:
        with self._engine.read(snapshot=True) as db:
            profile_id = _default_id(db, world, account_id, algorithm)
            return _find_profile(db, world, account_id, profile_id) if profile_id else None

    def add_profile(self, world: WorldId, profile: Profile, at_most: int | None) -> Profile:
        with self._engine.write() as db:
            _check_pools(db, world, profile.account_id, profile.algorithm, profile.pool_ids)
            _check_quota(db, world, profile.account_id, "profiles", profile.algorithm, at_most)
            _insert_profiles(db, world, (profile,))
            if _default_id(db, world, profile.account_id, profile.algorithm) is None:
                _point_default(db, world, profile.account_id, profile.algorithm, profile.id)
            return _require_profile(db, world, profile.account_id, profile.id)

    def update_profile(
        self,
        world: WorldId,
        account_id: ObjectId,
        profile_id: ObjectId,
        changes: ProfileChanges,
        at_most: int | None,
    ) -> Profile:
        with self._engine.write() as db:
            profile = _require_profile(db, world, account_id, profile_id)
            algorithm = changes.algorithm or profile.algorithm
            if changes.algorithm is not None and algorithm != profile.algorithm:
                _check_algorithm_free(db, world, profile)
                _check_quota(db, world, account_id, "profiles", algorithm, at_most)
            pool_ids = profile.pool_ids if changes.pool_ids is None else changes.pool_ids
            _check_pools(db, world, account_id, algorithm, pool_ids)
            db.execute(
                "UPDATE profiles SET name = ?, algorithm = ?, updated_at = ? WHERE world = ? AND id = ?",
                (profile.name if changes.name is None else changes.name, algorithm, changes.at, world, profile_id),
            )
            if changes.pool_ids is not None:
                db.execute("DELETE FROM profile_pools WHERE world = ? AND profile_id = ?", (world, profile_id))
                _insert_profile_pools(db, world, profile_id, pool_ids)
            if _default_id(db, world, account_id, algorithm) is None:
                _point_default(db, world, account_id, algorithm, profile_id)
            return _require_profile(db, world, account_id, profile_id)

    def delete_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId, at: Instant) -> Moved:
        with self._engine.write() as db:
            profile = _require_profile(db, world, account_id, profile_id)
            if profile.is_default:
                raise DefaultProfileKept(profile.name, "deleted")
            target = _default_id(db, world, account_id, profile.algorithm)
            assert target is not None, "an algorithm with a profile has a default"  # noqa: S101
            moved = db.execute(
                "UPDATE workers SET profile_id = ?, updated_at = ? WHERE world = ? AND profile_id = ?",
                (target, at, world, profile_id),
            ).rowcount
            db.execute("DELETE FROM profile_pools WHERE world = ? AND profile_id = ?", (world, profile_id))
            db.execute("DELETE FROM profiles WHERE world = ? AND id = ?", (world, profile_id))
        return Moved(moved, target)

    def set_default_profile(self, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile:
        with self._engine.write() as db:
            profile = _require_profile(db, world, account_id, profile_id)
            if not profile.is_default:
                _point_default(db, world, account_id, profile.algorithm, profile_id)
            return _require_profile(db, world, account_id, profile_id)

    # Workers

    def list_workers(self, world: WorldId, account_id: ObjectId, which: WorkerFilter, span: Span) -> Page[Worker]:
        where = _Where("world = ? AND account_id = ?", world, account_id)
        where.add_if("algorithm = ?", which.algorithm)
        where.add_if("profile_id = ?", which.profile_id)
        if which.search is not None:
            where.add("instr(folded, ?) > 0", which.search.casefold())
        if which.down is not None:
            down = which.down
            offline = (
                f"(created_at > ? OR (retired_at IS NOT NULL AND retired_at <= ?) OR cell IN ({_marks(down.cells)}))"
            )
            values = (down.at, down.at, *sorted(down.cells))
            where.add(offline if down.offline else f"NOT {offline}", *values)
        with self._engine.read(snapshot=True) as db:
            found, total = where.page(db, "workers", rows.WORKER, span)
        return Page([rows.read_worker(row) for row in found], total)

    def list_algorithms(self, world: WorldId, account_id: ObjectId) -> list[str]:
        # A walk from one algorithm to the next in their index: SELECT DISTINCT would read every worker.
        with self._engine.read() as db:
            found = db.execute(
                "WITH RECURSIVE mined (algorithm) AS (SELECT min(algorithm) FROM workers WHERE world = ?1 AND"
                " account_id = ?2 UNION ALL SELECT (SELECT min(algorithm) FROM workers WHERE world = ?1 AND"
                " account_id = ?2 AND algorithm > mined.algorithm) FROM mined WHERE mined.algorithm IS NOT NULL)"
                " SELECT algorithm FROM mined WHERE algorithm IS NOT NULL",
                (world, account_id),
            ).fetchall()
        return [row[0] for row in found]

    def get_worker(self, world: WorldId, account_id: ObjectId, worker_id: ObjectId) -> Worker | None:
        with self._engine.read() as db:
            row = db.execute(
                f"SELECT {rows.WORKER} FROM workers WHERE world = ? AND id = ? AND account_id = ?",  # noqa: S608
                (world, worker_id, account_id),
            ).fetchone()
        return rows.read_worker(row) if row else None

    def add_workers(self, world: WorldId, workers: Iterable[Worker]) -> None:
        with self._engine.write() as db:
            known: set[tuple[ObjectId, ObjectId]] = set()

            def checked() -> Iterator[Worker]:
                for worker in workers:
                    home = (worker.account_id, worker.profile_id)
                    if home not in known:
                        _require_profile(db, world, *home)
                        known.add(home)
                    yield worker

            ledgers = Ledgers(self._summing)
            _insert_workers(db, world, ledgers.adding(checked()))
            add_sums(db, world, ledgers)

    def change_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        change: Callable[[Worker], Worker],
    ) -> int:
        with self._engine.write() as db:
            workers: list[Worker] = []
            for batch in _batches(worker_ids):
                found = db.execute(
                    f"SELECT {rows.WORKER} FROM workers WHERE world = ? AND account_id = ? AND id IN ({_marks(batch)})",  # noqa: S608
                    (world, account_id, *batch),
                ).fetchall()
                workers += map(rows.read_worker, found)
            known = {worker.id for worker in workers}
            missing = [worker_id for worker_id in worker_ids if worker_id not in known]
            if missing:
                raise NotFound("Worker", *missing)
            db.executemany("DELETE FROM workers WHERE world = ? AND id = ?", ((world, one) for one in known))
            ledgers = Ledgers(self._summing)
            _insert_workers(db, world, ledgers.adding(map(change, ledgers.adding(workers, -1))))
            add_sums(db, world, ledgers)
        return len(known)

    def read_sums(
        self, world: WorldId, account_id: ObjectId, algorithm: str, places: Collection[int], since: Instant
    ) -> Sums:
        with self._engine.read(snapshot=True) as db:
            return find_sums(db, (world, account_id, algorithm), places, since)

    # The journal

    def add_entry(self, world: WorldId, entry: JournalEntry, keep: int) -> None:
        with self._engine.tally() as db:
            (seq,) = db.execute(
                f"INSERT INTO journal (world, {rows.ENTRY}) VALUES (?, 1 + max("  # noqa: S608
                "coalesce((SELECT max(seq) FROM journal WHERE world = ?), 0),"
                " coalesce((SELECT value FROM numbers WHERE world = ? AND name = 'journal'), 0)),"
                " ?, ?, ?, ?, ?, ?) RETURNING seq",
                (world, world, world, *rows.entry_row(entry)),
            ).fetchone()
            if seq % _TRIM_EVERY == 0:
                db.execute("DELETE FROM journal WHERE world = ? AND seq <= ?", (world, seq - keep))

    def list_entries(
        self, world: WorldId, which: EntryFilter, limit: int, *, newest_first: bool = False
    ) -> list[JournalEntry]:
        where = _entries(world, which)
        with self._engine.read() as db:
            found = where.select(db, "journal", rows.ENTRY, f"seq {'DESC' if newest_first else 'ASC'}", limit)
        return [rows.read_entry(row) for row in found]

    def count_entries(self, world: WorldId, which: EntryFilter) -> int:
        with self._engine.read() as db:
            return _entries(world, which).count(db, "journal")

    def last_entry(self, world: WorldId) -> int:
        with self._engine.read() as db:
            (seq,) = db.execute(
                "SELECT max(coalesce((SELECT max(seq) FROM journal WHERE world = ?1), 0),"
                " coalesce((SELECT value FROM numbers WHERE world = ?1 AND name = 'journal'), 0))",
                (world,),
            ).fetchone()
        return int(seq)

    def clear_journal(self, world: WorldId) -> None:
        with self._engine.tally() as db:
            # Numbers go on behind those that are forgotten, so that a mark taken before stays one.
            db.execute(
                "INSERT INTO numbers (world, name, value) SELECT world, 'journal', max(seq) FROM journal"
                " WHERE world = ? GROUP BY world"
                " ON CONFLICT (world, name) DO UPDATE SET value = excluded.value",
                (world,),
            )
            db.execute("DELETE FROM journal WHERE world = ?", (world,))

    def assign_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        profile_id: ObjectId,
        at: Instant,
    ) -> None:
        with self._engine.write() as db:
            profile = _require_profile(db, world, account_id, profile_id)
            algorithms: dict[ObjectId, str] = {}
            for batch in _batches(worker_ids):
                algorithms.update(
                    db.execute(
                        "SELECT id, algorithm FROM workers"  # noqa: S608
                        f" WHERE world = ? AND account_id = ? AND id IN ({_marks(batch)})",
                        (world, account_id, *batch),
                    ).fetchall()
                )
            check_assignable(worker_ids, algorithms, profile)
            db.executemany(
                "UPDATE workers SET profile_id = ?, updated_at = ? WHERE world = ? AND id = ? AND profile_id <> ?",
                ((profile_id, at, world, worker_id, profile_id) for worker_id in worker_ids),
            )


# A profile's pools come with it, in order; its rank is whether the default points to it.
_PROFILE = (
    "p.id, p.account_id, p.name, p.algorithm, (SELECT group_concat(pool_id) FROM (SELECT pool_id FROM profile_pools"
    " WHERE world = p.world AND profile_id = p.id ORDER BY position)), EXISTS (SELECT 1 FROM defaults d WHERE"
    " d.world = p.world AND d.account_id = p.account_id AND d.algorithm = p.algorithm AND d.profile_id = p.id),"
    " p.created_at, p.updated_at"
)


def _read_profile(row: rows.Row) -> Profile:
    profile_id, account_id, name, algorithm, pool_ids, is_default, created_at, updated_at = row
    return Profile(
        profile_id, account_id, name, algorithm, tuple(pool_ids.split(",")), bool(is_default), created_at, updated_at
    )


class _Where:
    """The conditions of a list, with their values."""

    def __init__(self, condition: str, *values: Any) -> None:
        self._conditions = [condition]
        self._values = list(values)

    def add(self, condition: str, *values: Any) -> None:
        self._conditions.append(condition)
        self._values.extend(values)

    def add_if(self, condition: str, value: Any) -> None:
        if value is not None:
            self.add(condition, value)

    def page(self, db: sqlite3.Connection, table: str, columns: str, span: Span) -> tuple[list[rows.Row], int]:
        """The rows of the page, oldest first, and how many rows there are in all."""
        total = self.count(db, table)
        if span.offset >= total:
            return [], total
        return self.select(db, table, columns, "created_at, id", span.limit, span.offset), total

    def count(self, db: sqlite3.Connection, table: str) -> int:
        """How many rows there are."""
        where = " AND ".join(self._conditions)
        (total,) = db.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}", self._values).fetchone()  # noqa: S608
        return int(total)

    def select(
        self, db: sqlite3.Connection, table: str, columns: str, order: str, limit: int, offset: int = 0
    ) -> list[rows.Row]:
        """So many rows in this order."""
        where = " AND ".join(self._conditions)
        return db.execute(
            f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?",  # noqa: S608
            (*self._values, limit, offset),
        ).fetchall()


def _entries(world: WorldId, which: EntryFilter) -> _Where:
    where = _Where("world = ? AND seq > ?", world, which.since)
    where.add_if("method = ?", which.method)
    where.add_if("status = ?", which.status)
    where.add_if("account = ?", which.account)
    where.add_if("decided = ?", which.decided)
    if which.path is not None:
        # Only * is special to us: what else GLOB would read as a pattern is taken as it stands.
        where.add("path GLOB ?", which.path.replace("[", "[[]").replace("?", "[?]"))
    return where


def _parent(world: WorldId) -> str | None:
    """The world a hidden one belongs to: what stands before the mark in its id."""
    return world.partition("#")[0] if "#" in world else None


def _copy_keys(db: sqlite3.Connection, source: WorldId, target: WorldId) -> None:
    _delete_content(db, target, ("keys",))
    with _unique("API key", f"of world {source}"):
        db.execute(
            "INSERT INTO keys (world, id, account_id, digest, doc, created_at, revoked_at)"
            " SELECT ?, id, account_id, substr(digest, 1, ?) || ?, doc, created_at, revoked_at"
            " FROM keys WHERE world = ?",
            (target, DIGEST_LENGTH, _mark(target), source),
        )


def _mark(world: WorldId) -> str:
    """A digest opens one world only: what a hidden one's carry behind it, so that they open nothing."""
    return f"#{world}" if "#" in world else ""


@contextmanager
def _unique(kind: str, name: str) -> Iterator[None]:
    """Around an insert: what is there already is refused by that name."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise AlreadyExists(kind, name) from error


def _marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))


def _batches(ids: Iterable[ObjectId]) -> Iterator[list[ObjectId]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def _insert_content(db: sqlite3.Connection, world: WorldId, content: Content) -> None:
    _insert_accounts(db, world, content.accounts)
    _insert_keys(db, world, content.keys)
    _insert_pools(db, world, content.pools)
    _insert_profiles(db, world, content.profiles)
    for profile in content.profiles:
        if profile.is_default:
            _point_default(db, world, profile.account_id, profile.algorithm, profile.id)
    _insert_workers(db, world, content.workers)
    numbers = [(world, name, value) for name, value in content.numbers.items()]
    db.executemany("INSERT INTO numbers (world, name, value) VALUES (?, ?, ?)", numbers)


def _insert_accounts(db: sqlite3.Connection, world: WorldId, accounts: Iterable[Account]) -> None:
    for one in accounts:
        with _unique("Account", one.name):
            db.execute(
                "INSERT INTO accounts (world, id, name, tier, created_at, previous_tier, tier_changed_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (world, one.id, one.name, one.tier, one.created_at, one.previous_tier, one.tier_changed_at),
            )


def _insert_keys(db: sqlite3.Connection, world: WorldId, keys: Iterable[ApiKey]) -> None:
    for key in keys:
        kept = replace(key, digest=key.digest[:DIGEST_LENGTH] + _mark(world))
        with _unique("API key", key.hint):
            db.execute(
                "INSERT INTO keys (world, id, account_id, digest, doc, created_at, revoked_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows.key_row(world, kept),
            )


def _insert_pools(db: sqlite3.Connection, world: WorldId, pools: Iterable[Pool]) -> None:
    for pool in pools:
        with _unique("Pool", pool.id):
            db.execute(
                f"INSERT INTO pools (world, {rows.POOL}) VALUES (?{', ?' * 16})",  # noqa: S608
                (world, *rows.pool_row(pool)),
            )


def _insert_profiles(db: sqlite3.Connection, world: WorldId, profiles: Iterable[Profile]) -> None:
    for profile in profiles:
        with _unique("Profile", profile.id):
            db.execute(
                "INSERT INTO profiles (world, account_id, created_at, id, name, algorithm, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (world, *rows.profile_row(profile)),
            )
        _insert_profile_pools(db, world, profile.id, profile.pool_ids)


def _insert_profile_pools(
    db: sqlite3.Connection, world: WorldId, profile_id: ObjectId, pool_ids: Iterable[ObjectId]
) -> None:
    db.executemany(
        "INSERT INTO profile_pools (world, profile_id, position, pool_id) VALUES (?, ?, ?, ?)",
        ((world, profile_id, position, pool_id) for position, pool_id in enumerate(pool_ids)),
    )


def _insert_workers(db: sqlite3.Connection, world: WorldId, workers: Iterable[Worker]) -> None:
    with _unique("Worker", "of one of these ids"):
        db.executemany(
            f"INSERT INTO workers (world, folded, {rows.WORKER}) VALUES (?, ?{', ?' * 14})",  # noqa: S608
            ((world, worker.name.casefold(), *rows.worker_row(worker)) for worker in workers),
        )


def _delete_content(db: sqlite3.Connection, world: WorldId, tables: Iterable[str]) -> None:
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE world = ?", (world,))  # noqa: S608


def _find_pool(db: sqlite3.Connection, world: WorldId, account_id: ObjectId | None, pool_id: ObjectId) -> Pool | None:
    row = db.execute(
        f"SELECT {rows.POOL} FROM pools WHERE world = ? AND id = ? AND (? IS NULL OR account_id = ?)",  # noqa: S608
        (world, pool_id, account_id, account_id),
    ).fetchone()
    return rows.read_pool(row) if row else None


def _replace_pool(db: sqlite3.Connection, world: WorldId, pool: Pool) -> None:
    db.execute("DELETE FROM pools WHERE world = ? AND id = ?", (world, pool.id))
    _insert_pools(db, world, (pool,))


def _holders(db: sqlite3.Connection, world: WorldId, pool_id: ObjectId) -> list[str]:
    """The names of the profiles that hold the pool."""
    found = db.execute(
        "SELECT p.name FROM profile_pools h JOIN profiles p ON p.world = h.world AND p.id = h.profile_id"
        " WHERE h.world = ? AND h.pool_id = ? ORDER BY p.created_at, p.id",
        (world, pool_id),
    ).fetchall()
    return [row[0] for row in found]


def _check_quota(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, table: str, algorithm: str, at_most: int | None
) -> None:
    if at_most is None:
        return
    (held,) = db.execute(
        f"SELECT COUNT(*) FROM {table} WHERE world = ? AND account_id = ? AND algorithm = ?",  # noqa: S608
        (world, account_id, algorithm),
    ).fetchone()
    if held >= at_most:
        raise QuotaExceeded(table, at_most, algorithm)


def _default_id(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str) -> ObjectId | None:
    row = db.execute(
        "SELECT profile_id FROM defaults WHERE world = ? AND account_id = ? AND algorithm = ?",
        (world, account_id, algorithm),
    ).fetchone()
    return row[0] if row else None


def _point_default(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str, profile_id: ObjectId
) -> None:
    db.execute(
        "INSERT OR REPLACE INTO defaults (world, account_id, algorithm, profile_id) VALUES (?, ?, ?, ?)",
        (world, account_id, algorithm, profile_id),
    )


def _find_profile(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile | None:
    row = db.execute(
        f"SELECT {_PROFILE} FROM profiles p WHERE p.world = ? AND p.id = ? AND p.account_id = ?",  # noqa: S608
        (world, profile_id, account_id),
    ).fetchone()
    return _read_profile(row) if row else None


def _require_profile(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile:
    profile = _find_profile(db, world, account_id, profile_id)
    if profile is None:
        raise NotFound("Profile", profile_id)
    return profile


def _check_pools(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str, pool_ids: tuple[ObjectId, ...]
) -> None:
    algorithms: dict[ObjectId, str] = {}
    for batch in _batches(pool_ids):
        algorithms.update(
            db.execute(
                f"SELECT id, algorithm FROM pools WHERE world = ? AND account_id = ? AND id IN ({_marks(batch)})",  # noqa: S608
                (world, account_id, *batch),
            ).fetchall()
        )
    check_holdable(pool_ids, algorithms, algorithm)


def _check_algorithm_free(db: sqlite3.Connection, world: WorldId, profile: Profile) -> None:
    if profile.is_default:
        raise DefaultProfileKept(profile.name, "given another algorithm")
    (workers,) = db.execute(
        "SELECT COUNT(*) FROM workers WHERE world = ? AND profile_id = ?", (world, profile.id)
    ).fetchone()
    if workers:
        raise ProfileHasWorkers(profile.name, workers)
