"""A cable between a client and its server that a test can cut, block and mend. Knows bytes, no protocol."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from pathlib import Path

Upstream = tuple[str, int] | Path
"""A port of this machine, or a Unix socket."""


class Cable:
    """Takes connections on a port of its own and carries what is said to the server behind it, and back."""

    def __init__(self, upstream: Upstream | None = None) -> None:
        self._upstream = upstream
        self._lock = threading.Lock()
        self._ends: dict[socket.socket, socket.socket] = {}
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._listener)

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._listener.close()
        with self._lock:
            ends, self._ends = list(self._ends), {}
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def block(self) -> None:
        """Carry nothing any more, though connections stay and new ones are taken: a server that went silent."""
        self._open.clear()

    def mend(self) -> None:
        """Carry again, what waited too; take connections again on the same port."""
        self._open.set()
        if self._listener.fileno() == -1:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._start(self._listener)

    def close(self) -> None:
        """Take it away."""
        self._open.set()
        self.cut()

    def _start(self, listener: socket.socket) -> None:
        threading.Thread(target=self._take, args=(listener,), daemon=True).start()

    def _take(self, listener: socket.socket) -> None:
        # A closed socket does not wake who waits in accept(): so it is asked again and again.
        listener.settimeout(0.05)
        while True:
            try:
                near, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            near.settimeout(None)
            try:
                far = self.connected()
            except OSError:
                near.close()
                continue
            with self._lock:
                self._ends |= {near: far, far: near}
            threading.Thread(target=self._carry, args=(near, far), daemon=True).start()

    def connected(self) -> socket.socket:
        """A connection to the server behind it.

        Raises:
            OSError: it takes none.
        """
        assert self._upstream is not None
        if isinstance(self._upstream, Path):
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(self._upstream))
            return far
        return socket.create_connection(self._upstream)

    def _carry(self, near: socket.socket, far: socket.socket) -> None:
        """Both ways, until one end is closed."""
        with selectors.DefaultSelector() as ready, contextlib.suppress(OSError, ValueError):
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    said = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]  # sockets, all of them
                    if not said:
                        raise OSError("closed")
                    self._open.wait()
                    key.data.sendall(said)
        with self._lock:
            for end in (near, far):
                self._ends.pop(end, None)
        for end in (near, far):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
