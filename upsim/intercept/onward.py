"""Connections to the simulator, and to those who are let through: directly, or by the proxy an environment names."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from upsim.intercept.heads import Refused, read_head
from upsim.intercept.hosts import is_loopback, spelt

_CONNECT_S: Final = 20.0


async def connected(host: str, port: int) -> socket.socket:
    """A connection, by the first of the host's addresses that accepts one.

    Raises:
        Refused: there is none.
    """
    loop = asyncio.get_running_loop()
    problem: OSError | TimeoutError | None = None
    try:
        async with asyncio.timeout(_CONNECT_S):
            for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                attempt = socket.socket(family, kind, protocol)
                attempt.setblocking(False)
                try:
                    await loop.sock_connect(attempt, address)
                    return attempt
                except OSError as failed:
                    attempt.close()
                    problem = failed
                except BaseException:
                    attempt.close()
                    raise
    except (OSError, TimeoutError, UnicodeError) as failed:  # UnicodeError: a name no resolver takes
        reason = (
            "no answer in time" if isinstance(failed, TimeoutError) else getattr(failed, "strerror", None) or failed
        )
        raise Refused(502, f"{spelt(host, port)} cannot be reached: {reason}") from failed
    raise Refused(
        502, f"{spelt(host, port)} cannot be reached: {(problem and problem.strerror) or 'it has no address'}"
    )


class Onward:
    """Reaches those who are let through as the environment says: its proxies, and whom it says to reach without."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._direct = [part.strip().lower() for part in self._variable("no_proxy").split(",") if part.strip()]

    async def connect(self, host: str, port: int, scheme: str) -> socket.socket:
        """A connection to a host, for what a client sends it.

        Raises:
            Refused: there is none to be had.
        """
        named = self._variable(f"{scheme}_proxy") or self._variable("all_proxy")
        if not named or self._reached_directly(host):
            return await connected(host, port)
        proxy = urlsplit(named if "://" in named else f"http://{named}")
        if proxy.scheme != "http" or not proxy.hostname:
            raise Refused(
                502, f"{spelt(host, port)} cannot be reached: of proxies only those with http:// are understood"
            )
        taken = await connected(proxy.hostname, proxy.port or 80)
        try:
            async with asyncio.timeout(_CONNECT_S):
                await asyncio.get_running_loop().sock_sendall(taken, _wish(proxy, host, port))
                status = (await read_head(taken)).partition(b"\r\n")[0].decode("latin-1")
            if status.split(" ")[1:2] != ["200"]:
                raise Refused(502, f"{spelt(host, port)} cannot be reached: the proxy before us says: {status[:200]}")
        except BaseException:
            taken.close()
            raise
        return taken

    def _variable(self, name: str) -> str:
        return self._environ.get(name) or self._environ.get(name.upper()) or ""

    def _reached_directly(self, host: str) -> bool:
        name = host.lower()
        if is_loopback(name) or "*" in self._direct:
            return True
        return any(name == part.lstrip("*.") or name.endswith("." + part.lstrip("*.")) for part in self._direct)


def _wish(proxy: SplitResult, host: str, port: int) -> bytes:
    target = spelt(host, port)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if proxy.username is not None:
        secret = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(secret.encode()).decode()}")
    return "\r\n".join([*lines, "", ""]).encode()
