"""The two sockets of a miner's visit: bytes in, lines out. Decides nothing, and keeps at most a line of each side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol, cast

from upsim.proxy.upstream import Answered, Heard, Offered, Opened, Refused, Send, Told, Upstream
from upsim.stratum.wire import LineBuffer, LineTooLong, NotStratum

MAX_UNREAD_BYTES: Final = 262_144
"""A miner that lets this much wait unread is disconnected."""


class Failed(Exception):
    """A conversation with a pool came to nothing.

    Attributes:
        stage: the step of a pool test that this would be.
        reason: a sentence for people.
    """

    def __init__(self, stage: str, reason: str) -> None:
        """Keep the facts."""
        super().__init__(f"{stage}: {reason}")
        self.stage = stage
        self.reason = reason


class PoolLine(asyncio.Protocol):
    """A connection to a pool.

    Attributes:
        upstream: the conversation on it.
        ready: done once the pool gave work; fails with Failed where it will not.
    """

    def __init__(
        self,
        upstream: Upstream,
        heard: Callable[[PoolLine, Offered | Answered | Told], None],
        lost: Callable[[PoolLine], None],
    ) -> None:
        """Say who hears what the pool says, and of its end, once it is ready; that may be somebody else later."""
        self.upstream = upstream
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.heard = heard
        self.lost = lost
        self._lines = LineBuffer()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to talk."""
        self._transport = cast(asyncio.Transport, transport)
        self.write(self.upstream.begin())

    def write(self, line: bytes) -> None:
        """Send a line, where there is still somebody to send it to."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(line)

    def data_received(self, data: bytes) -> None:
        """Take what the pool says."""
        try:
            for line in self._lines.feed(data):
                for event in self.upstream.receive(line):
                    self._take(event)
        except (LineTooLong, NotStratum) as problem:
            self._fail("subscription", f"the pool said what is not Stratum: {problem}")
            self.close()

    def _take(self, event: Heard) -> None:
        match event:
            case Send(line):
                self.write(line)
            case Refused(stage, reason):
                self._fail(stage, reason)
                self.close()
            case Opened():
                self._settle()
            case Offered():
                if not self.ready.done():
                    self._settle()
                else:
                    self.heard(self, event)
            case Answered() | Told():
                self.heard(self, event)

    def _settle(self) -> None:
        if self.upstream.opened and self.upstream.work is not None and not self.ready.done():
            self.ready.set_result(None)

    def _fail(self, stage: str, reason: str) -> None:
        if not self.ready.done():
            self.ready.set_exception(Failed(stage, reason))
            self.ready.exception()  # looked at: whoever waited may have gone

    def connection_lost(self, problem: Exception | None) -> None:
        """The pool hung up, or we did."""
        self._transport = None
        was_ready = self.ready.done() and not self.ready.cancelled() and self.ready.exception() is None
        self._fail("authorization" if self.upstream.opened else "subscription", "the pool closed the connection")
        if was_ready:
            self.lost(self)

    @property
    def is_open(self) -> bool:
        """Whether there is still somebody at the other end."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()


class Listener(Protocol):
    """Whoever is told what a miner says."""

    def take(self, line: bytes) -> bool:
        """A line; false where the rest is not to be heard."""

    def gone(self) -> None:
        """It hung up, or we did."""


class MinerLine(asyncio.Protocol):
    """A connection of a miner.

    Attributes:
        peer: address and port of the other side, for people.
        host: the address alone.
    """

    def __init__(self, listener: Callable[[MinerLine], Listener]) -> None:
        """`listener` makes who is told."""
        self._listener = listener
        self._told: Listener | None = None
        self._lines = LineBuffer()
        self._transport: asyncio.Transport | None = None
        self.peer = self.host = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=MAX_UNREAD_BYTES)
        peer = transport.get_extra_info("peername")
        self.host = str(peer[0]) if peer else ""
        self.peer = f"{self.host}:{peer[1]}" if peer else ""
        self._told = self._listener(self)

    def pause_writing(self) -> None:
        """The miner does not read: it has to go."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take what the miner says."""
        try:
            lines = self._lines.feed(data)
        except LineTooLong:
            self.close()
            return
        for line in lines:
            if self._told is None or self._transport is None or self._transport.is_closing():
                return
            if not self._told.take(line):
                return

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def connection_lost(self, problem: Exception | None) -> None:
        """End."""
        self._transport = None
        if self._told is not None:
            self._told.gone()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()
