"""Logs: what several processes append to, and read in the one order in which all of it came.

Where a database is a file, its log is a file beside it. The system puts each piece that is appended behind all others,
whoever wrote them and at the same time, and says where: so nobody waits for anybody, and all agree on what came first.
"""

from __future__ import annotations

import errno
import glob
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from upsim.store.sqlite.refusals import refused

_BINARY: Final[int] = getattr(os, "O_BINARY", 0)


class Log(Protocol):
    """Bytes, in the order in which they were appended."""

    def append(self, piece: bytes) -> int:
        """Put it behind all others; where it ends.

        Raises:
            StoreUnavailable: it cannot be written. A part of it may stand there.
        """

    def read(self, start: int, end: int) -> bytes:
        """What stands there, as far as there is anything."""

    def size(self) -> int:
        """Where the next piece begins."""

    def drop(self, end: int) -> None:
        """Know that what stands before this is not read any more."""

    def close(self) -> None:
        """Let go of it; it stays."""


class Logs(Protocol):
    """The logs of a database, by number: one is in use at a time."""

    def find(self, number: int) -> Log | None:
        """The one that was made; None where it was not, or is no more."""

    def make(self, number: int) -> None:
        """Begin an empty one.

        Raises:
            StoreUnavailable: it cannot be made.
        """

    def remove_before(self, number: int) -> None:
        """Remove those with a lower number. Who still has one open may go on reading it."""


class FileLogs:
    """Logs beside the file of a database: PATH-calls-NUMBER."""

    def __init__(self, path: Path) -> None:
        """Beside this one."""
        self._path = path

    def find(self, number: int) -> FileLog | None:
        try:
            return FileLog(self._file(number))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error) from error

    def make(self, number: int) -> None:
        try:
            mode = self._path.stat().st_mode & 0o777  # who may not read the database may not read this either
            os.close(os.open(self._file(number), os.O_CREAT | os.O_TRUNC | os.O_WRONLY, mode))
        except OSError as error:
            raise refused(error) from error

    def remove_before(self, number: int) -> None:
        for file in self._path.parent.glob(f"{glob.escape(self._path.name)}-calls-*"):
            last = file.name.rpartition("-")[2]
            if last.isdecimal() and int(last) < number:
                with suppress(OSError):  # where it may not be while it is open, the next one removes it
                    file.unlink()

    def _file(self, number: int) -> Path:
        return Path(f"{self._path}-calls-{number}")


class FileLog:
    """A file."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            OSError: it is not there, or not ours to write.
        """
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | _BINARY)
        try:
            self._reading = os.open(path, os.O_RDONLY | _BINARY)
        except BaseException:
            os.close(self._file)
            raise
        self._lock = threading.Lock()

    def append(self, piece: bytes) -> int:
        try:
            if os.write(self._file, piece) < len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return os.lseek(self._file, 0, os.SEEK_CUR)
        except OSError as error:
            raise refused(error) from error

    def read(self, start: int, end: int) -> bytes:
        with self._lock:
            os.lseek(self._reading, start, os.SEEK_SET)
            return os.read(self._reading, end - start)

    def size(self) -> int:
        return os.fstat(self._file).st_size

    def drop(self, end: int) -> None:
        pass  # the whole file goes, some day

    def close(self) -> None:
        os.close(self._file)
        os.close(self._reading)


class MemoryLogs:
    """Logs of a database that lives in memory."""

    def __init__(self) -> None:
        """Begin with none."""
        self._logs: dict[int, MemoryLog] = {}

    def find(self, number: int) -> MemoryLog | None:
        return self._logs.get(number)

    def make(self, number: int) -> None:
        self._logs[number] = MemoryLog()

    def remove_before(self, number: int) -> None:
        for each in [each for each in self._logs if each < number]:
            del self._logs[each]


class MemoryLog:
    """Bytes in memory."""

    def __init__(self) -> None:
        """Begin with none."""
        self._content = bytearray()
        self._dropped = 0
        self._lock = threading.Lock()

    def append(self, piece: bytes) -> int:
        with self._lock:
            self._content += piece
            return self.size()

    def read(self, start: int, end: int) -> bytes:
        with self._lock:
            return bytes(self._content[start - self._dropped : end - self._dropped])

    def size(self) -> int:
        return self._dropped + len(self._content)

    def drop(self, end: int) -> None:
        with self._lock:
            if end > self._dropped:
                del self._content[: end - self._dropped]
                self._dropped = end

    def close(self) -> None:
        pass
