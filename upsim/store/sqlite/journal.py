"""The journals of the worlds in SQLite."""

from __future__ import annotations

from typing import Final

from upsim.model import (
    JournalEntry,
    WorldId,
)
from upsim.store.asking import EntryFilter
from upsim.store.sqlite import rows
from upsim.store.sqlite.part import Part
from upsim.store.sqlite.tables import Where

_TRIM_EVERY = 128
"""How many entries a journal may run over before what is too old is deleted: one deletion for many."""

_ADD: Final = (
    f"INSERT INTO journal (world, {rows.ENTRY}) VALUES (?, 1 + max("  # noqa: S608
    "coalesce((SELECT max(seq) FROM journal WHERE world = ?), 0),"
    " coalesce((SELECT value FROM numbers WHERE world = ? AND name = 'journal'), 0)),"
    " ?, ?, ?, ?, ?, ?) RETURNING seq"
)


class Journal(Part):
    """The part of the store that keeps them. See base.Store."""

    def add_entry(self, world: WorldId, entry: JournalEntry, keep: int) -> None:
        row = self._engine.count(_ADD, (world, world, world, *rows.entry_row(entry)))
        assert row is not None  # noqa: S101 - it returns one
        if row[0] % _TRIM_EVERY == 0:
            self._engine.count("DELETE FROM journal WHERE world = ? AND seq <= ?", (world, row[0] - keep))

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
                "SELECT max(coalesce((SELECT max(seq) FROM journal WHERE world = :world), 0),"
                " coalesce((SELECT value FROM numbers WHERE world = :world AND name = 'journal'), 0))",
                {"world": world},
            ).fetchone()
        return int(seq)

    def clear_journal(self, world: WorldId) -> None:
        with self._engine.write(world) as db:
            # Numbers go on behind those that are forgotten, so that a mark taken before stays one.
            db.execute(
                "INSERT INTO numbers (world, name, value) SELECT world, 'journal', max(seq) FROM journal"
                " WHERE world = ? GROUP BY world"
                " ON CONFLICT (world, name) DO UPDATE SET value = excluded.value",
                (world,),
            )
            db.execute("DELETE FROM journal WHERE world = ?", (world,))


def _entries(world: WorldId, which: EntryFilter) -> Where:
    where = Where("world = ? AND seq > ?", world, which.since)
    where.add_if("method = ?", which.method)
    where.add_if("status = ?", which.status)
    where.add_if("account = ?", which.account)
    where.add_if("decided = ?", which.decided)
    if which.path is not None:
        # Only * is special to us: what else GLOB would read as a pattern is taken as it stands.
        where.add("path GLOB ?", which.path.replace("[", "[[]").replace("?", "[?]"))
    return where
