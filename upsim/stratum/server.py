"""Sockets for simulated pools: accepts, tells TLS from plain, feeds lines to a pool, takes a behaviour's steps.

Runs in an asyncio loop and never blocks it. Bounded: connections, line length, bytes waiting to be read by a client.
Decides nothing itself: the pool decides, the behaviour distorts.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, cast
from weakref import WeakSet

from upsim.clock import Clock, Instant
from upsim.descriptors import connections
from upsim.loop import readable
from upsim.stratum.behaviours import Behaviour, Cover, Reach
from upsim.stratum.faults import Close, Flood, Pause, Send, Step
from upsim.stratum.pool import Output, Seat, SimulatedPool
from upsim.stratum.wire import LineBuffer, LineTooLong

_LOG: Final = logging.getLogger(__name__)
MAX_CONNECTIONS: Final = 20_000
"""How many connections all ports of a process have, where it has descriptors for twice as many."""
MAX_UNREAD_BYTES: Final = 262_144
"""A client that lets this much wait unread is disconnected."""
MAX_STEPS: Final = 100_000
"""Most steps that wait for a slow behaviour; trickling a job byte by byte takes two thousand."""
FIRST_BYTE_S: Final = 60.0
TICK_S: Final = 1.0
"""How often connections are looked at for a new job."""
_TLS_HELLO: Final = 0x16
_SLICE: Final = 500
"""Connections told of a job before others get their turn."""
_HOSTS: Final[WeakSet[Host]] = WeakSet()
"""Those of this process, who share what connections it has."""


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
        self._timers: list[asyncio.TimerHandle] = []
        self._transport: asyncio.Transport | None = None
        self._full = False
        self.seat: Seat = route.pool.join(route.behaviour.terms)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNREAD_BYTES)
        peer = transport.get_extra_info("peername")
        self.seat.peer = f"{peer[0]}:{peer[1]}" if peer else ""
        self._host.connections.add(self)
        loop = asyncio.get_running_loop()
        self._timers = [loop.call_later(self._wire.login_s * self._host.pace, self._check_login)]
        if self._wire.life_s is not None:
            self._timers.append(loop.call_later(self._wire.life_s * self._host.pace, self.close, True))
        self._take(self._wire.connected())

    def connection_lost(self, problem: Exception | None) -> None:
        """End."""
        self._transport = None
        self._host.connections.discard(self)
        self._route.pool.leave(self.seat)
        for timer in self._timers:
            timer.cancel()
        if self._waiting is not None:
            self._waiting.cancel()

    def pause_writing(self) -> None:
        """The client does not read. A flood waits for it; anything else is not collected, the client has to go."""
        self._full = True
        if self._transport is not None and not (self._steps and isinstance(self._steps[0], Flood)):
            self._transport.abort()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._full = False
        if self._waiting is None:
            self._go()

    def data_received(self, data: bytes) -> None:
        """Hand the client's lines to the pool."""
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self.close()
            return
        for line in lines:
            if self._transport is None or self._transport.is_closing():
                return
            if self._wire.hears(line):
                self._answer(self._route.pool.receive(self.seat, line, self._route.clock.now()))
            else:
                self._take(self._wire.unheard())

    @property
    def clock(self) -> Clock:
        """The clock its pool follows."""
        return self._route.clock

    def tick(self, now: Instant) -> None:
        """Let time pass."""
        if self._transport is not None and not self._transport.is_closing():
            self._answer(self._route.pool.tick(self.seat, now))

    def _answer(self, output: Output) -> None:
        if output.lines:
            self._take(self._wire.says(output.lines))
        if output.close:
            self._take([Close()])

    def _take(self, steps: list[Step]) -> None:
        self._steps.extend(steps)
        if len(self._steps) > MAX_STEPS:
            # A slow pool, and a client that asks faster than it is answered.
            self.close(reset=True)
        elif self._waiting is None:
            self._go()

    def _go(self) -> None:
        self._waiting = None
        while self._steps and self._transport is not None and not self._transport.is_closing():
            match self._steps[0]:
                case Send(data):
                    self._transport.write(data)
                case Close(reset):
                    self.close(reset)
                    return
                case Flood(data, total):
                    if total > 0:
                        self._steps[0] = Flood(data, total - len(data))
                        self._transport.write(data)
                        if self._full:
                            return
                        continue
                case Pause(seconds):
                    loop = asyncio.get_running_loop()
                    self._waiting = loop.call_later(seconds * self._host.pace, self._go)
                    self._steps.popleft()
                    return
            if self._steps:
                self._steps.popleft()

    def _check_login(self) -> None:
        if self.seat.session is None or not self.seat.session.logins:
            self.close()

    def close(self, reset: bool = False) -> None:
        """Hang up."""
        self._steps.clear()
        if self._transport is None:
            return
        if reset:
            raw = self._transport.get_extra_info("socket")
            if raw is not None:
                _reset_on_close(raw)
            self._transport.abort()
        else:
            self._transport.close()


