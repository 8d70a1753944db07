"""What the parts of the SQLite store share: conditions, look-ups, inserts. The caller holds the transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from itertools import islice
from typing import Any, TypeVar

from upsim.errors import (
    AlreadyExists,
    DefaultProfileKept,
    NotFound,
    ProfileHasWorkers,
    QuotaExceeded,
)
from upsim.model import (
    Account,
    ApiKey,
    ObjectId,
    Pool,
    Profile,
    Worker,
    WorldId,
)
from upsim.store.asking import Span
from upsim.store.content import Content
from upsim.store.deciding import DIGEST_LENGTH, check_holdable
from upsim.store.sqlite import rows

_Id = TypeVar("_Id", bound=str)

_BATCH = 500
"""How many ids go into one IN (…): SQLite's own bound on parameters was once 999."""


EVERYTHING = (*rows.COPIED, "keys", *rows.PASSING)
"""The tables in which a world has rows, besides the worlds' own."""


# A profile's pools come with it, in order; its rank is whether the default points to it.
PROFILE = (
    "p.id, p.account_id, p.name, p.algorithm, (SELECT group_concat(pool_id) FROM (SELECT pool_id FROM profile_pools"
    " WHERE world = p.world AND profile_id = p.id ORDER BY position)), EXISTS (SELECT 1 FROM defaults d WHERE"
    " d.world = p.world AND d.account_id = p.account_id AND d.algorithm = p.algorithm AND d.profile_id = p.id),"
    " p.created_at, p.updated_at"
)


def read_profile(row: rows.Row) -> Profile:
    profile_id, account_id, name, algorithm, pool_ids, is_default, created_at, updated_at = row
    return Profile(
        profile_id, account_id, name, algorithm, tuple(pool_ids.split(",")), bool(is_default), created_at, updated_at
    )


class Where:
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

    def also(self, condition: str, *values: Any) -> Where:
        """These conditions and one more."""
        return Where(" AND ".join([*self._conditions, condition]), *self._values, *values)

    def keys(self, table: str, key: str) -> tuple[str, list[Any]]:
        """The statement that selects the keys of the rows, and its values."""
        return f"SELECT {key} FROM {table} WHERE {' AND '.join(self._conditions)}", self._values  # noqa: S608

    def page(
        self,
        db: sqlite3.Connection,
        table: str,
        columns: str,
        span: Span,
        count: Callable[[], int] | None = None,
    ) -> tuple[list[rows.Row], int]:
        """The rows of the page, oldest first, and how many rows there are in all.

        Args:
            count: says how many, if there is a faster way than to go over them.
        """
        found = self.select(db, table, columns, "created_at, id", span.limit, span.offset)
        if len(found) < span.limit and (found or not span.offset):
            return found, span.offset + len(found)  # which went over all there are
        return found, count() if count else self.count(db, table)

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


def parent(world: WorldId) -> str | None:
    """The world a hidden one belongs to: what stands before the mark in its id."""
    return world.partition("#")[0] if "#" in world else None


def copy_keys(db: sqlite3.Connection, source: WorldId, target: WorldId) -> None:
    delete_content(db, target, ("keys",))
    with unique("API key", f"of world {source}"):
        db.execute(
            "INSERT INTO keys (world, id, account_id, digest, doc, created_at, revoked_at)"
            " SELECT ?, id, account_id, substr(digest, 1, ?) || ?, doc, created_at, revoked_at"
            " FROM keys WHERE world = ?",
            (target, DIGEST_LENGTH, mark(target), source),
        )


def mark(world: WorldId) -> str:
    """A digest opens one world only: what a hidden one's carry behind it, so that they open nothing."""
    return f"#{world}" if "#" in world else ""


