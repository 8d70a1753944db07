"""Workers and the sums of their fleets in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial

from upsim.clock import Instant
from upsim.errors import (
    NotFound,
)
from upsim.model import (
    ObjectId,
    Page,
    Worker,
    WorldId,
)
from upsim.store.asking import Span, WorkerFilter
from upsim.store.deciding import check_assignable
from upsim.store.sqlite import rows
from upsim.store.sqlite.ladders import Ladders
from upsim.store.sqlite.moves import move_workers
from upsim.store.sqlite.part import Part
from upsim.store.sqlite.presence import page_by_presence
from upsim.store.sqlite.sums import add_sums, find_sums
from upsim.store.sqlite.tables import (
    Where,
    batches,
    insert_workers,
    marks,
    require_profile,
)
from upsim.store.sums import WHOLE, Ledgers, Sums


class Workers(Part):
    """The part of the store that keeps them. See base.Store."""

    _ladders: Ladders

    def list_workers(self, world: WorldId, account_id: ObjectId, which: WorkerFilter, span: Span) -> Page[Worker]:
        if which == WorkerFilter(which.algorithm):
            with self._engine.read(snapshot=True) as db:
                found, total = self._ladders.page(db, world, account_id, which.algorithm, span)
            return Page([rows.read_worker(row) for row in found], total)
        where = Where("world = ? AND account_id = ?", world, account_id)
        where.add_if("algorithm = ?", which.algorithm)
        where.add_if("profile_id = ?", which.profile_id)
        if which.search is not None:
            where.add("instr(folded, ?) > 0", which.search.casefold())
        if which.recorded:
            where.add("track <> ''")
        with self._engine.read(snapshot=True) as db:
            if which.down is None:
                table = "workers INDEXED BY workers_recorded" if which.recorded else "workers"
                found, total = where.page(db, table, rows.WORKER, span)
            else:
                count = partial(where.count, db, "workers")
                if which == WorkerFilter(which.algorithm, down=which.down):  # a list that is counted already
                    count = partial(self._ladders.total, db, world, account_id, which.algorithm)
                found, total = page_by_presence(db, world, account_id, where, which.down, span, count)
        return Page([rows.read_worker(row) for row in found], total)

    def list_algorithms(self, world: WorldId, account_id: ObjectId) -> list[str]:
        # A walk from one algorithm to the next in their index: SELECT DISTINCT would read every worker.
        with self._engine.read() as db:
            found = db.execute(
                "WITH RECURSIVE mined (algorithm) AS (SELECT min(algorithm) FROM workers WHERE world = :world AND"
                " account_id = :account UNION ALL SELECT (SELECT min(algorithm) FROM workers WHERE world = :world AND"
                " account_id = :account AND algorithm > mined.algorithm) FROM mined WHERE mined.algorithm IS NOT NULL)"
                " SELECT algorithm FROM mined WHERE algorithm IS NOT NULL",
                {"world": world, "account": account_id},
            ).fetchall()
        return [row[0] for row in found]

    def get_worker(self, world: WorldId, account_id: ObjectId, worker_id: ObjectId) -> Worker | None:
        with self._engine.read() as db:
            row = db.execute(
                f"SELECT {rows.WORKER} FROM workers WHERE world = ? AND id = ? AND account_id = ?",  # noqa: S608
                (world, worker_id, account_id),
            ).fetchone()
        return rows.read_worker(row) if row else None

    def get_tracks(self, world: WorldId, digests: Collection[str]) -> Mapping[str, str]:
        with self._engine.read(snapshot=True) as db:
            return dict(
                row
                for batch in batches(digests)
                for row in db.execute(
                    f"SELECT digest, doc FROM tracks WHERE world = ? AND digest IN ({marks(batch)})",  # noqa: S608
                    (world, *batch),
                )
            )

    def get_places(
        self, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> Mapping[ObjectId, tuple[ObjectId, int]]:
        found: dict[ObjectId, tuple[ObjectId, int]] = {}
        with self._engine.read(snapshot=True) as db:
            for batch in batches(ids):
                known = db.execute(
                    f"SELECT id, profile_id, cell FROM workers WHERE world = ? AND account_id = ?"  # noqa: S608
                    f" AND id IN ({marks(batch)})",
                    (world, account_id, *batch),
                )
                found.update((worker_id, (profile_id, cell)) for worker_id, profile_id, cell in known)
        return found

    def add_workers(self, world: WorldId, workers: Iterable[Worker]) -> None:
        with self._engine.write(world) as db:
            known: set[tuple[ObjectId, ObjectId]] = set()

            def checked() -> Iterator[Worker]:
                for worker in workers:
                    home = (worker.account_id, worker.profile_id)
                    if home not in known:
                        require_profile(db, world, *home)
                        known.add(home)
                    yield worker

            ledgers = Ledgers(self._summing)
            insert_workers(db, world, ledgers.adding(checked()))
            db.execute(rows.RENEW_LIFE, (world,))
            add_sums(db, world, ledgers)

    def change_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        change: Callable[[Worker], Worker],
    ) -> int:
        with self._engine.write(world) as db:
            workers = self._find_workers(db, world, account_id, worker_ids)
            known = {worker.id for worker in workers}
            missing = [worker_id for worker_id in worker_ids if worker_id not in known]
            if missing:
                raise NotFound("Worker", *missing)
            db.executemany("DELETE FROM workers WHERE world = ? AND id = ?", ((world, one) for one in known))
            ledgers = Ledgers(self._summing)
            changed = list(map(change, ledgers.adding(workers, -1)))
            insert_workers(db, world, ledgers.adding(changed))
            if any(_place(old) != _place(new) for old, new in zip(workers, changed, strict=True)):
                db.execute(rows.RENEW_LIFE, (world,))
            add_sums(db, world, ledgers)
        return len(known)

    def read_sums(
        self, world: WorldId, account_id: ObjectId, algorithm: str, since: Instant, parts: Collection[str] = ()
    ) -> Mapping[str, Sums]:
        with self._engine.read(snapshot=True) as db:
            return {part: find_sums(db, (world, account_id, algorithm, part), since) for part in (WHOLE, *parts)}

    def assign_workers(
        self,
        world: WorldId,
        account_id: ObjectId,
        worker_ids: Collection[ObjectId],
        profile_id: ObjectId,
        at: Instant,
    ) -> None:
        with self._engine.write(world) as db:
            profile = require_profile(db, world, account_id, profile_id)
            workers = self._find_workers(db, world, account_id, worker_ids)
            check_assignable(worker_ids, {worker.id: worker.algorithm for worker in workers}, profile)
            moving = [worker for worker in workers if worker.profile_id != profile_id]
            move_workers(db, world, self._summing, moving, profile_id, at)

    def _find_workers(
        self, db: sqlite3.Connection, world: WorldId, account_id: ObjectId, ids: Collection[ObjectId]
    ) -> list[Worker]:
        """Those of the ids that are the account's workers."""
        return [
            rows.read_worker(row)
            for batch in batches(ids)
            for row in db.execute(
                f"SELECT {rows.WORKER} FROM workers WHERE world = ? AND account_id = ? AND id IN ({marks(batch)})",  # noqa: S608
                (world, account_id, *batch),
            )
        ]


def _place(worker: Worker) -> tuple[Instant, str]:
    """What decides in which lists a worker stands, and where."""
    return worker.created_at, worker.algorithm
