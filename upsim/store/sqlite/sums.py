"""The SQLite store's sums: one row for an account and algorithm, and one for each day on which they change.

Written in the transaction that changes the workers, so they are never anything but the workers' sums.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection

from upsim.clock import Instant
from upsim.store.sums import NO_SUMS, Ledgers, Sums, day_of, read_sums


def find_sums(db: sqlite3.Connection, key: tuple[str, str, str], places: Collection[int], since: Instant) -> Sums:
    """The sums of a world, account and algorithm. See Store.read_sums."""
    head = db.execute("SELECT doc FROM sums WHERE world = ? AND account_id = ? AND algorithm = ?", key).fetchone()
    if head is None:
        return NO_SUMS
    days = db.execute(
        "SELECT doc FROM sum_days WHERE world = ? AND account_id = ? AND algorithm = ? AND day >= ? ORDER BY day",
        (*key, day_of(since)),
    ).fetchall()
    return read_sums(head[0], (row[0] for row in days), places, since)


def add_sums(db: sqlite3.Connection, world: str, ledgers: Ledgers) -> None:
    """Add what was added up to the sums of a world."""
    for (account_id, algorithm), ledger in ledgers.by_key.items():
        key = (world, account_id, algorithm)
        head = db.execute("SELECT doc FROM sums WHERE world = ? AND account_id = ? AND algorithm = ?", key).fetchone()
        db.execute(
            "INSERT OR REPLACE INTO sums (world, account_id, algorithm, doc) VALUES (?, ?, ?, ?)",
            (*key, ledger.head(head and head[0])),
        )
        for day in ledger.days:
            row = db.execute(
                "SELECT doc FROM sum_days WHERE world = ? AND account_id = ? AND algorithm = ? AND day = ?", (*key, day)
            ).fetchone()
            db.execute(
                "INSERT OR REPLACE INTO sum_days (world, account_id, algorithm, day, doc) VALUES (?, ?, ?, ?, ?)",
                (*key, day, ledger.day(day, row and row[0])),
            )
