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
        until: of what was read: the instant from which on the same call may be answered differently though nothing of
            the world was changed. Where it is not said, from the next moment on.
        for_people: it will be kept as a file and read: line by line, not as short as it can be.
    """

    content: Json
    status: HTTPStatus = HTTPStatus.OK
    until: Instant = Instant(0)
    for_people: bool = False

    def response(self) -> Response:
        """The answer as Flask sends it."""
        text = json.dumps(self.content, ensure_ascii=False, indent=1).encode() + b"\n" if self.for_people else None
        return Response(text or encode(self.content), self.status, content_type="application/json")


def encode(content: Any) -> bytes:
    """JSON text, as short as it can be."""
    return _ENCODER.encode(content).encode()


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False)
