"""Whether a server that others depend on can be reached. Knows no driver; asks no clock but the one that never jumps.

To look for a server that is gone takes seconds, and a process has few threads: if each call looked for itself, they
would all hang, those behind them too, and nobody would hear that there is anything wrong. So after a failure one caller
at a time tries again, and the others are refused at once.
"""

from __future__ import annotations

import threading
import time
from typing import Final

PAUSE_S: Final = 1.0
"""How long nobody tries after a failure."""


class Away(Exception):
    """The server was lost a moment ago; its text is what was found then."""


class Reach:
    """What the callers of one server know of it together."""

    def __init__(self, pause_s: float = PAUSE_S) -> None:
        self._pause_s = pause_s
        self._lock = threading.Lock()
        self._lost: str | None = None  # how it was lost; None while it answers, as far as is known
        self._next_try = 0.0
        self._trying: int | None = None

    def check(self) -> None:
        """Let the caller ask the server, or not. Whoever was let through says `found` or `lost` afterwards.

        Raises:
            Away: it was lost, and it is not this caller's turn to look for it.
        """
        if self._lost is None:
            return
        here = threading.get_ident()
        with self._lock:
            if self._lost is None or self._trying == here:
                return
            if self._trying is not None or time.monotonic() < self._next_try:
                raise Away(self._lost)
            self._trying = here

    def found(self) -> None:
        """The server answered."""
        if self._lost is not None:
            with self._lock:
                self._lost = self._trying = None

    def lost(self, how: str) -> None:
        """The server did not answer."""
        with self._lock:
            self._lost, self._trying = how, None
            self._next_try = time.monotonic() + self._pause_s