class Host:
    """Accepts on listening sockets and gives each connection its route.

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
        self._most = connections(MAX_CONNECTIONS)
        _HOSTS.add(self)

    async def serve(self, listener: socket.socket) -> None:
        """Accept, and keep jobs moving, until cancelled; then close every connection."""
        listener.setblocking(False)
        ticking = asyncio.get_running_loop().create_task(self._tick_for_ever())
        try:
            while True:
                await self._accept(listener)
        finally:
            ticking.cancel()
            for task in list(self._opening):
                task.cancel()
            await asyncio.gather(ticking, *self._opening, return_exceptions=True)
            for connection in list(self.connections):
                connection.close(reset=True)
            # Transports close at the loop's next turn.
            await asyncio.sleep(0)

    async def broadcast(self) -> None:
        """Send every connection the job that is due, in turns, so that none waits for all."""
        # A clock may live in a store: it is asked once, not once a connection.
        times: dict[int, Instant] = {}
        for at, connection in enumerate(list(self.connections), 1):
            clock = connection.clock
            if id(clock) not in times:
                times[id(clock)] = clock.now()
            connection.tick(times[id(clock)])
            if at % _SLICE == 0:
                await asyncio.sleep(0)

    async def _tick_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self.broadcast()
            except Exception:
                # The edge: a store that fails for a moment must not stop all jobs for ever.
                _LOG.exception("jobs could not be sent; the next try is in %s s", TICK_S)

    async def _accept(self, listener: socket.socket) -> None:
        """Take in who is waiting. Not by the loop's sock_accept: cancelled at the wrong moment, it loses a socket."""
        await readable(listener)
        for _ in range(_SLICE):
            try:
                accepted, peer = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as problem:
                # Out of file descriptors, mostly: those that are open go on, and it may pass.
                _LOG.warning("cannot accept a connection: %s", problem)
                await asyncio.sleep(0.05)
                return
            if sum(len(host.connections) + len(host._opening) for host in list(_HOSTS)) >= self._most:
                accepted.close()
                continue
            task = asyncio.get_running_loop().create_task(self._open(accepted, (str(peer[0]), int(peer[1]))))
            self._opening.add(task)
            task.add_done_callback(partial(self._opened, accepted))

    def _opened(self, accepted: socket.socket, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if task.cancelled():
            # Possibly before its first step, when nobody else could have closed it.
            accepted.close()

    async def _open(self, accepted: socket.socket, peer: tuple[str, int]) -> None:
        try:
            route = self._route(peer)
            if route is None:
                accepted.close()
                return
            accepted.setblocking(False)
            if route.behaviour.reach is not Reach.ANSWERS:
                await _unreachable(accepted, route.behaviour.reach)
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            context = await self._context(accepted, route.behaviour.cover)
            loop = asyncio.get_running_loop()
            await loop.connect_accepted_socket(lambda: Connection(route, self), accepted, ssl=context)
        except (OSError, TimeoutError) as problem:
            _LOG.debug("a connection from %s ended before it began: %s", peer, problem)
            accepted.close()
        except Exception:
            # The edge: whoever gives the routes failed; this connection is lost, the next may not be.
            _LOG.exception("a connection from %s could not be served", peer)
            accepted.close()

    async def _context(self, accepted: socket.socket, cover: Cover) -> ssl.SSLContext | None:
        """Wait for the first byte where it decides; None for a plain connection."""
        if cover is Cover.PLAIN:
            return None
        async with asyncio.timeout(FIRST_BYTE_S):
            await readable(accepted)
        first = accepted.recv(1, socket.MSG_PEEK)
        if first and first[0] == _TLS_HELLO:
            return self._secure()
        if cover is Cover.TLS or not first:
            raise ConnectionAbortedError("plain words on a TLS port" if first else "nothing was said")
        return None


async def _unreachable(accepted: socket.socket, reach: Reach) -> None:
    """On a port that others are served on, the nearest thing to being refused is a reset, and to nothing, silence."""
    if reach is Reach.FILTERED:
        await asyncio.sleep(FIRST_BYTE_S)
    _reset_on_close(accepted)
    accepted.close()


def _reset_on_close(raw: socket.socket) -> None:
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
