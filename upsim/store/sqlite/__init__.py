"""The store on SQLite: a file, or memory. Write transactions run one after the other, so each method is one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from upsim.store.sqlite import rows
from upsim.store.sqlite.catalogue import Catalogue
from upsim.store.sqlite.engine import Engine
from upsim.store.sqlite.journal import Journal
from upsim.store.sqlite.keys import Keys
from upsim.store.sqlite.ladders import Ladders
from upsim.store.sqlite.log import FileLogs, MemoryLogs
from upsim.store.sqlite.measured import MeasuredWorkers
from upsim.store.sqlite.workers import Workers
from upsim.store.sqlite.worlds import Worlds
from upsim.store.sums import Summing, no_sums


class SQLiteStore(Worlds, Keys, Catalogue, Workers, MeasuredWorkers, Journal):
    """See base.Store, whose promises these methods keep and whose words are not repeated here."""

    def __init__(self, url: str, path: Path | None, summing: Summing = no_sums, image: bytes = b"") -> None:
        """Open the database and make its tables where they are missing; `summing` says what a worker adds to sums.

        Args:
            image: what a store in memory begins with: that of another, made by the same code.

        Raises:
            ConfigError: the file cannot be opened or is no database.
            ValueError: the image is none.
        """
        super().__init__()
        self.url = url
        self._summing = summing
        self._ladders = Ladders()
        self._engine = Engine(path, rows.RENEW)
        self._logs = MemoryLogs() if path is None else FileLogs(path)
        try:
            if image:
                self._engine.begin_with(image)
            else:
                self._engine.create(rows.SCHEMA)
        except BaseException:
            self._engine.close()
            raise

    @property
    def together(self) -> AbstractContextManager[object]:
        return self._engine.together

    def image(self, at_most: int) -> bytes | None:
        """All that is in it, unless that has more bytes; of a store in memory only."""
        return self._engine.image(at_most)

    def close(self) -> None:
        self._end_calls()
        self._engine.close()
