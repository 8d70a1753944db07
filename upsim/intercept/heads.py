"""The heads of requests, as far as a proxy has to read them. Takes from a socket what it reads and no byte more."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Final

from upsim.loop import readable

MAX_HEAD_BYTES: Final = 65_536
_END: Final = b"\r\n\r\n"
_REQUEST: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) (HTTP/1\.[01])")
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:@/\s]+)(?::([0-9]{1,5}))?")
_HOP_BY_HOP: Final = re.compile(rb"(?i)(proxy-[a-z-]+|connection|keep-alive|upgrade) *:")


class Refused(Exception):
    """What a client asks for is not done: status, and why in one line."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)

    def content(self) -> bytes:
        """As an answer. Clients show of a refused CONNECT the reason phrase at most, so it says all."""
        why = str(self).encode("ascii", "replace")
        return (
            b"HTTP/1.1 %d %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b\n"
        ) % (self.status, why, len(why) + 1, why)


async def read_head(waiting: socket.socket) -> bytes:
    """What stands before a message's body, the empty line included; nothing where the connection ended before.

    Raises:
        Refused: it does not end.
        OSError: the connection broke.
    """
    head = b""
    while True:
        await readable(waiting)
        seen = waiting.recv(MAX_HEAD_BYTES, socket.MSG_PEEK)
        if not seen:
            return b""
        # The end may stand across what is taken already and what is only seen.
        end = (head + seen).find(_END)
        taken = len(seen) if end < 0 else end + len(_END) - len(head)
        head += waiting.recv(taken)
        if end >= 0:
            return head
        if len(head) >= MAX_HEAD_BYTES:
            raise Refused(431, "The request's head is longer than 64 KiB")


def request_line(head: bytes) -> tuple[str, str, str]:
    """Method, target and version.

    Raises:
        Refused: it is no request of HTTP/1.
    """
    found = _REQUEST.fullmatch(head.partition(b"\r\n")[0].decode("latin-1"))
    if found is None:
        raise Refused(400, "This is a proxy for HTTP/1.1, and that is no request of it")
    return found[1], found[2], found[3]


def authority(text: str, default_port: int) -> tuple[str, int]:
    """Host, without the brackets of an address, and port.

    Raises:
        Refused: it is none.
    """
    found = _AUTHORITY.fullmatch(text)
    port = default_port if found is None or found[2] is None else int(found[2])
    if found is None or not 0 < port < 65_536:
        raise Refused(400, "The request names no host and port")
    return found[1].strip("[]"), port


def onward_fields(head: bytes) -> Iterator[bytes]:
    """The fields that go on: without those between client and proxy, and with a connection that ends afterwards.

    So whatever comes next is a request of its own, which may be for somebody else.
    """
    for line in head.split(b"\r\n")[1:]:
        if line and not _HOP_BY_HOP.match(line):
            yield line
    yield b"Connection: close"
