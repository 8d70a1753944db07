"""A round-robin in front of several servers, connection by connection; asks each whether it is ready, and obeys."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Sequence
from contextlib import closing

from tests.scale.cable import Cable

PROBE_EVERY_S = 0.05


class RoundRobin(Cable):
    """Carries each new connection to the next of the servers that say they are ready.

    Attributes:
        carried: how many connections each port was given.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._ready = dict.fromkeys(ports, False)
        self._next = 0
        self._choosing = threading.Lock()
        self._closed = threading.Event()
        self._probed = threading.Condition(self._choosing)
        self.carried = dict.fromkeys(ports, 0)
        self._probers = [threading.Thread(target=self._probe, args=(port,), daemon=True) for port in ports]
        for prober in self._probers:
            prober.start()
        super().__init__()

    @property
    def url(self) -> str:
        """Where clients call."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, port: int, ready: bool) -> None:
        """Wait until that server was heard to be ready, or not to be."""
        with self._probed:
            assert self._probed.wait_for(lambda: self._ready[port] is ready, timeout=60), (
                f"{port}: ready is not {ready}"
            )

    def connected(self) -> socket.socket:
        for _ in self._ports:
            with self._choosing:
                able = [port for port in self._ports if self._ready[port]]
                if not able:
                    break
                self._next += 1
                port = able[self._next % len(able)]
            try:
                far = socket.create_connection(("127.0.0.1", port))
            except OSError:
                continue  # nothing was said yet: the next may have it
            with self._choosing:
                self.carried[port] += 1
            return far
        raise OSError("no server is ready")

    def close(self) -> None:
        self._closed.set()
        for prober in self._probers:
            prober.join()
        super().close()

    def _probe(self, port: int) -> None:
        while not self._closed.wait(PROBE_EVERY_S):
            try:
                with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                    connection.request("GET", "/_upsim/ready")
                    ready = connection.getresponse().status == 200
            except (OSError, http.client.HTTPException):
                ready = False
            with self._probed:
                self._ready[port] = ready
                self._probed.notify_all()
