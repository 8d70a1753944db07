"""What a log of calls holds, moved into the tables: counts into hits, lines into the journal."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from upsim.model import ObjectId, WorldId
from upsim.store.sqlite import pieces, rows
from upsim.store.sqlite.log import Log
from upsim.store.sqlite.pieces import Piece
from upsim.store.sqlite.tables import delete_content


def place(db: sqlite3.Connection) -> tuple[int, int]:
    """Which log is in use, and up to where it is settled."""
    number, settled = db.execute("SELECT number, settled FROM log").fetchone() or (0, 0)
    return number, settled


def put_place(db: sqlite3.Connection, number: int, settled: int) -> None:
    """Note which log is in use from now on, and up to where it is settled."""
    db.execute("INSERT OR REPLACE INTO log (id, number, settled) VALUES (1, ?, ?)", (number, settled))


def settle_some(db: sqlite3.Connection, log: Log, number: int, start: int, most: int) -> tuple[int, bool]:
    """Move the next pieces into the tables, in the caller's transaction; up to where, and whether there may be more."""
    while not (whole := pieces.whole(log.read(start, start + most))):
        if start + most > log.size():
            return start, False
        most *= 2  # one piece, and a long one
    end, more = start, True
    found = _Found()
    for line in whole.splitlines(keepends=True):
        head, _, rest = line[:-1].partition(b"\t")
        piece = pieces.read(head)
        if piece[0] == pieces.LAST:
            more = False
            break
        found.add(piece, rest)
        end += len(line)
    found.write(db)
    put_place(db, number, end)
    return end, more


class _Found:
    """What pieces in a row come to, for the tables."""

    def __init__(self) -> None:
        self._hits: dict[tuple[WorldId, ObjectId], tuple[int, int, bool]] = {}
        self._entries: dict[WorldId, list[bytes]] = {}
        self._keep: dict[WorldId, int] = {}
        self._forgotten: set[WorldId] = set()

    def add(self, piece: Piece, rest: bytes) -> None:
        if piece[0] == pieces.HIT:
            _, world, account_id, window, more = piece
            known, count, anew = self._hits.get((world, account_id), (window, 0, False))
            if known != window:
                count, anew = 0, True
            self._hits[world, account_id] = window, count + more, anew
        elif piece[0] == pieces.ENTRY:
            _, world, keep = piece
            self._entries.setdefault(world, []).append(rest)
            self._keep[world] = keep
        elif piece[0] == pieces.FORGET:
            self._forgotten.add(piece[1])
            self._entries.pop(piece[1], None)
            self._hits = {whose: hits for whose, hits in self._hits.items() if whose[0] != piece[1]}

    def write(self, db: sqlite3.Connection) -> None:
        for world in self._forgotten:
            delete_content(db, world, ("hits", "journal"))
        db.executemany(
            "INSERT INTO hits (world, account_id, window, count) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (world, account_id) DO UPDATE SET window = ?3,"
            " count = ?4 + CASE WHEN window = ?3 AND NOT ?5 THEN count ELSE 0 END",
            ((*whose, *hits) for whose, hits in self._hits.items()),
        )
        for world, entries in self._entries.items():
            last = last_entry(db, world)
            end = last + len(entries)
            if not _added(db, world, last, entries):
                end = last
                for each in entries:
                    end += _added(db, world, end, [each])
            db.execute("DELETE FROM journal WHERE world = ? AND seq <= ?", (world, end - self._keep[world]))


_COLUMNS: Final = ", ".join(f"json_extract(value, '$[{at}]')" for at in range(6))
_ADD: Final = f"INSERT INTO journal (world, {rows.ENTRY}) SELECT ?1, ?2 + key + 1, {_COLUMNS} FROM json_each(?3)"  # noqa: S608


def _added(db: sqlite3.Connection, world: WorldId, last: int, entries: Sequence[bytes]) -> bool:
    """Add entries behind the last one, if each of them is whole: one may be what a full disk left.

    In one statement: a thread that has to wait for the interpreter after each row takes several times as long.
    """
    try:
        db.execute(_ADD, (world, last, (b"[%b]" % b",".join(entries)).decode(errors="replace")))
    except sqlite3.OperationalError as error:
        if "malformed JSON" not in str(error):
            raise
        return False
    return True


def last_entry(db: sqlite3.Connection, world: WorldId) -> int:
    """The number of the newest entry in the table, or of the newest that was ever there."""
    (seq,) = db.execute(
        "SELECT max(coalesce((SELECT max(seq) FROM journal WHERE world = :world), 0),"
        " coalesce((SELECT value FROM numbers WHERE world = :world AND name = 'journal'), 0))",
        {"world": world},
    ).fetchone()
    return int(seq)
