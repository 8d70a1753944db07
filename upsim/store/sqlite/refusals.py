"""What SQLite's errors mean to whoever runs this."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Final

from upsim.errors import StoreNotWritable, StoreUnavailable

_WRITING: Final = frozenset(
    {
        sqlite3.SQLITE_IOERR_WRITE,
        sqlite3.SQLITE_IOERR_FSYNC,
        sqlite3.SQLITE_IOERR_DIR_FSYNC,
        sqlite3.SQLITE_IOERR_TRUNCATE,
        sqlite3.SQLITE_IOERR_SHMSIZE,
    }
)


def refused(error: OSError) -> StoreUnavailable:
    """What the system's error means to whoever runs this, of a file beside the database."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return _full()
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return _read_only()
    return StoreUnavailable(f"{error.strerror or error}: {error.filename}" if error.filename else str(error))


def _full() -> StoreUnavailable:
    return StoreNotWritable("the disk is full", "there is room")


def _read_only() -> StoreUnavailable:
    return StoreNotWritable("its file or folder is read-only", "it may be written")


def said(error: sqlite3.Error) -> StoreUnavailable:
    """What SQLite's error means to whoever runs this."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return _full()
    if code & 0xFF == sqlite3.SQLITE_READONLY:
        return _read_only()
    if code in _WRITING:
        return StoreNotWritable(f"the disk does not take it ({error})", "it does")
    return StoreUnavailable(str(error))


def why(path: Path | None, error: sqlite3.Error) -> str:
    """Why a file cannot be opened: SQLite has one sentence for most of it."""
    if path is not None and path.is_dir():
        return "it is a folder; name a file in it, which need not exist yet"
    if path is not None and not path.parent.is_dir():
        return f"there is no folder {path.parent}; make it first"
    return f"{error}; name another, which need not exist yet"
