"""What can become of a connection's bytes: small scripts that know neither sockets nor time, only steps to take.

A wire sits between the pool and the socket: it sees lines the client sends and lines the pool answers with, and says
what to do. The server takes the steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from upsim.stratum.wire import encode


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds of wire time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection: politely, or with a reset."""

    reset: bool = False


@dataclass(frozen=True, slots=True)
class Flood:
    """Write these bytes again and again, as fast as the client takes them."""

    data: bytes
    total_bytes: int


Step: TypeAlias = Send | Pause | Close | Flood

LOGIN_S: Final = 600.0
"""A connection that has not logged in after this long is closed, as pools do."""


class Wire:
    """A healthy connection: everything is said at once.

    Attributes:
        login_s: seconds a client has to log in.
        life_s: seconds after which the connection is reset; None lets it live.
    """

    login_s: ClassVar[float] = LOGIN_S
    life_s: ClassVar[float | None] = None

    def connected(self) -> list[Step]:
        """Steps to take before the client said anything."""
        return []

    def hears(self, line: bytes) -> bool:
        """Whether the pool gets this line of the client."""
        return True

    def unheard(self) -> list[Step]:
        """Steps to take for a line the pool does not get."""
        return []

    def says(self, lines: list[bytes]) -> list[Step]:
        """Steps to take for what the pool answers."""
        return [Send(b"".join(lines))] if lines else []


class ClosesAtOnce(Wire):
    """Accepts, then hangs up."""

    def connected(self) -> list[Step]:
        return [Close()]


class ResetsAtOnce(Wire):
    """Accepts, then resets."""

    def connected(self) -> list[Step]:
        return [Close(reset=True)]


class Silent(Wire):
    """Accepts, and says nothing ever."""

    def hears(self, line: bytes) -> bool:
        return False


class ClosesOnFirstLine(Silent):
    """Hangs up on the client's first words."""

    def unheard(self) -> list[Step]:
        return [Close()]


class BannedWithMessage(Silent):
    """Says why, then hangs up."""

    reason: ClassVar[str] = "Your IP is banned"

    def unheard(self) -> list[Step]:
        return [Send(encode({"id": 1, "jsonrpc": "2.0", "error": {"code": -1, "message": self.reason}})), Close()]


class ClosesAfterReply(Wire):
    """Answers once, then hangs up."""

    def says(self, lines: list[bytes]) -> list[Step]:
        return [Send(lines[0]), Close()] if lines else []


class Impatient(Wire):
    """Hangs up on who has not logged in after ten seconds."""

    login_s = 10.0


class Slow(Wire):
    """Each reply comes a second late."""

    def says(self, lines: list[bytes]) -> list[Step]:
        return [Pause(1.0), Send(b"".join(lines))] if lines else []


class Trickle(Wire):
    """One byte at a time."""

    def says(self, lines: list[bytes]) -> list[Step]:
        steps: list[Step] = []
        for byte in b"".join(lines):
            steps += [Send(bytes([byte])), Pause(0.001)]
        return steps


class Split(Wire):
    """Lines come in odd pieces: the end of one glued to the beginning of the next."""

    def says(self, lines: list[bytes]) -> list[Step]:
        data = b"".join(lines)
        steps: list[Step] = []
        for at in range(0, len(data), 37):
            steps += [Send(data[at : at + 37]), Pause(0.005)]
        return steps


class CutLine(Wire):
    """Half a line, then a hang-up."""

    def says(self, lines: list[bytes]) -> list[Step]:
        return [Send(lines[0][: len(lines[0]) // 2]), Close()] if lines else []


class HugeLine(Silent):
    """A line of 10 MB that never ends."""

    def unheard(self) -> list[Step]:
        return [Send(b'{"id":1,"result":[[],"08000002",4],"error":null,"pad":"'), Flood(b"A" * 65_536, 10_000_000)]


class Http(Silent):
    """A web server answers."""

    def unheard(self) -> list[Step]:
        body = b"400 Bad Request"
        head = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
        return [Send(head + body), Close()]


class Garbage(Silent):
    """An SSH server greets."""

    def connected(self) -> list[Step]:
        return [Send(b"SSH-2.0-OpenSSH_9.2\r\n")]


class Noise(Silent):
    """Bytes that are no text in any encoding."""

    def connected(self) -> list[Step]:
        return [Send(b"\x00\xff\xfe\x80\xc3\x28" + bytes(range(128, 256)) + b"\n")]


class JsonNoise(Silent):
    """JSON, but no objects."""

    def unheard(self) -> list[Step]:
        return [Send(b'[]\nnull\n"pool"\n')]


class WrongId(Wire):
    """Replies carry an id nobody asked with."""

    def says(self, lines: list[bytes]) -> list[Step]:
        # Only replies have "result"; notifications go on as they are.
        return [
            Send(b"".join(line.replace(b'"id":', b'"id":999', 1) if b'"result":' in line else line for line in lines))
        ]


class OutOfOrder(Wire):
    """Jobs and messages come before the reply they follow."""

    def says(self, lines: list[bytes]) -> list[Step]:
        chat = encode({"id": None, "method": "client.show_message", "params": ["hello"]})
        asks = encode({"id": 77, "method": "client.get_version", "params": []})
        return [Send(b"".join([chat, asks, *reversed(lines)]))] if lines else []


class Restarts(Wire):
    """Resets everybody after a while."""

    life_s = 5.0
