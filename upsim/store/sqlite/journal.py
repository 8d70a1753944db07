"""The journals of the worlds in SQLite, as they are read."""

from __future__ import annotations

from upsim.model import (
    JournalEntry,
    WorldId,
)
from upsim.store.asking import EntryFilter
from upsim.store.sqlite import rows
from upsim.store.sqlite.calls import Calls
from upsim.store.sqlite.settling import last_entry
from upsim.store.sqlite.tables import Where


class Journal(Calls):
    """The part of the store that shows them. See base.Store."""

    def list_entries(
        self, world: WorldId, which: EntryFilter, limit: int, *, newest_first: bool = False
    ) -> list[JournalEntry]:
        self._catch_up()
        where = _entries(world, which)
        with self._engine.read() as db:
            found = where.select(db, "journal", rows.ENTRY, f"seq {'DESC' if newest_first else 'ASC'}", limit)
        return [rows.read_entry(row) for row in found]

    def count_entries(self, world: WorldId, which: EntryFilter) -> int:
        self._catch_up()
        with self._engine.read() as db:
            return _entries(world, which).count(db, "journal")

    def last_entry(self, world: WorldId) -> int:
        self._catch_up()
        with self._engine.read() as db:
            return last_entry(db, world)

    def clear_journal(self, world: WorldId) -> None:
        self._settle()
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
