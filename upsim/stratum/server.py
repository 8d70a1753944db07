"""Sockets for simulated pools: accepts, tells TLS from plain, feeds lines to a pool, takes the steps its behaviour asks for.

Runs in an asyncio loop and never blocks it. Bounded: connections, line length, bytes waiting to be read by a client.
Decides nothing itself: the pool decides, the behaviour distorts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from upsim.clock import Clock
from upsim.stratum.behaviours import Behaviour, Close, Cover, Pause, Send, Step
from upsim.stratum.pool import Seat, SimulatedPool
from upsim.stratum.wire import LineBuffer, LineTooLong

_LOG: Final = logging.getLogger(__name__)
MAX_CONNECTIONS: Final = 20_000
MAX_UNREAD_BYTES: Final = 262_144
"""A client that lets this much wait unread is disconnected."""
FIRST_BYTE_S: Final = 60.0
_TLS_HELLO: Final = 0x16


@dataclass(frozen=True, slots=True)
class Route:
    """What a connection meets."""

    pool: SimulatedPool
    behaviour: Behaviour
    clock: Clock


class Connection(asyncio.Protocol):
    """One client of a simulated pool."""

    def __init__(self, route: Route, host: Host) -> None:
        self._route = route
        self._host = host
        self._wire = route.behaviour.wire()
        self._lines = LineBuffer()
        self._steps: deque[Step] = deque()
        self._waiting: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self.seat: Seat = route.pool.join(route.behaviour.terms)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNREAD_BYTES)
        self._host.connections.add(self)
        self._take(self._wire.connected())

    def connection_lost(self, problem: Exception | None) -> None:
        """End."""
        self._transport = None
        self._host.connections.discard(self)
        if self._waiting is not None:
            self._waiting.cancel()

    def pause_writing(self) -> None:
        """The client does not read: let it go rather than collect for it."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Hand the client's lines to the pool."""
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self._take([Close()])
            return
        for line in lines:
            self._line(line)

    def _line(self, line: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not self._wire.hears(line):
            self._take(self._wire.says([]))
            return
        output = self._route.pool.receive(self.seat, line, self._route.clock.now())
        self._take(self._wire.says(output.lines))
        if output.close:
            self._take([Close()])

    def _take(self, steps: list[Step]) -> None:
        self._steps.extend(steps)
        if self._waiting is None:
            self._go()

    def _go(self) -> None:
        self._waiting = None
        while self._steps and self._transport is not None:
            match self._steps.popleft():
                case Send(data):
                    self._transport.write(data)
                case Close(reset):
                    self.close(reset)
                    return
                case Pause(seconds):
                    loop = asyncio.get_running_loop()
                    self._waiting = loop.call_later(seconds * self._host.pace, self._go)
                    return

    def close(self, reset: bool = False) -> None:
        """Hang up."""
        self._steps.clear()
        if self._transport is None:
            return
        if reset:
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()


class Host:
    """Accepts on one listening socket and gives each connection its route.

    Args:
        route: tells what a peer's connection meets, by the peer's address; None hangs up on it.
        secure: gives the context for TLS, made on first use.
        pace: factor on every pause of a behaviour; tests use a small one.
    """

    def __init__(
        self,
        route: Callable[[tuple[str, int]], Route | None],
        secure: Callable[[], ssl.SSLContext],
        pace: float = 1.0,
    ) -> None:
        self._route = route
        self._secure = secure
        self.pace = pace
        self.connections: set[Connection] = set()
        self._opening: set[asyncio.Task[None]] = set()

    async def serve(self, listener: socket.socket) -> None:
        """Accept until cancelled; then close every connection."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        try:
            while True:
                try:
                    accepted, peer = await loop.sock_accept(listener)
                except OSError:
                    # Out of file descriptors, mostly: those that are open go on, and it may pass.
                    await asyncio.sleep(0.05)
                    continue
                if len(self.connections) + len(self._opening) >= MAX_CONNECTIONS:
                    accepted.close()
                    continue
                task = loop.create_task(self._open(accepted, peer[:2]))
                self._opening.add(task)
                task.add_done_callback(self._opening.discard)
        finally:
            for task in list(self._opening):
                task.cancel()
            await asyncio.gather(*self._opening, return_exceptions=True)
            for connection in list(self.connections):
                connection.close(reset=True)

    async def _open(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        route = self._route(peer)
        try:
            if route is None:
                accepted.close()
                return
            context = await self._context(accepted, route.behaviour.cover)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(route, self), accepted, ssl=context
            )
        except (OSError, TimeoutError, ssl.SSLError) as problem:
            _LOG.debug("a connection from %s ended before it began: %s", peer, problem)
            accepted.close()
        except asyncio.CancelledError:
            accepted.close()
            raise

    async def _context(self, accepted: socket.socket, cover: Cover) -> ssl.SSLContext | None:
        """Wait for the first byte where it decides; None for a plain connection."""
        accepted.setblocking(False)
        if cover is Cover.PLAIN:
            return None
        async with asyncio.timeout(FIRST_BYTE_S):
            await _readable(accepted)
        first = accepted.recv(1, socket.MSG_PEEK)
        if first and first[0] == _TLS_HELLO:
            return self._secure()
        if cover is Cover.TLS or not first:
            raise ConnectionAbortedError("plain words on a TLS port" if first else "nothing was said")
        return None


async def _readable(accepted: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(accepted, ready.set_result, None)
    try:
        await ready
    finally:
        with contextlib.suppress(ValueError):
            loop.remove_reader(accepted)
