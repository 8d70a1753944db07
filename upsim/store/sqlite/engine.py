"""Connections and transactions of the SQLite store. Knows no table.

In memory, one connection is the database, and all take turns. On a file, each statement in flight borrows a connection
of its own, so that readers go on beside a writer (WAL), in this process and in others; those who write take turns.

A disk that is full or read-only for a while costs nothing but the writes that are refused meanwhile: once a connection
fails, none is kept for a second use before a write succeeds, so that each knows the file as it is.
"""

from __future__ import annotations

import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from upsim.errors import ConfigError, StoreUnavailable
from upsim.store.sqlite.refusals import said, why
from upsim.store.sqlite.turn import Turn

BUSY_TIMEOUT_S = 15
"""How long a writer waits for the writes of others before it gives up."""

_AT_ONCE_S: Final = 0.0003
"""How long whoever counts and waits for another process looks again at once: longer than counting mostly takes."""

_LOOK_AGAIN_S: Final = 0.0002
"""How often it looks after that. SQLite itself would sleep five times as long, and longer each time."""

_CHECKPOINT_PAGES: Final = 4_000
"""How long the log becomes before what stands in it is written into the file, for which the disk is waited for: some
2,000 calls."""

DURABLE: Final = "FULL"
"""What is committed so, is on the disk."""

LIGHT: Final = "NORMAL"
"""What is committed so, outlives the process, and a power cut only once a DURABLE write or a checkpoint follows.

Not OFF: a checkpoint made so would empty the log before the disk has what stood in it, the DURABLE writes included.
"""


