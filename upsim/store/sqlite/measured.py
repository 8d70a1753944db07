"""Measured workers in SQLite: what is kept of each, and their work by blocks, added up by account as it comes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

from upsim.clock import Instant
from upsim.model import MEASURED, Measured, Mined, ObjectId, Worker, WorldId
from upsim.store.deciding import came_at
from upsim.store.sqlite import rows
from upsim.store.sqlite.part import Part
from upsim.store.sqlite.tables import Where, batches, marks


class MeasuredWorkers(Part):
    """The part of the store that keeps them. See base.Store."""

    def add_mined(self, world: WorldId, mined: Iterable[Mined], kept: Sequence[tuple[int, int]] | None = None) -> None:
        mined = list(mined)
        with self._engine.write(world) as db:
            came = _came(db, world, [one.worker_id for one in mined])
            there = [one for one in mined if one.worker_id in came]
            db.executemany(
                "INSERT INTO measured (world, worker_id, accepted, stale, rejected, since, work, last_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (world, worker_id) DO UPDATE SET"
                " accepted = accepted + excluded.accepted, stale = stale + excluded.stale,"
                " rejected = rejected + excluded.rejected,"
                " work = CASE WHEN since IS excluded.since THEN work + excluded.work ELSE excluded.work END,"
                " since = excluded.since, last_at = coalesce(excluded.last_at, last_at)",
                [
                    (
                        world, one.worker_id, one.accepted, one.stale, one.rejected, came[one.worker_id], one.work,
                        one.last_at,
                    )
                    for one in there
                ],
            )  # fmt: skip
            sums: dict[tuple[str, int, int], int] = {}
            for one in there:
                for level, block, work in one.blocks:
                    for owner in (one.worker_id, owner_name(one.account_id, one.algorithm)):
                        sums[owner, level, block] = sums.get((owner, level, block), 0) + work
            db.executemany(
                "INSERT INTO measured_work (world, owner, level, block, work) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (world, owner, level, block) DO UPDATE SET work = work + excluded.work",
                [(world, *key, work) for key, work in sums.items()],
            )
            owners = {owner for owner, _, _ in sums}
            db.executemany(
                "DELETE FROM measured_work WHERE world = ? AND owner = ? AND level = ? AND (block < ? OR block > ?)",
                [(world, owner, level, *span) for owner in owners for level, span in enumerate(kept or ())],
            )

    def forget_work(self, world: WorldId, kept: Sequence[tuple[int, int]]) -> None:
        with self._engine.write(world) as db:
            db.executemany(
                "DELETE FROM measured_work WHERE world = ? AND level = ? AND (block < ? OR block > ?)",
                [(world, level, *span) for level, span in enumerate(kept)],
            )

    def get_measured(
        self, world: WorldId, ids: Collection[ObjectId], first: int
    ) -> Mapping[ObjectId, tuple[Measured, int]]:
        found: dict[ObjectId, tuple[Measured, int]] = {}
        with self._engine.read(snapshot=True) as db:
            for batch in batches(ids):
                known = db.execute(
                    f"SELECT worker_id, {rows.MEASURED}, (SELECT total(work) FROM measured_work w WHERE"  # noqa: S608
                    " w.world = m.world AND w.owner = m.worker_id AND w.level = 0 AND w.block >= ?) FROM measured m"
                    f" WHERE world = ? AND worker_id IN ({marks(batch)})",
                    (first, world, *batch),
                )
                found.update((row[0], (Measured(*row[1:-1]), int(row[-1]))) for row in known)
        return found

    def read_work(
        self, world: WorldId, owner: ObjectId | tuple[ObjectId, str], level: int, first: int
    ) -> Mapping[int, int]:
        name = owner if isinstance(owner, str) else owner_name(*owner)
        with self._engine.read() as db:
            return dict(
                db.execute(
                    "SELECT block, work FROM measured_work WHERE world = ? AND owner = ? AND level = ? AND block >= ?",
                    (world, name, level, first),
                ).fetchall()
            )

    def list_measured(
        self,
        world: WorldId,
        account_id: ObjectId | None = None,
        *,
        algorithm: str | None = None,
        since: Instant | None = None,
        present: bool = False,
    ) -> list[Worker]:
        # The model stands in the text, not among the values: so the index of measured workers alone is used.
        where = Where(f"model = '{MEASURED}' AND world = ?", world)
        where.add_if("account_id = ?", account_id)
        where.add_if("algorithm = ?", algorithm)
        where.add_if("updated_at > ?", since)
        if present:
            where.add("cell <> home")
        with self._engine.read() as db:
            return [rows.read_worker(row) for row in where.select(db, "workers", rows.WORKER, "id", -1)]


def owner_name(account_id: ObjectId, algorithm: str) -> str:
    """The name under which the work of an account's workers of an algorithm is kept."""
    return f"{account_id}/{algorithm}"


def _came(db: sqlite3.Connection, world: WorldId, ids: Sequence[ObjectId]) -> dict[ObjectId, Instant | None]:
    """Those of the workers that there are, and when each one's miner came or left last."""
    found = chain.from_iterable(
        db.execute(
            f"SELECT id, history FROM workers WHERE world = ? AND id IN ({marks(batch)})",  # noqa: S608
            (world, *batch),
        ).fetchall()
        for batch in batches(ids)
    )
    return {worker_id: came_at(json.loads(history)) for worker_id, history in found}
