"""The proxy that programs are pointed at: leads some hosts to the simulator, lets some through, refuses the rest.

It reads the head of a connection's first request, no byte more; from there on bytes are carried. CONNECT is what
clients ask a proxy for before they speak TLS; a request for a whole URL is what they send where they do not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from upsim.intercept.heads import Refused, authority, onward_fields, read_head, request_line
from upsim.intercept.hosts import Fate, Hosts, is_loopback, refusal, spelt
from upsim.intercept.onward import Onward, connected
from upsim.loop import LoopThread, readable
from upsim.tls.relay import Relay, answer, first_byte, is_tls, send_at_once

_LOG: Final = logging.getLogger(__name__)
_IDLE_S: Final = 120.0
"""How long a connection may wait with its first request: some clients open one in advance."""
_ESTABLISHED: Final = b"HTTP/1.1 200 Connection established\r\n\r\n"
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """The simulator that intercepted calls are led to.

    Attributes:
        outer: where it speaks TLS, how to verify it, and as whom.
    """

    host: str
    port: int
    outer: tuple[ssl.SSLContext, str] | None = None

    @classmethod
    def at(cls, url: str) -> Target:
        """The one that listens there.

        Raises:
            ValueError: calls cannot be led to that URL.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in _PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is no URL of a server: write it like http://127.0.0.1:8080")
        if parts.path.rstrip("/"):
            raise ValueError(f"{url} has a path: calls are led on as they are, so the simulator has to be at the root")
        outer = (ssl.create_default_context(), parts.hostname) if parts.scheme == "https" else None
        return cls(parts.hostname, parts.port or _PORTS[parts.scheme], outer)


class Proxy:
    """Listens on a free port of loopback, in a thread of its own, until `close`.

    Attributes:
        url: what proxy variables are set to.
    """

    def __init__(self, hosts: Hosts, target: Target, context: ssl.SSLContext, environ: Mapping[str, str]) -> None:
        """Listen.

        Args:
            context: the server's side of the TLS of intercepted hosts.
            environ: says by which proxies others are reached.
        """
        self._hosts = hosts
        self._target = target
        self._context = context
        self._onward = Onward(environ)
        self._refused: Counter[str] = Counter()
        self._passed: Counter[str] = Counter()
        self._relay = Relay()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = LoopThread("upsim-proxy")
        self._thread.start(self._serve())

    def refused(self) -> dict[str, int]:
        """Who was called and not reached, as HOST:PORT, and how often."""
        return self._thread.ask(lambda: dict(self._refused))

    def passed(self) -> dict[str, int]:
        """Who was let through to, as HOST:PORT, and how often; this machine's own servers are not counted."""
        return self._thread.ask(lambda: dict(self._passed))

    def close(self) -> None:
        """Close the port and every connection."""
        self._thread.stop()
        self._listener.close()

    async def _serve(self) -> None:
        try:
            while True:
                # Not by the loop's sock_accept: cancelled at the wrong moment, it loses a socket.
                await readable(self._listener)
                await self._accept()
        finally:
            self._relay.abort_all()

    async def _accept(self) -> None:
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as problem:  # no descriptors are left, or the client is gone
            _LOG.debug("a connection could not be accepted: %s", problem)
            await asyncio.sleep(0.05)
            return
        client.setblocking(False)
        send_at_once(client)
        self._thread.start(self._handle(client))

    async def _handle(self, client: socket.socket) -> None:
        with _Held(client) as held:
            try:
                async with asyncio.timeout(_IDLE_S):
                    head = await read_head(client)
                if head:
                    await self._begin(head, held)
            except Refused as refused:
                with contextlib.suppress(OSError):
                    await answer(client, refused.content())
            except (OSError, TimeoutError) as problem:  # what ssl raises is an OSError
                _LOG.debug("a connection ended before it began: %s", problem)

    async def _begin(self, head: bytes, held: _Held) -> None:
        method, url, version = request_line(head)
        if method == "CONNECT":
            await self._tunnel(*authority(url, _PORTS["https"]), held)
            return
        parts = urlsplit(url)
        if parts.scheme not in _PORTS:
            raise Refused(400, "This is the proxy of upsim: it takes CONNECT, and requests for whole URLs of http(s)")
        # https: sent in the clear to this proxy alone. Some clients know no CONNECT.
        host, port = authority(parts.netloc.rpartition("@")[2], _PORTS[parts.scheme])
        path = url[url.index(parts.netloc) + len(parts.netloc) :]
        path = path if path.startswith("/") else "/" + path
        lines = [f"{method} {path} {version}".encode("latin-1"), *onward_fields(head), b"", b""]
        if self._fate(host, port) is Fate.SIMULATED:
            held.also(await connected(self._target.host, self._target.port))
            outer = self._target.outer
        else:
            held.also(await self._onward.connect(host, port, parts.scheme))
            outer = (ssl.create_default_context(), host) if parts.scheme == "https" else None
        await self._relay.join(*held.given_away(), outer=outer, first=b"\r\n".join(lines))

    async def _tunnel(self, host: str, port: int, held: _Held) -> None:
        loop = asyncio.get_running_loop()
        if self._fate(host, port) is Fate.PASSED:
            held.also(await self._onward.connect(host, port, "https"))
            await loop.sock_sendall(held.client, _ESTABLISHED)
            await self._relay.join(*held.given_away())
            return
        held.also(await connected(self._target.host, self._target.port))
        await loop.sock_sendall(held.client, _ESTABLISHED)
        first = await first_byte(held.client)
        if first is not None:
            context = self._context if is_tls(first) else None
            await self._relay.join(*held.given_away(), context=context, outer=self._target.outer)

    def _fate(self, host: str, port: int) -> Fate:
        fate = self._hosts.fate(host, port)
        if fate is Fate.REFUSED:
            self._refused[spelt(host, port)] += 1
            raise Refused(403, refusal(host, port))
        if fate is Fate.PASSED and not is_loopback(host):
            self._passed[spelt(host, port)] += 1
        return fate


class _Held:
    """The sockets of a connection that begins: closed at its end, unless they were given away."""

    def __init__(self, client: socket.socket) -> None:
        self.client = client
        self._sockets = [client]

    def __enter__(self) -> _Held:
        return self

    def __exit__(self, *problem: object) -> None:
        for one in self._sockets:
            one.close()

    def also(self, onward: socket.socket) -> None:
        """Hold the one that leads on."""
        self._sockets.append(onward)

    def given_away(self) -> tuple[socket.socket, socket.socket]:
        """Both, for somebody else to close."""
        client, onward = self._sockets
        self._sockets = []
        return client, onward
