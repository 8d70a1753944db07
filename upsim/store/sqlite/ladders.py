"""Where the pages of a long list of workers begin: the key of every so many-th one, found once and remembered.

SQLite has no way to the n-th row but over all those before it, and none to their number but over all. Which workers a
list shows changes only when some are added, or the world's content is replaced: for as long as that `life` lasts, the
steps that were found stand, in every process for itself.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import Final

from upsim.model import ObjectId, WorldId
from upsim.store.asking import Span
from upsim.store.sqlite import rows

STEP: Final = 200
"""How many rows SQLite may have to go over to where a page begins."""

KEPT: Final = 64
"""How many lists' ladders a process remembers; those of 100,000 workers take 50 KB each."""

Key = tuple[int, str]
"""When a worker was created, and its id: what lists are sorted by."""


class Ladder:
    """One list's.

    Attributes:
        total: how many workers it shows.
    """

    def __init__(self, total: int, first: Key) -> None:
        self.total = total
        self._steps = [first]
        self._lock = Lock()

    def climb(self, db: sqlite3.Connection, where: str, values: Sequence[object], offset: int) -> tuple[Key, int]:
        """The last step at or before an offset that the list has, and how many rows lie between."""
        wanted = offset // STEP
        with self._lock:
            while len(self._steps) <= wanted:
                self._steps.append(
                    db.execute(
                        f"SELECT created_at, id FROM workers WHERE {where} AND (created_at, id) >= (?, ?)"  # noqa: S608
                        " ORDER BY created_at, id LIMIT 1 OFFSET ?",
                        (*values, *self._steps[-1], STEP),
                    ).fetchone()
                )
            return self._steps[wanted], offset - wanted * STEP


class Ladders:
    """Those of a store, as far as they are remembered."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[int, ObjectId, str | None], Ladder] = OrderedDict()
        self._lock = Lock()

    def total(self, db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str | None) -> int:
        """How many workers an account has, of one algorithm or of all. In a snapshot."""
        ladder = self._ladder(db, world, account_id, algorithm, *_these(world, account_id, algorithm))
        return ladder.total if ladder else 0

    def page(
        self, db: sqlite3.Connection, world: WorldId, account_id: ObjectId, algorithm: str | None, span: Span
    ) -> tuple[list[rows.Row], int]:
        """The page of an account's workers, of one algorithm or of all, and how many there are. In one snapshot."""
        where, values = _these(world, account_id, algorithm)
        ladder = self._ladder(db, world, account_id, algorithm, where, values)
        if ladder is None or span.offset >= ladder.total:
            return [], ladder.total if ladder else 0
        start, between = ladder.climb(db, where, values, span.offset)
        found = db.execute(
            f"SELECT {rows.WORKER} FROM workers WHERE {where} AND (created_at, id) >= (?, ?)"  # noqa: S608
            " ORDER BY created_at, id LIMIT ? OFFSET ?",
            (*values, *start, span.limit, between),
        ).fetchall()
        return found, ladder.total

    def _ladder(
        self,
        db: sqlite3.Connection,
        world: WorldId,
        account_id: ObjectId,
        algorithm: str | None,
        where: str,
        values: Sequence[object],
    ) -> Ladder | None:
        """The list's ladder, made where none is remembered of this life; None where the list is empty."""
        (life,) = db.execute("SELECT max(life) FROM versions WHERE world = ?", (world,)).fetchone()
        key = life, account_id, algorithm
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known
        (total,) = db.execute(f"SELECT COUNT(*) FROM workers WHERE {where}", values).fetchone()  # noqa: S608
        first = db.execute(
            f"SELECT created_at, id FROM workers WHERE {where} ORDER BY created_at, id LIMIT 1",  # noqa: S608
            values,
        ).fetchone()
        if first is None:
            return None
        ladder = Ladder(total, first)
        if life is not None:  # a file of before there were versions, and of which nothing was changed since
            with self._lock:
                self._known[key] = ladder
                while len(self._known) > KEPT:
                    self._known.popitem(last=False)
        return ladder


def _these(world: WorldId, account_id: ObjectId, algorithm: str | None) -> tuple[str, list[object]]:
    """The condition of a list, and its values."""
    if algorithm is None:
        return "world = ? AND account_id = ?", [world, account_id]
    return "world = ? AND account_id = ? AND algorithm = ?", [world, account_id, algorithm]
