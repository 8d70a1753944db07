"""Turns: which thread of this process writes to the database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from upsim.errors import StoreUnavailable


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
        self._take(self._patience_s)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """The turn, without waiting for it.

        Raises:
            StoreUnavailable: it is another's.
        """
        self._take(0)
        try:
            yield
        finally:
            self._lock.release()

    def _take(self, patience_s: float) -> None:
        if not self._lock.acquire(timeout=patience_s):
            raise StoreUnavailable(f"the writes before it took longer than {patience_s:g} s")

    def __exit__(self, *_: object) -> None:
        """Let the next come."""
        self._lock.release()
