"""Simulated pools on real listening ports, in an asyncio loop of their own thread.

For `upsim pool`, and for `upsim serve` to open ports for its pools. Starts and stops cleanly; knows nothing of worlds.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import cache
from typing import Final

from upsim.clock import Clock, SystemClock
from upsim.loop import Answer, LoopThread
from upsim.stratum.behaviours import behaviour_for, behaviour_named
from upsim.stratum.pool import SimulatedPool
from upsim.stratum.server import Connection, Host, Route
from upsim.tls.certificates import throw_away_context

BACKLOG: Final = 4_096
"""Miners that wait to be let in at one port."""


class PoolServer:
    """Pools that listen on real ports.

    Use as a context manager, or call `close`.
    """

    def __init__(self, clock: Clock | None = None, pace: float = 1.0) -> None:
        self._clock = clock or SystemClock()
        self._pace = pace
        self._thread = LoopThread("upsim-ports")
        self._closed = False
        self._listeners: list[socket.socket] = []
        self._hosts: list[Host] = []
        self._secure: Callable[[], ssl.SSLContext] = cache(throw_away_context)

    def open(
        self,
        pool: SimulatedPool,
        port: int = 0,
        *,
        address: str = "127.0.0.1",
        behaviour: str | Callable[[int], str] = "healthy",
        behaviour_times: int | None = None,
    ) -> int:
        """Open a port for a pool, and say which it is.

        Args:
            pool: what answers there.
            port: 0 takes any free one.
            address: to listen on; loopback unless told otherwise.
            behaviour: what connections meet; or what says it for each, given its number from 0.
            behaviour_times: only so many of them; the next ones meet a healthy pool. None means all.

        Raises:
            UnknownBehaviour: if no behaviour has this name.
            OSError: if the port is taken.
        """
        if isinstance(behaviour, str):
            behaviour_named(behaviour)
        numbers = iter(range(1 << 62))

        def route(peer: tuple[str, int]) -> Route:
            number = next(numbers)
            meets = behaviour if isinstance(behaviour, str) else behaviour(number)
            chosen = meets if behaviour_times is None or number < behaviour_times else "healthy"
            return Route(pool, behaviour_for("", chosen, number), self._clock)

        listener = listening(address, port)
        host = Host(route, self._secure, self._pace)
        self._listeners.append(listener)
        self._hosts.append(host)
        self._thread.start(host.serve(listener))
        opened: int = listener.getsockname()[1]
        return opened

    def connections(self) -> list[Connection]:
        """Who is connected, on all ports."""
        return self.ask(lambda: [connection for host in self._hosts for connection in host.connections])

    def broadcast(self) -> None:
        """Send everybody the job that is due now, without waiting for the next tick. For tests and measurements."""
        for host in self._hosts:
            self._thread.run(host.broadcast())

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Look at pools and connections from within their loop, where nothing changes meanwhile."""
        return self._thread.ask(question)

    def close(self) -> None:
        """Close every port and connection. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._thread.stop()
        for listener in self._listeners:
            listener.close()

    def __enter__(self) -> PoolServer:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()


def listening(address: str, port: int) -> socket.socket:
    """A socket that listens for miners.

    Args:
        port: 0 takes a free one.

    Raises:
        OSError: the port cannot be had.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # Behind the reason stands the address once more, as Python writes it.
        raise OSError(error.errno, (error.strerror or str(error)).partition(" (while ")[0]) from error
