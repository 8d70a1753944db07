"""Turns: which thread of this process writes to the database, and what it commits as one."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from upsim.errors import StoreUnavailable
from upsim.store.sqlite.refusals import said


class Turn:
    """One thread of this process at a time; the one whose turn it is may take it again, within it.

    Threads that would write at the same time, SQLite lets sleep for milliseconds before they look again. And whoever
    asks it several short things in a row would have to wait for the interpreter at each.
    """

    def __init__(self, patience_s: float | None) -> None:
        """Let the first come; the others wait for so long, or (None) as long as it takes."""
        self._lock = threading.RLock()
        self._patience_s = -1 if patience_s is None else patience_s

    def __enter__(self) -> None:
        """Wait for the turn.

        Raises:
            StoreUnavailable: it does not come.
        """
        if not self._lock.acquire(timeout=self._patience_s):
            raise StoreUnavailable(f"the writes before it took longer than {self._patience_s:g} s")

    def __exit__(self, *_: object) -> None:
        """Let the next come."""
        self._lock.release()


class Together:
    """A turn in which all that is counted is committed as one, at its end; not to be entered twice.

    That is one wait for the other processes, and one write, instead of one for each. Where the commit is refused,
    nothing was counted.
    """

    def __init__(self, turn: Turn, begin: Callable[[], AbstractContextManager[sqlite3.Connection]]) -> None:
        """Take turns with the others; `begin` opens a transaction."""
        self._turn = turn
        self._begin = begin
        self._transaction: AbstractContextManager[sqlite3.Connection] | None = None
        self._connection: sqlite3.Connection | None = None
        self.is_on = False

    def __enter__(self) -> None:
        """Wait for the turn.

        Raises:
            StoreUnavailable: it does not come.
        """
        self._turn.__enter__()
        self.is_on = True

    def run(self, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The rows of a statement that counts; the first one opens the transaction.

        Raises:
            StoreUnavailable: the database does not take it. What was counted before it may still be committed.
        """
        if self._connection is None:
            transaction = self._begin()
            self._connection = transaction.__enter__()
            self._transaction = transaction
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise said(error) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, unless something was raised, and let the next come.

        Raises:
            StoreUnavailable: nothing was counted.
        """
        transaction, self._transaction, self._connection, self.is_on = self._transaction, None, None, False
        try:
            if transaction is not None:
                transaction.__exit__(kind, error, trace)
        finally:
            self._turn.__exit__()
