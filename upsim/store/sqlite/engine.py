"""Connections and transactions of the SQLite store. Knows no table.

In memory, one connection behind a lock is the database. On a file, each statement in flight borrows a connection of its
own, so that readers go on beside a writer (WAL), in this process and in others.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from upsim.errors import ConfigError, StoreUnavailable

BUSY_TIMEOUT_S = 15
"""How long a writer waits for another process's write before it gives up."""


class Engine:
    """Hands out connections for reading, for writing and for tallying."""

    def __init__(self, path: Path | None, renew: str) -> None:
        """Open the database: a file, or (None) one that lives in memory and dies with this object.

        Args:
            renew: a statement that notes of a world that it was changed.

        Raises:
            ConfigError: the file cannot be opened or is no database.
        """
        self._path = path
        self._renew = renew
        self._lock = threading.RLock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._idle_tally: deque[sqlite3.Connection] = deque()
        self._closed = False
        try:
            self._memory = self._connect(":memory:", "OFF") if path is None else None
            if path is not None:
                first = self._connect(str(path), "FULL")
                first.execute("PRAGMA journal_mode=WAL")
                self._idle.append(first)
        except sqlite3.Error as error:
            raise ConfigError(f"store: cannot open the SQLite file {path}: {error}") from error

    def close(self) -> None:
        """Close every connection that is not in use; those in use close when they come back."""
        self._closed = True
        for idle in (self._idle, self._idle_tally):
            while idle:
                idle.pop().close()
        if self._memory is not None:
            with self._lock:
                self._memory.close()

    def create(self, schema: str) -> None:
        """Run the statements that make the tables, all or nothing.

        Raises:
            ConfigError: the file is no database, or not ours to write.
        """
        try:
            with self._borrow(self._idle, "FULL") as connection, _transaction(connection):
                for statement in schema.split(";"):
                    connection.execute(statement)
        except (sqlite3.Error, StoreUnavailable) as error:
            raise ConfigError(f"store: cannot use the SQLite file {self._path}: {error}") from error

    @contextmanager
    def read(self, *, snapshot: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection to read with; with `snapshot`, all that is read is of one moment.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        with self._borrow(self._idle, "FULL") as connection:
            # In memory the lock already makes it one moment.
            if snapshot and self._memory is None:
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
        with self._borrow(self._idle, "FULL") as connection, _transaction(connection):
            before = connection.total_changes
            yield connection
            if connection.total_changes != before:
                connection.execute(self._renew, (world,))

    @contextmanager
    def tally(self) -> Iterator[sqlite3.Connection]:
        """A transaction for counters, which are no world's content: exact, but not worth waiting for the disk."""
        with self._borrow(self._idle_tally, "OFF") as connection, _transaction(connection):
            yield connection

    @contextmanager
    def _borrow(self, idle: deque[sqlite3.Connection], synchronous: str) -> Iterator[sqlite3.Connection]:
        try:
            if self._memory is not None:
                with self._lock:
                    yield self._memory
                return
            try:
                connection = idle.pop()
            except IndexError:
                connection = self._connect(str(self._path), synchronous)
            try:
                yield connection
            finally:
                if self._closed:
                    connection.close()
                else:
                    idle.append(connection)
        except (sqlite3.OperationalError, sqlite3.ProgrammingError) as error:
            raise StoreUnavailable(str(error)) from error

    def _connect(self, name: str, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            name, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.execute(f"PRAGMA synchronous={synchronous}")
        return connection


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
