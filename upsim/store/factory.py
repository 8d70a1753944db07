"""From a URL to a store. The only place that knows which engines there are; drivers are imported when asked for."""

from __future__ import annotations

from pathlib import Path

from upsim.errors import ConfigError
from upsim.store.base import Store

KINDS = "memory:, sqlite:PATH, mongomock:, mongodb://HOST[:PORT]/DATABASE"
"""What a store's URL can look like."""


def open_store(url: str) -> Store:
    """Open the store that the URL names: one of KINDS.

    Raises:
        ConfigError: the URL names none, or the file or server cannot be used.
    """
    scheme, _, rest = url.partition(":")
    if scheme in ("memory", "mongomock") and rest:
        raise ConfigError(f"store: {scheme}: takes nothing after the colon, got {url!r}.")
    if scheme == "memory":
        from upsim.store.sqlite import SQLiteStore

        return SQLiteStore(url, None)
    if scheme == "sqlite":
        from upsim.store.sqlite import SQLiteStore

        if not rest:
            raise ConfigError("store: sqlite: needs the path of a file, as in sqlite:upsim.db.")
        return SQLiteStore(url, Path(rest))
    if scheme in ("mongomock", "mongodb", "mongodb+srv"):
        from upsim.store.mongo import MongoStore

        return MongoStore(url)
    raise ConfigError(f"store: {url!r} is not a store: use one of {KINDS}.")
