"""Lists of the workers that are offline at an instant, or of those that are not, in SQLite.

Few are offline, and what makes them so is indexed: so they are looked up, and those online are counted as all the
others. The caller holds the snapshot.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable

from upsim.store.asking import Down, Span
from upsim.store.sqlite import rows
from upsim.store.sqlite.tables import Where, marks


def page_by_presence(
    db: sqlite3.Connection, world: str, account_id: str, where: Where, down: Down, span: Span, count: Callable[[], int]
) -> tuple[list[rows.Row], int]:
    """The page of the workers offline, or of those online, and how many there are.

    Args:
        where: the other conditions, world and account among them.
        count: says how many workers these leave.
    """
    offline = _Offline(world, account_id, where, down)
    if down.offline:
        total = offline.count(db)
        return (offline.select(db, span) if span.offset < total else []), total
    online = where.also(
        f"NOT (created_at > ? OR (retired_at IS NOT NULL AND retired_at <= ?) OR cell IN ({marks(down.cells)})"
        f" OR ({_SILENT}))",
        *(down.at, down.at, *sorted(down.cells), _silent(down)),
    )
    return online.page(db, "workers", rows.WORKER, span, lambda: count() - offline.count(db))


_SILENT = "track <> '' AND id IN (SELECT value FROM json_each(?))"


def _silent(down: Down) -> str:
    return json.dumps(sorted(down.others))


class _Offline:
    """The keys of the workers that are offline: for each reason to be, those that have it, by an index."""

    def __init__(self, world: str, account_id: str, where: Where, down: Down) -> None:
        mine = "profile_id IN (SELECT id FROM profiles WHERE world = ? AND account_id = ?)"
        cells = sorted(down.cells)
        reasons = {
            "workers INDEXED BY workers_by_place": where.also(
                f"{mine} AND cell IN ({marks(cells)})", world, account_id, *cells
            ),
            "workers INDEXED BY workers_retired": where.also("retired_at IS NOT NULL AND retired_at <= ?", down.at),
            "workers": where.also("created_at > ?", down.at),
            "workers w": where.also(_SILENT, _silent(down)),
        }
        if not down.others:
            del reasons["workers w"]
        found = [reason.keys(table, "world, created_at, id") for table, reason in reasons.items()]
        self._keys = " UNION ".join(text for text, _ in found)
        self._values = [value for _, values in found for value in values]

    def count(self, db: sqlite3.Connection) -> int:
        (total,) = db.execute(f"SELECT COUNT(*) FROM ({self._keys})", self._values).fetchone()  # noqa: S608
        return int(total)

    def select(self, db: sqlite3.Connection, span: Span) -> list[rows.Row]:
        columns = ", ".join(f"w.{name.strip()}" for name in rows.WORKER.split(","))
        return db.execute(
            f"SELECT {columns} FROM ({self._keys} ORDER BY created_at, id LIMIT ? OFFSET ?) k"  # noqa: S608
            " CROSS JOIN workers w ON w.world = k.world AND w.id = k.id ORDER BY w.created_at, w.id",
            (*self._values, span.limit, span.offset),
        ).fetchall()