class Engine:
    """Hands out connections for reading and for writing, and counts.

    Attributes:
        turn: whose it is, writes.
    """

    def __init__(self, path: Path | None, renew: str) -> None:
        """Open the database: a file, or (None) one that lives in memory and dies with this object.

        Args:
            renew: a statement that notes of a world that it was changed.

        Raises:
            ConfigError: the file cannot be opened or is no database.
        """
        self._path = path
        self._renew = renew
        self.turn = Turn(None if path is None else BUSY_TIMEOUT_S)
        self._idle: deque[sqlite3.Connection] = deque()
        self._idle_light: deque[sqlite3.Connection] = deque()
        self._closed = self._failing = False
        self._files = () if path is None else (path, Path(f"{path}-wal"))
        self._opened: list[tuple[int, int]] | None = None
        try:
            # In memory this is the database. On a file it is only kept: while it is open, so are the log and its index,
            # and whoever comes later needs to create nothing.
            self._first = self._connect(DURABLE)
            if path is not None:
                self._first.execute("PRAGMA journal_mode=WAL")
                self._first.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()  # what opens them
        except sqlite3.Error as error:
            raise ConfigError(f"store: cannot open the SQLite file {path}: {why(path, error)}.") from error

    def close(self) -> None:
        """Close every connection that is not in use; those in use close when they come back."""
        self._closed = True
        self._close_idle()
        with self.turn:
            self._first.close()

    def _close_idle(self) -> None:
        for idle in (self._idle, self._idle_light):
            with suppress(IndexError):  # others may be taking them
                while True:
                    idle.pop().close()

    def create(self, schema: str) -> None:
        """Run the statements that make the tables, all or nothing.

        Raises:
            ConfigError: the file is no database, or not ours to write.
        """
        try:
            with self._write_with(self._idle, DURABLE) as connection:
                for statement in schema.split(";"):
                    connection.execute(statement)
        except StoreUnavailable as error:
            raise ConfigError(f"store: cannot use the SQLite file {self._path}: {error.detail}.") from error
        self._opened = [_identity(file) for file in self._files]

    def image(self, at_most: int) -> bytes | None:
        """The whole database, as a file would hold it; None where that has more bytes. Of one in memory only."""
        with self.turn:
            (pages,), (size,) = (self._first.execute(f"PRAGMA page_{what}").fetchone() for what in ("count", "size"))
            return None if pages * size > at_most else self._first.serialize()

    def begin_with(self, image: bytes) -> None:
        """Take an image for the whole database, in place of `create`. In memory only.

        Raises:
            ValueError: it is none.
        """
        # What was deserialized could not grow beyond a bound of SQLite's; a copy of it is a database like any other.
        try:
            with closing(sqlite3.connect(":memory:")) as source, self.turn:
                source.deserialize(image)
                source.backup(self._first)
        except sqlite3.Error as error:
            raise ValueError(f"this is no image of a database: {error}") from error

    @contextmanager
    def read(self, *, snapshot: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection to read with; with `snapshot`, all that is read is of one moment.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with _Borrowed(self, self._idle, DURABLE) as connection:
            # In memory the turn already makes it one moment.
            if snapshot and self._path is not None:
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    connection.execute("COMMIT")
            else:
                yield connection

    @contextmanager
    def write(self, world: str) -> Iterator[sqlite3.Connection]:
        """A transaction that no other writer can come between; on disk before this returns.

        What it changes is the world's, and that it was changed is noted in the same transaction.

        Raises:
            StoreUnavailable: the database does not answer, is full or read-only; nothing was changed.
        """
        with self._write_with(self._idle, DURABLE) as connection:
            before = connection.total_changes
            yield connection
            if connection.total_changes != before:
                connection.execute(self._renew, (world,))
            self._check_place()
        self._failing = False

    def find(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The first row of one statement that reads.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with _Borrowed(self, self._idle, DURABLE) as connection:
            found: tuple[Any, ...] | None = connection.execute(statement, values).fetchone()
        return found

    def count(self, statement: str, values: Sequence[Any]) -> tuple[Any, ...] | None:
        """The row that one statement returns which writes counters: exact, but not worth waiting for the disk.

        Raises:
            StoreUnavailable: as `write` does.
        """
        with self.turn, _Borrowed(self, self._idle_light, LIGHT) as connection:
            # All rows, since the statement has happened when it is at its end.
            found = _patiently(connection, statement, values).fetchall()
        self._failing = False
        return found[0] if found else None

    @property
    def together(self) -> AbstractContextManager[object]:
        """Entered by who asks several short things in a row: in memory, the turn for each is had once for all."""
        return self.turn if self._path is None else nullcontext()

    @contextmanager
    def counting(self, *, patient: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction for what was counted.

        Args:
            patient: wait while others write.

        Raises:
            StoreUnavailable: as `write` does.
        """
        with self._write_with(self._idle_light, LIGHT, patient=patient) as connection:
            yield connection
        self._failing = False

    @contextmanager
    def _write_with(
        self, idle: deque[sqlite3.Connection], synchronous: str, *, patient: bool = True
    ) -> Iterator[sqlite3.Connection]:
        with self.turn if patient else self.turn.at_once(), _Borrowed(self, idle, synchronous) as connection:
            _patiently(connection, "BEGIN IMMEDIATE", patience_s=BUSY_TIMEOUT_S if patient else 0)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite ends it by itself where the disk failed
                    connection.execute("ROLLBACK")
                raise

    def take(self, idle: deque[sqlite3.Connection], synchronous: str) -> sqlite3.Connection:
        """A connection that nobody else uses until it is given back. In memory there is but one, and a turn for it."""
        if self._path is None:
            self.turn.__enter__()
            return self._first
        try:
            return idle.pop()
        except IndexError:
            self._check_place()
            return self._connect(synchronous)

    def give_back(
        self, idle: deque[sqlite3.Connection], connection: sqlite3.Connection, error: BaseException | None
    ) -> None:
        """End its use; after an error, that of all."""
        if self._path is None:
            self.turn.__exit__()
            return
        if isinstance(error, sqlite3.Error) and not _is_busy(error):
            self._failing = True
            self._close_idle()
        if self._failing or self._closed:
            connection.close()
        else:
            idle.append(connection)

    def _connect(self, synchronous: str) -> sqlite3.Connection:
        # Only the first may make the file.
        mode = "rwc" if self._opened is None else "rw"
        connection = sqlite3.connect(
            ":memory:" if self._path is None else f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S if synchronous == DURABLE else 0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        return connection

    def _check_place(self) -> None:
        """Check that the files that were opened are still those of their names: what is written elsewhere is lost.

        Raises:
            StoreUnavailable: one was moved, deleted or replaced.
        """
        for file, opened in zip(self._files, self._opened or (), strict=False):
            try:
                found = _identity(file)
            except OSError as error:
                raise StoreUnavailable(f"the file {file} is gone; put it back, or start upsim again") from error
            if found != opened:
                raise StoreUnavailable(
                    f"another file took the place of {file}; put the first one back, or start upsim again"
                )


def _identity(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_dev, found.st_ino


class _Borrowed:
    """A connection for a while; what SQLite refuses meanwhile is told as the store tells it."""

    __slots__ = ("_connection", "_engine", "_idle", "_synchronous")

    def __init__(self, engine: Engine, idle: deque[sqlite3.Connection], synchronous: str) -> None:
        self._engine = engine
        self._idle = idle
        self._synchronous = synchronous

    def __enter__(self) -> sqlite3.Connection:
        try:
            self._connection = self._engine.take(self._idle, self._synchronous)
        except sqlite3.DatabaseError as error:
            raise said(error) from error
        return self._connection

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._engine.give_back(self._idle, self._connection, error)
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
            raise said(error) from error


def _is_busy(error: sqlite3.Error) -> bool:
    """Whether somebody else writes, and that is all."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF == sqlite3.SQLITE_BUSY


def _patiently(
    connection: sqlite3.Connection, statement: str, values: Sequence[Any] = (), patience_s: float | None = None
) -> sqlite3.Cursor:
    """Run a statement that writes, or begins to, as soon as no other process does."""
    patience_s = BUSY_TIMEOUT_S if patience_s is None else patience_s
    began = time.monotonic()
    while True:
        try:
            return connection.execute(statement, values)
        except sqlite3.OperationalError as error:
            waited = time.monotonic() - began
            if not _is_busy(error) or waited > patience_s:
                raise
        if waited > _AT_ONCE_S:
            time.sleep(_LOOK_AGAIN_S)
