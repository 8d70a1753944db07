"""From a URL to a store. The only place that knows which engines there are; drivers are imported when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from upsim.errors import ConfigError
from upsim.store.base import Store
from upsim.store.sums import Summing, no_sums

if TYPE_CHECKING:
    from upsim.store.sqlite import SQLiteStore

MEMORY: Final = "memory:"
"""The URL of a store in this process alone."""

KINDS = "memory:, sqlite:PATH, mongomock:, mongodb://HOST[:PORT]/DATABASE"
"""What a store's URL can look like."""


def open_store(url: str, summing: Summing = no_sums) -> Store:
    """Open the store that the URL names: one of KINDS.

    Args:
        summing: what a worker adds to the sums that the store keeps: the same for all who open one store.

    Raises:
        ConfigError: the URL names none, or the file or server cannot be used.
    """
    scheme, colon, rest = url.partition(":")
    if not colon:
        scheme = ""  # "memory" is no URL, and might have been meant for a file
    if scheme in ("memory", "mongomock") and rest:
        raise ConfigError(f"store: {scheme}: takes nothing after the colon, got {url!r}.")
    if scheme == "memory":
        return open_memory(summing)
    if scheme == "sqlite":
        from upsim.store.sqlite import SQLiteStore

        if not rest:
            raise ConfigError("store: sqlite: needs the path of a file, as in sqlite:upsim.db.")
        return SQLiteStore(url, Path(rest), summing)
    if scheme in ("mongomock", "mongodb", "mongodb+srv"):
        from upsim.store.mongo import MongoStore

        return MongoStore(url, summing)
    raise ConfigError(f"store: {url!r} is not a store: use one of {KINDS}.")


def open_memory(summing: Summing = no_sums, image: bytes = b"") -> SQLiteStore:
    """Open the store of MEMORY.

    Args:
        image: what it begins with: that of another, made by the same code.

    Raises:
        ValueError: the image is none.
    """
    from upsim.store.sqlite import SQLiteStore

    return SQLiteStore(MEMORY, None, summing, image)
