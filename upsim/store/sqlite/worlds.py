"""Worlds and their copies in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace

from upsim.errors import (
    AlreadyExists,
    NotFound,
)
from upsim.model import (
    ApiKey,
    Measured,
    WorldId,
    WorldRecord,
)
from upsim.store.asking import Span
from upsim.store.content import Content, Work, courses_of
from upsim.store.sqlite import rows
from upsim.store.sqlite.calls import Calls
from upsim.store.sqlite.courses import put_courses
from upsim.store.sqlite.sums import add_sums
from upsim.store.sqlite.tables import (
    EVERYTHING,
    PROFILE,
    Where,
    copy_keys,
    delete_content,
    insert_content,
    insert_keys,
    parent,
    read_profile,
)
from upsim.store.sums import Ledgers


class Worlds(Calls):
    """The part of the store that keeps them. See base.Store."""

    def create_world(self, record: WorldRecord, content: Content) -> None:
        with self._engine.write(record.id) as db:
            try:
                db.execute(
                    "INSERT INTO worlds (id, parent, created_at, doc) VALUES (?, ?, ?, ?)",
                    (record.id, parent(record.id), record.created_at, rows.world_doc(record)),
                )
            except sqlite3.IntegrityError as error:
                raise AlreadyExists("World", record.id) from error
            # What calls under way wrote while an earlier world of this id was deleted is not this one's.
            delete_content(db, record.id, EVERYTHING)
            ledgers = Ledgers(self._summing)
            insert_content(db, record.id, replace(content, workers=ledgers.adding(content.workers)))
            put_courses(db, record.id, courses_of(content))
            add_sums(db, record.id, ledgers)
        self._forget_calls(record.id)

    def get_world(self, world: WorldId) -> WorldRecord | None:
        with self._engine.read() as db:
            row = db.execute("SELECT doc FROM worlds WHERE id = ?", (world,)).fetchone()
        return rows.read_world(row[0]) if row else None

    def list_worlds(self) -> list[WorldRecord]:
        with self._engine.read() as db:
            found = db.execute("SELECT doc FROM worlds WHERE parent IS NULL ORDER BY created_at, id").fetchall()
        return [rows.read_world(row[0]) for row in found]

    def change_world(self, world: WorldId, change: Callable[[WorldRecord], WorldRecord]) -> WorldRecord:
        with self._engine.write(world) as db:
            row = db.execute("SELECT doc FROM worlds WHERE id = ?", (world,)).fetchone()
            if row is None:
                raise NotFound("World", world)
            changed = change(rows.read_world(row[0]))
            db.execute(
                "UPDATE worlds SET created_at = ?, doc = ? WHERE id = ?",
                (changed.created_at, rows.world_doc(changed), world),
            )
        return changed

    def delete_world(self, world: WorldId) -> bool:
        with self._engine.write(world) as db:
            copies = rows.object_ids(db.execute("SELECT id FROM worlds WHERE parent = ?", (world,)).fetchall())
            for member in (world, *copies):
                delete_content(db, WorldId(member), EVERYTHING)
            known = db.execute("DELETE FROM worlds WHERE id = ? OR parent = ?", (world, world)).rowcount > 0
        self._forget_calls(world)
        return known

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
        with self._engine.write(target) as db:
            if db.execute("SELECT 1 FROM worlds WHERE id = ?", (source,)).fetchone() is None:
                raise NotFound("World", source)
            known = db.execute("SELECT 1 FROM worlds WHERE id = ?", (target,)).fetchone() is not None
            if known and only_new:
                raise AlreadyExists("World", target)
            if record is not None:
                db.execute(
                    "INSERT INTO worlds (id, parent, created_at, doc) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
                    (target, parent(target), record.created_at, rows.world_doc(record)),
                )
            elif not known:
                raise NotFound("World", target)
            delete_content(db, target, (*rows.COPIED, *rows.PASSING) if known else EVERYTHING)
            for table, columns in rows.COPIED.items():
                db.execute(
                    f"INSERT INTO {table} (world, {columns}) SELECT ?, {columns} FROM {table} WHERE world = ?",  # noqa: S608
                    (target, source),
                )
            if with_keys:
                copy_keys(db, source, target)
            elif known:
                db.execute("DELETE FROM keys WHERE world = ? AND NOT json_extract(doc, '$.issued')", (target,))
                db.execute("UPDATE keys SET revoked_at = NULL WHERE world = ?", (target,))
            insert_keys(db, target, new_keys)
        self._forget_calls(target)

    def read_content(self, world: WorldId) -> Content:
        everything = Span(0, 1 << 60)
        with self._engine.read(snapshot=True) as db:
            where = Where("world = ?", world)
            keys = db.execute(
                "SELECT id, account_id, digest, doc, created_at, revoked_at FROM keys WHERE world = ?"
                " ORDER BY created_at, id",
                (world,),
            ).fetchall()
            return Content(
                accounts=[rows.read_account(row) for row in where.page(db, "accounts a", rows.ACCOUNT, everything)[0]],
                keys=[rows.read_key(row) for row in keys],
                pools=[rows.read_pool(row) for row in where.page(db, "pools", rows.POOL, everything)[0]],
                courses=[
                    rows.read_course(row)
                    for row in where.select(db, "courses", rows.COURSE, "account_id, profile_id", 1 << 60)
                ],
                profiles=[read_profile(row) for row in where.page(db, "profiles p", PROFILE, everything)[0]],
                workers=[rows.read_worker(row) for row in where.page(db, "workers", rows.WORKER, everything)[0]],
                tracks=dict(db.execute("SELECT digest, doc FROM tracks WHERE world = ? ORDER BY digest", (world,))),
                measured={
                    row[0]: Measured(*row[1:])
                    for row in db.execute(
                        f"SELECT worker_id, {rows.MEASURED} FROM measured WHERE world = ? ORDER BY worker_id",  # noqa: S608
                        (world,),
                    )
                },
                work=[
                    Work(*row)
                    for row in db.execute(
                        "SELECT owner, level, block, work FROM measured_work WHERE world = ?"
                        " ORDER BY owner, level, block",
                        (world,),
                    )
                ],
                numbers=dict(
                    db.execute(
                        "SELECT name, value FROM numbers WHERE world = ? AND name <> 'journal' ORDER BY name", (world,)
                    )
                ),
            )
