"""What each call leaves in SQLite: one more in its window, and a line of the journal.

Both are appended to a log beside the database, since a transaction for each would cost more than most calls, and files
have one writer at a time. Its order is the one that counts, for all processes: each keeps the counts of all windows, by
reading on to its own piece whenever it appended one. Now and then, and before a journal is read, what the log holds is
settled: moved into the tables, in one transaction with how far that was. So nothing is lost or told twice, whoever is
killed when; as what is committed LIGHT, it outlives the process, and a power cut only by chance.

A log comes to its end by a last piece that says so, for all who append: what stands behind it is void, and they go on
in the next one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Final

from upsim.errors import StoreUnavailable
from upsim.model import JournalEntry, ObjectId, WorldId
from upsim.store.sqlite import rows
from upsim.store.sqlite.log import Log, Logs
from upsim.store.sqlite.part import Part
from upsim.store.sqlite.pieces import ENTRY, FORGET, HIT, LAST, Counts, Piece, read, whole, written
from upsim.store.sqlite.settling import place, put_place, settle_some

_UNSETTLED_BYTES: Final = 32 << 10
"""How much is appended, some 100 calls, before whoever appends settles it, which takes 1 ms."""

_LONGEST_BYTES: Final = 8 << 20
"""How long a log becomes."""


class _Ended(Exception):
    """The log was ended: nothing that is appended to it counts."""


class Calls(Part):
    """The part of the store that counts and notes them. See base.Store.

    Requests go on being counted, by this process, while they cannot be written: they are added once they can.
    """

    _logs: Logs

    def __init__(self) -> None:
        # Whoever has the lock begins no transaction: others come for it within theirs.
        self._lock = threading.Lock()
        self._log: Log | None = None
        self._number = self._seen = self._settle_at = 0
        self._counts = Counts()
        self._owed: dict[tuple[WorldId, ObjectId], tuple[int, int]] = {}  # the window, and how many in it
        self._owing = threading.Lock()

    def count_hit(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        if not self._owed:
            try:
                return self._append((HIT, world, account_id, window, 1))
            except StoreUnavailable:  # still the request can be answered, if the store can be read
                with self._owing:
                    return self._owe(world, account_id, window)
        with self._owing:
            try:
                more = 1 + self._owed_in(world, account_id, window)
                count = self._append((HIT, world, account_id, window, more))
            except StoreUnavailable:
                return self._owe(world, account_id, window)
            self._owed.pop((world, account_id), None)
            with suppress(StoreUnavailable):  # the others' too, whether or not they call again
                for (other, account), (known, owed) in list(self._owed.items()):
                    self._append((HIT, other, account, known, owed))
                    del self._owed[other, account]
        return count

    def _owe(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        counted = self.get_hits(world, account_id, window)
        owed = self._owed_in(world, account_id, window) + 1
        self._owed[world, account_id] = window, owed
        return counted + owed

    def _owed_in(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        known, owed = self._owed.get((world, account_id), (window, 0))
        return owed if known == window else 0

    def get_hits(self, world: WorldId, account_id: ObjectId, window: int) -> int:
        def look(log: Log) -> int:
            self._see_up_to(log, log.size())
            return self._counts.of(world, account_id, window)

        try:
            return self._at_log(look)
        except StoreUnavailable:  # there is no log, and none can be made
            with self._engine.read() as db:
                row = db.execute(
                    "SELECT count FROM hits WHERE world = ? AND account_id = ? AND window = ?",
                    (world, account_id, window),
                ).fetchone()
            return int(row[0]) if row else 0

    def add_entry(self, world: WorldId, entry: JournalEntry, keep: int) -> None:
        self._append((ENTRY, world, keep), rows.entry_text(entry))

    def _forget_calls(self, world: WorldId) -> None:
        """Forget what calls of a world left that is a new one from now on, or as new, and has nothing in the tables."""
        if self._log is None and self._is_missing():
            return
        try:
            self._append((FORGET, world))
        except StoreUnavailable:  # what this is told after cannot be undone
            with self._lock:
                self._counts.add((FORGET, world))

    def _end_calls(self) -> None:
        """Settle everything, and leave no log behind, if that is possible."""
        with self._lock:
            log, number = self._log, self._number
            self._let_go()
        if log is not None:
            with suppress(StoreUnavailable):
                self._end_log(number)

    # The log in use

    def _append(self, piece: Piece, more: str = "") -> int:
        """Put a piece into the log; of a hit, how many that makes.

        Raises:
            StoreUnavailable: it cannot be written.
        """
        content = written(piece, more)
        end = 0

        def put(log: Log) -> int:
            nonlocal end
            end = log.append(content)
            if end - len(content) == self._seen:  # nobody else appended anything meanwhile
                self._counts.add(piece)
                self._seen = end
            else:
                self._see_up_to(log, end)
            return self._counts.of(*piece[1:4]) if piece[0] == HIT else 0

        count = self._at_log(put)
        if end >= self._settle_at:
            self._settle_at = end + _UNSETTLED_BYTES // 8  # when it is tried again, if it is not possible now
            with suppress(StoreUnavailable):
                self._settle(patient=False)
        return count

    def _at_log(self, act: Callable[[Log], int]) -> int:
        """What `act` finds at the log in use; where that one is found to be ended, at the next.

        Raises:
            StoreUnavailable: it cannot be written; or there is none, and none can be made.
        """
        while True:
            with self._lock:
                log, number = self._log, self._number
                if log is not None:
                    try:
                        return act(log)
                    except _Ended:
                        self._let_go()
            if log is not None:
                self._end_log(number)  # as it is, unless whoever ended it was killed over it
            self._begin()

    def _see_up_to(self, log: Log, end: int) -> None:
        """Note what others appended.

        Raises:
            _Ended: there is the log's end.
        """
        content = whole(log.read(self._seen, end))
        for line in content.split(b"\n"):
            piece = read(line.partition(b"\t")[0])
            if piece[0] == LAST:
                raise _Ended
            self._counts.add(piece)
        self._seen += len(content)

    def _begin(self) -> None:
        """Have a log to append to, and the counts up to where it is settled.

        Raises:
            StoreUnavailable: there is none, and none can be made.
        """
        while True:
            with self._engine.read(snapshot=True) as db:
                number, settled = place(db)
                hits = db.execute("SELECT world, account_id, window, count FROM hits").fetchall()
            log = self._logs.find(number)
            if log is not None and log.size() >= settled:
                break
            if log is not None:
                log.close()
            self._replace_log(number)
        with self._lock:
            if self._log is not None:  # another thread was first
                log.close()
                return
            self._log, self._number, self._seen = log, number, settled
            self._settle_at = settled + _UNSETTLED_BYTES
            self._counts = Counts()
            for hit in hits:
                self._counts.add((HIT, *hit))

    def _let_go(self) -> None:
        if self._log is not None:
            self._log.close()
            self._log = None

    def _is_missing(self) -> bool:
        with self._engine.read() as db:
            number, _ = place(db)
        log = self._logs.find(number)
        if log is not None:
            log.close()
        return log is None

    def _replace_log(self, missing: int) -> None:
        """Have a new log in place of one that is missing, unless another process was first."""
        with self._engine.counting() as db:
            number, _ = place(db)
            if number == missing:
                self._logs.make(number + 1)
                put_place(db, number + 1, 0)

    def _end_log(self, number: int, *, patient: bool = True) -> None:
        """End a log and settle what it holds, unless another process did. The next one is made by who needs one."""
        with self._engine.read() as db:
            if place(db)[0] != number:
                return
        with self._engine.counting(patient=patient) as db:
            in_use, settled = place(db)
            if in_use != number:
                return
            log = self._logs.find(number)
            if log is not None:
                with closing(log):
                    log.append(written((LAST,), ""))
                    more = True
                    while more:
                        settled, more = settle_some(db, log, number, settled, _UNSETTLED_BYTES)
            put_place(db, number + 1, 0)
        self._logs.remove_before(number + 1)

    # What is settled

    def _catch_up(self) -> None:
        """Settle, if that is possible: the tables are to be read, in any case."""
        with suppress(StoreUnavailable):
            self._settle()

    def _settle(self, *, patient: bool = True) -> None:
        """Move what the log holds into the tables.

        Args:
            patient: wait while others write.

        Raises:
            StoreUnavailable: the tables cannot be written.
        """
        with self._engine.read() as db:
            number, settled = place(db)
        with self._lock:
            if self._number != number:
                self._let_go()  # it was ended; or somebody removed its file, and nobody else sees what is in it
        log = self._logs.find(number)
        if log is None:
            return
        with closing(log):
            while settled < log.size():
                with self._engine.counting(patient=patient) as db:
                    in_use, settled = place(db)
                    if in_use != number:
                        return
                    settled, more = settle_some(db, log, number, settled, _UNSETTLED_BYTES)
                if not more:
                    break
            log.drop(min(settled, self._seen))
        with self._lock:
            if self._number == number:
                self._settle_at = settled + _UNSETTLED_BYTES
        if settled > _LONGEST_BYTES:
            self._end_log(number, patient=patient)
