"""What a handler gives back, and how it becomes an answer."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any, Final

from flask import Response

from upsim.clock import Instant
from upsim.records import dataclass

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is JSON.

    Attributes:
        content: what it says; text is JSON already: of long answers, whose writing would take longer than all else.
        until: of what was read: the instant from which on the same call may be answered differently though nothing of
            the world was changed. Where it is not said, from the next moment on.
        for_people: it will be kept as a file and read: line by line, not as short as it can be.
    """

    content: Json | str
    status: HTTPStatus = HTTPStatus.OK
    until: Instant = Instant(0)
    for_people: bool = False

    def response(self) -> Response:
        """The answer as Flask sends it."""
        return Response(self.body, self.status, content_type="application/json")

    @property
    def body(self) -> bytes:
        """The answer's JSON."""
        if isinstance(self.content, str):
            return self.content.encode()
        if self.for_people:
            return json.dumps(self.content, ensure_ascii=False, indent=1).encode() + b"\n"
        return encode(self.content)


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)

written: Final = _ENCODER.encode
"""JSON text, as short as it can be."""


def encode(content: Any) -> bytes:
    """The same as bytes."""
    return written(content).encode()
