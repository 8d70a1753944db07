"""Assigning workers in SQLite: their rows, their histories, and the sums of the profiles that they leave and join."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from upsim.clock import Instant
from upsim.model import ObjectId, Worker, WorldId
from upsim.store.courses import history_moved
from upsim.store.sqlite import rows
from upsim.store.sqlite.sums import add_sums
from upsim.store.sums import Ledgers, Summing


def move_workers(
    db: sqlite3.Connection,
    world: WorldId,
    summing: Summing,
    workers: Iterable[Worker],
    profile_id: ObjectId,
    at: Instant,
) -> None:
    """Move workers to a profile. The caller holds the transaction, and has checked that they may."""
    ledgers = Ledgers(summing)
    changed: list[tuple[ObjectId, Instant, str, WorldId, ObjectId]] = []
    for worker in workers:
        history = history_moved(worker, profile_id, at)
        ledgers.move(worker, history)
        changed.append((profile_id, at, rows.history_text(history), world, worker.id))
    db.executemany("UPDATE workers SET profile_id = ?, updated_at = ?, history = ? WHERE world = ? AND id = ?", changed)
    add_sums(db, world, ledgers)
