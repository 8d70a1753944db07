"""The SQLite store's sums: one row for each that is kept, and one for each day on which it changes.

Written in the transaction that changes the workers, so they are never anything but the workers' sums.
"""

from __future__ import annotations

import sqlite3

from upsim.clock import Instant
from upsim.store.sums import NO_SUMS, Ledgers, Sums, day_of, read_sums

_THESE = "world = ? AND account_id = ? AND algorithm = ? AND part = ?"


def find_sums(db: sqlite3.Connection, key: tuple[str, str, str, str], since: Instant) -> Sums:
    """The sums of a world, account, algorithm and part. See Store.read_sums."""
    head = db.execute(f"SELECT doc FROM sums WHERE {_THESE}", key).fetchone()  # noqa: S608
    if head is None:
        return NO_SUMS
    days = db.execute(
        f"SELECT doc FROM sum_days WHERE {_THESE} AND day >= ? ORDER BY day",  # noqa: S608
        (*key, day_of(since)),
    ).fetchall()
    return read_sums(head[0], (row[0] for row in days), since)


def add_sums(db: sqlite3.Connection, world: str, ledgers: Ledgers) -> None:
    """Add what was added up to the sums of a world."""
    for names, ledger in ledgers.by_key().items():
        key = (world, *names)
        head = db.execute(f"SELECT doc FROM sums WHERE {_THESE}", key).fetchone()  # noqa: S608
        db.execute(
            "INSERT OR REPLACE INTO sums (world, account_id, algorithm, part, doc) VALUES (?, ?, ?, ?, ?)",
            (*key, ledger.head(head and head[0])),
        )
        for day in ledger.days:
            row = db.execute(f"SELECT doc FROM sum_days WHERE {_THESE} AND day = ?", (*key, day)).fetchone()  # noqa: S608
            db.execute(
                "INSERT OR REPLACE INTO sum_days (world, account_id, algorithm, part, day, doc)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (*key, day, ledger.day(day, row and row[0])),
            )
