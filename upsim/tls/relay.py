"""Connections that are carried on: TLS ends here, and what was in it goes on to another socket, byte for byte.

Knows nothing of what the bytes mean, so nothing about them can change: keep-alive, chunks, large bodies, pipelining.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import Final, cast

from upsim.loop import LoopThread, readable

_LOG: Final = logging.getLogger(__name__)
HANDSHAKE_S: Final = 15.0
"""How long a client may take over its first byte, and over the handshake."""
_LINGER_S: Final = 2.0
"""How long what was sent may still travel when all is closed."""
_TLS_HELLO: Final = 0x16
_NO_TLS: Final = b'{"error": "This port speaks HTTPS only: write https:// in place of http://."}'
_PLAIN_REFUSED: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_NO_TLS), _NO_TLS)
)


class Relay:
    """Carries connections on. Its methods belong into a loop; `close_all` ends what is still open."""

    def __init__(self) -> None:
        self._ends: set[_End] = set()

    async def join(
        self,
        client: socket.socket,
        onward: socket.socket,
        context: ssl.SSLContext | None = None,
        outer: tuple[ssl.SSLContext, str] | None = None,
        first: bytes = b"",
    ) -> None:
        """Carry on between two connected sockets, both owned from here on; returns once they are joined.

        Args:
            context: the server's side of the client's TLS; None for none.
            outer: the client's side of the onward socket's TLS, and the name to verify; None for none.
            first: what goes on before anything that is read.

        Raises:
            OSError, TimeoutError: TLS did not come about; both are closed.
        """
        loop = asyncio.get_running_loop()
        near, far = _End(self._ends), _End(self._ends)
        near.other, far.other = far, near
        theirs, name, outer_s = (None, None, None) if outer is None else (*outer, HANDSHAKE_S)
        try:
            await loop.create_connection(
                lambda: far, sock=onward, ssl=theirs, server_hostname=name, ssl_handshake_timeout=outer_s
            )
        except BaseException:
            client.close()
            raise
        try:
            timeout_s = None if context is None else HANDSHAKE_S
            await loop.connect_accepted_socket(lambda: near, client, ssl=context, ssl_handshake_timeout=timeout_s)
        except BaseException:
            far.abort()
            raise
        if far.is_gone:  # while TLS began; nobody would tell the client
            near.close()
            return
        far.write(first)
        far.listen()
        near.listen()

    async def close_all(self) -> None:
        """Let what was sent arrive, for a moment, and end every connection."""
        loop = asyncio.get_running_loop()
        latest = loop.time() + _LINGER_S
        while self._ends and loop.time() < latest:
            await asyncio.sleep(0.01)
        self.abort_all()
        await asyncio.sleep(0)

    def abort_all(self) -> None:
        """End every connection at once."""
        for end in list(self._ends):
            end.abort()


class _End(asyncio.Protocol):
    """One side of a joined connection: hands what it reads to the other, at the speed the other takes it."""

    other: _End

    def __init__(self, ends: set[_End]) -> None:
        self._ends = ends
        self._transport: asyncio.Transport | None = None
        self._heard_all = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()  # until there is somebody to hand it to
        self._ends.add(self)

    @property
    def is_gone(self) -> bool:
        """Whether its connection was lost, or never made."""
        return self._transport is None

    def listen(self) -> None:
        """Read, from now on or again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Send."""
        if self._transport is not None and data:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        self.other.write(data)

    def pause_writing(self) -> None:
        other = self.other._transport
        if other is not None and not other.is_closing():
            other.pause_reading()

    def resume_writing(self) -> None:
        self.other.listen()

    def eof_received(self) -> bool:
        self._heard_all = True
        other = self.other._transport
        # TLS knows no half-closed connection: there the end of one direction is the end of both.
        halves = self._transport is not None and self._transport.can_write_eof()
        if other is not None and other.can_write_eof() and halves and not self.other._heard_all:
            other.write_eof()
            return True
        self.other.close()
        return False

    def connection_lost(self, problem: Exception | None) -> None:
        self._ends.discard(self)
        self._transport = None
        if problem is None:
            self.other.close()
        else:
            self.other.abort()

    def close(self) -> None:
        """End it once what was written is out."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it at once."""
        if self._transport is not None:
            self._transport.abort()


class Terminator:
    """The TLS of a server that has none itself, in a thread of its own."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._relay = Relay()
        self._thread = LoopThread("upsim-tls")

    def terminate(self, client: socket.socket) -> socket.socket:
        """Take a connection that was just accepted; answers the socket on which its content is to be had in the clear.

        Raises:
            OSError: there are no more descriptors; the client's connection is closed.
        """
        try:
            inside, outside = socket.socketpair()
        except OSError:
            client.close()
            raise
        client.setblocking(False)
        send_at_once(client)
        outside.setblocking(False)
        self._thread.start(self._join(client, outside))
        return inside

    def close(self) -> None:
        """End every connection and wait for the thread."""
        self._thread.run(self._relay.close_all())
        self._thread.stop()

    async def _join(self, client: socket.socket, outside: socket.socket) -> None:
        joined = False
        try:
            first = await first_byte(client)
            if first is not None and is_tls(first):
                joined = True
                await self._relay.join(client, outside, self._context)
            elif first is not None:
                await answer(client, _PLAIN_REFUSED)
        except (OSError, TimeoutError) as problem:  # what ssl raises is an OSError
            _LOG.debug("a connection ended before it began: %s", problem)
        finally:
            if not joined:
                outside.close()
                client.close()


def send_at_once(accepted: socket.socket) -> None:
    """Let each write leave as it is made. asyncio does that for connections it makes, not for those it is given."""
    with contextlib.suppress(OSError):  # the client is gone already
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def is_tls(first: int) -> bool:
    """Whether TLS begins with this byte; no text does."""
    return first == _TLS_HELLO


async def first_byte(client: socket.socket) -> int | None:
    """What a connection begins with; None where it ended before. Nothing of it is taken.

    Raises:
        OSError, TimeoutError: it does not begin.
    """
    async with asyncio.timeout(HANDSHAKE_S):
        await readable(client)
    first = client.recv(1, socket.MSG_PEEK)
    return first[0] if first else None


async def answer(client: socket.socket, content: bytes) -> None:
    """Say a last word so that it arrives: what is sent meanwhile is read, or the system would reset the connection."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(client, content)
    client.shutdown(socket.SHUT_WR)
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while await loop.sock_recv(client, 65_536):
                pass