@contextmanager
def unique(kind: str, name: str) -> Iterator[None]:
    """Around an insert: what is there already is refused by that name."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise AlreadyExists(kind, name) from error


def marks(values: Collection[Any]) -> str:
    return ",".join("?" * len(values))


def batches(ids: Iterable[_Id]) -> Iterator[list[_Id]]:
    remaining = iter(ids)
    while batch := list(islice(remaining, _BATCH)):
        yield batch


def insert_content(db: sqlite3.Connection, world: WorldId, content: Content) -> None:
    insert_accounts(db, world, content.accounts)
    insert_keys(db, world, content.keys)
    insert_pools(db, world, content.pools)
    insert_profiles(db, world, content.profiles)
    for profile in content.profiles:
        if profile.is_default:
            point_default(db, world, profile.account_id, profile.algorithm, profile.id)
    insert_workers(db, world, content.workers)
    tracks = [(world, digest, text) for digest, text in content.tracks.items()]
    db.executemany("INSERT INTO tracks (world, digest, doc) VALUES (?, ?, ?)", tracks)
    insert_measured(db, world, content)
    numbers = [(world, name, value) for name, value in content.numbers.items()]
    db.executemany("INSERT INTO numbers (world, name, value) VALUES (?, ?, ?)", numbers)


def insert_accounts(db: sqlite3.Connection, world: WorldId, accounts: Iterable[Account]) -> None:
    for one in accounts:
        with unique("Account", one.name):
            db.execute(
                "INSERT INTO accounts (world, id, name, tier, created_at, previous_tier, tier_changed_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (world, one.id, one.name, one.tier, one.created_at, one.previous_tier, one.tier_changed_at),
            )


def insert_keys(db: sqlite3.Connection, world: WorldId, keys: Iterable[ApiKey]) -> None:
    for key in keys:
        kept = replace(key, digest=key.digest[:DIGEST_LENGTH] + mark(world))
        with unique("API key", key.hint):
            db.execute(
                "INSERT INTO keys (world, id, account_id, digest, doc, created_at, revoked_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                rows.key_row(world, kept),
            )


def insert_pools(db: sqlite3.Connection, world: WorldId, pools: Iterable[Pool]) -> None:
    for pool in pools:
        with unique("Pool", pool.id):
            db.execute(
                f"INSERT INTO pools (world, {rows.POOL}) VALUES (?{', ?' * 16})",  # noqa: S608
                (world, *rows.pool_row(pool)),
            )


def insert_profiles(db: sqlite3.Connection, world: WorldId, profiles: Iterable[Profile]) -> None:
    for profile in profiles:
        with unique("Profile", profile.id):
            db.execute(
                "INSERT INTO profiles (world, account_id, created_at, id, name, algorithm, updated_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (world, *rows.profile_row(profile)),
            )
        insert_profile_pools(db, world, profile.id, profile.pool_ids)


def insert_profile_pools(
    db: sqlite3.Connection, world: WorldId, profile_id: ObjectId, pool_ids: Iterable[ObjectId]
) -> None:
    db.executemany(
        "INSERT INTO profile_pools (world, profile_id, position, pool_id) VALUES (?, ?, ?, ?)",
        ((world, profile_id, position, pool_id) for position, pool_id in enumerate(pool_ids)),
    )


def insert_workers(db: sqlite3.Connection, world: WorldId, workers: Iterable[Worker]) -> None:
    with unique("Worker", "of one of these ids"):
        db.executemany(
            f"INSERT INTO workers (world, folded, {rows.WORKER}) VALUES (?, ?{', ?' * 15})",  # noqa: S608
            ((world, worker.name.casefold(), *rows.worker_row(worker)) for worker in workers),
        )


def insert_measured(db: sqlite3.Connection, world: WorldId, content: Content) -> None:
    db.executemany(
        f"INSERT INTO measured (world, worker_id, {rows.MEASURED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        ((world, worker_id, *astuple(one)) for worker_id, one in content.measured.items()),
    )
    db.executemany(
        "INSERT INTO measured_work (world, owner, level, block, work) VALUES (?, ?, ?, ?, ?)",
        ((world, *one) for one in content.work),
    )


def delete_content(db: sqlite3.Connection, world: WorldId, tables: Iterable[str]) -> None:
    for table in tables:
        db.execute(f"DELETE FROM {table} WHERE world = ?", (world,))  # noqa: S608


def find_pool(db: sqlite3.Connection, world: WorldId, account_id: ObjectId | None, pool_id: ObjectId) -> Pool | None:
    row = db.execute(
        f"SELECT {rows.POOL} FROM pools WHERE world = ? AND id = ? AND (? IS NULL OR account_id = ?)",  # noqa: S608
        (world, pool_id, account_id, account_id),
    ).fetchone()
    return rows.read_pool(row) if row else None


def replace_pool(db: sqlite3.Connection, world: WorldId, pool: Pool) -> None:
    db.execute("DELETE FROM pools WHERE world = ? AND id = ?", (world, pool.id))
    insert_pools(db, world, (pool,))


def find_holders(db: sqlite3.Connection, world: WorldId, pool_id: ObjectId) -> list[str]:
    """The names of the profiles that hold the pool."""
    found = db.execute(
        "SELECT p.name FROM profile_pools h JOIN profiles p ON p.world = h.world AND p.id = h.profile_id"
        " WHERE h.world = ? AND h.pool_id = ? ORDER BY p.created_at, p.id",
        (world, pool_id),
    ).fetchall()
    return [row[0] for row in found]


def check_quota(
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


def default_id(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str) -> ObjectId | None:
    row = db.execute(
        "SELECT profile_id FROM defaults WHERE world = ? AND account_id = ? AND algorithm = ?",
        (world, account_id, algorithm),
    ).fetchone()
    return row[0] if row else None


def point_default(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str, profile_id: ObjectId
) -> None:
    db.execute(
        "INSERT OR REPLACE INTO defaults (world, account_id, algorithm, profile_id) VALUES (?, ?, ?, ?)",
        (world, account_id, algorithm, profile_id),
    )


def find_profile(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile | None:
    row = db.execute(
        f"SELECT {PROFILE} FROM profiles p WHERE p.world = ? AND p.id = ? AND p.account_id = ?",  # noqa: S608
        (world, profile_id, account_id),
    ).fetchone()
    return read_profile(row) if row else None


def require_profile(db: sqlite3.Connection, world: WorldId, account_id: ObjectId, profile_id: ObjectId) -> Profile:
    profile = find_profile(db, world, account_id, profile_id)
    if profile is None:
        raise NotFound("Profile", profile_id)
    return profile


def check_pools(
    db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str, pool_ids: tuple[ObjectId, ...]
) -> None:
    algorithms: dict[ObjectId, str] = {}
    for batch in batches(pool_ids):
        algorithms.update(
            db.execute(
                f"SELECT id, algorithm FROM pools WHERE world = ? AND account_id = ? AND id IN ({marks(batch)})",  # noqa: S608
                (world, account_id, *batch),
            ).fetchall()
        )
    check_holdable(pool_ids, algorithms, algorithm)


def check_algorithm_free(db: sqlite3.Connection, world: WorldId, profile: Profile) -> None:
    if profile.is_default:
        raise DefaultProfileKept(profile.name, "given another algorithm")
    (workers,) = db.execute(
        "SELECT COUNT(*) FROM workers WHERE world = ? AND profile_id = ?", (world, profile.id)
    ).fetchone()
    if workers:
        raise ProfileHasWorkers(profile.name, workers)
