"""Lines of JSON: cut from a byte stream, read, written. Knows framing and envelopes; knows no dialect, socket or clock.

Promises bounded memory (a line past its limit is an error, not a buffer) and never raises anything but what it names,
whatever the bytes are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from typing import Final, NoReturn, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Id: TypeAlias = int | float | str | None
"""What may stand as a request's id; it comes back verbatim in type and value."""

MAX_LINE_BYTES: Final = 65_536
"""Longest line either side reads. Real pools stop between 1 KB and 100 KB; real jobs stay below 16 KB."""

_CLIP: Final = 60
_HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")


class RejectCode(IntEnum):
    """Why a share was refused, in the numbers of the V1 family. Source: docs/stratum.md, "Refusals"."""

    OTHER = 20
    STALE = 21
    DUPLICATE = 22
    LOW_DIFFICULTY = 23
    UNAUTHORIZED = 24
    NOT_SUBSCRIBED = 25


REJECT_TEXT: Final[Mapping[RejectCode, str]] = {
    RejectCode.OTHER: "Other/Unknown",
    RejectCode.STALE: "Job not found",
    RejectCode.DUPLICATE: "Duplicate share",
    RejectCode.LOW_DIFFICULTY: "Low difficulty share",
    RejectCode.UNAUTHORIZED: "Unauthorized worker",
    RejectCode.NOT_SUBSCRIBED: "Not subscribed",
}


class LineTooLong(Exception):
    """The other side sent a line longer than the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"a line longer than {limit} bytes")
        self.limit = limit


class NotStratum(Exception):
    """A line is no JSON object. Carries a short, printable excerpt."""

    def __init__(self, line: bytes) -> None:
        self.excerpt = excerpt(line)
        super().__init__(f"not a line of JSON: {self.excerpt}")


class LineBuffer:
    """Cuts a byte stream into lines, however the bytes were split or joined on their way."""

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()
        self._searched = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes in, give complete lines out, without their line end; blank lines are dropped.

        Raises:
            LineTooLong: if a line, complete or not, is past the limit. The lines before it are lost with it: the
                connection is to be closed.
        """
        self._rest += data
        lines: list[bytes] = []
        start = 0
        while (end := self._rest.find(b"\n", max(start, self._searched))) >= 0:
            if end - start > self._limit:
                raise LineTooLong(self._limit)
            line = bytes(self._rest[start:end]).strip()
            if line:
                lines.append(line)
            start = end + 1
        del self._rest[:start]
        # A long line that comes byte by byte must not be searched from its beginning each time.
        self._searched = len(self._rest)
        if len(self._rest) > self._limit:
            raise LineTooLong(self._limit)
        return lines

    @property
    def pending(self) -> bytes:
        """The bytes of the line that has not ended yet."""
        return bytes(self._rest)


def excerpt(data: bytes) -> str:
    """The first bytes of something unexpected, escaped so that they can be shown to people."""
    text = data[:_CLIP].decode("latin-1").encode("unicode_escape").decode("ascii")
    return f'"{text}…"' if len(data) > _CLIP else f'"{text}"'


def clip(text: str, limit: int = 120) -> str:
    """The beginning of a text from the other side, printable and short enough to quote."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= limit else clean[:limit] + "…"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


# Made once: json.loads and json.dumps make a new one for each line.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"))


def decode(line: bytes) -> dict[str, Json]:
    """Read a line as a JSON object.

    Raises:
        NotStratum: if it is anything else, broken UTF-8, NaN and bottomless nesting included.
    """
    try:
        value = _DECODER.decode(line.decode("utf-8"))
    except (ValueError, RecursionError):
        raise NotStratum(line) from None
    if not isinstance(value, dict):
        raise NotStratum(line)
    return value


def encode(message: Mapping[str, Json]) -> bytes:
    """Write a message as one line, line end included."""
    return _ENCODER.encode(message).encode("ascii") + b"\n"


@dataclass(frozen=True, slots=True)
class Request:
    """A line that asks for something."""

    id: Id
    method: str
    params: list[Json]
    """Positional parameters; empty where there are none or they are named."""
    named: dict[str, Json] = field(default_factory=dict)
    """Named parameters; empty where they are positional."""
    worker: str = ""
    """The `worker` some ETHPROXY miners put beside the parameters."""

    def text(self, position: int, default: str = "") -> str:
        """A positional parameter, where it is there and a string."""
        value = self.params[position] if position < len(self.params) else None
        return value if isinstance(value, str) else default

    def name(self, key: str, default: str = "") -> str:
        """A named parameter, where it is there and a string."""
        value = self.named.get(key)
        return value if isinstance(value, str) else default


def as_id(value: Json) -> Id:
    """A request's id as it may be echoed; anything but a finite number, a string or null counts as null."""
    if isinstance(value, bool | list | dict) or (isinstance(value, float) and not isfinite(value)):
        return None
    return value


def as_number(value: Json, below: float = 1e15) -> float:
    """A positive number below a limit; 0 for anything else, so that no sum of strange inputs can overflow."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < below:
        return 0.0
    return float(value)


def as_request(message: Mapping[str, Json]) -> Request | None:
    """Read a message as a request; None where it is a reply or has no method."""
    method = message.get("method")
    if not isinstance(method, str):
        return None
    params = message.get("params")
    worker = message.get("worker")
    return Request(
        id=as_id(message.get("id")),
        method=method,
        params=params if isinstance(params, list) else [],
        named=params if isinstance(params, dict) else {},
        worker=worker if isinstance(worker, str) else "",
    )


def result(request_id: Id, value: Json) -> bytes:
    """A reply that succeeded. `error` is there and null: strict clients refuse its absence."""
    return encode({"id": request_id, "result": value, "error": None})


def failure(request_id: Id, code: int, text: str, value: Json = None) -> bytes:
    """A reply that failed, as the V1 family writes it."""
    return encode({"id": request_id, "result": value, "error": [code, text, None]})


def notification(method: str, params: list[Json]) -> bytes:
    """A message that asks for no reply."""
    return encode({"id": None, "method": method, "params": params})


def is_hex(text: str, digits: int | None = None) -> bool:
    """Whether a text is hex digits, and exactly so many of them where that is asked."""
    if digits is not None and len(text) != digits:
        return False
    return bool(text) and _HEX_DIGITS.issuperset(text)


def unprefixed(text: str) -> str:
    """Hex without the `0x` that some dialects put in front."""
    return text[2:] if text[:2] in ("0x", "0X") else text
