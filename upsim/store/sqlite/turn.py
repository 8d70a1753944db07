"""Turns: which thread of this process asks the database."""

from __future__ import annotations

import threading

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
        if not self._lock.acquire(timeout=self._patience_s):
            raise StoreUnavailable(f"the writes before it took longer than {self._patience_s:g} s")

    def __exit__(self, *_: object) -> None:
        """Let the next come."""
        self._lock.release()
