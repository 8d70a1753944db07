"""What every part of the SQLite store stands on."""

from __future__ import annotations

from upsim.store.sqlite.engine import Engine
from upsim.store.sums import Summing


class Part:
    """A part of the store: the database, and what a worker adds to its fleet's sums."""

    _engine: Engine
    _summing: Summing
